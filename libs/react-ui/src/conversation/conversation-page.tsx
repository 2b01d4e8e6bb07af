import type { ChatMessage, ConversationView, ParleyClient } from '@parley/client';
import {
  ArrowLeft,
  Brush,
  CalendarDays,
  Ellipsis,
  FolderOpen,
  Info,
  Link2,
  LogOut,
  Pin,
  Radio,
  Search,
} from 'lucide-react';
import { Suspense, useCallback, useEffect, useRef, useState, useSyncExternalStore } from 'react';
import {
  titleOf,
  useChat,
  useClient,
  useMe,
  usePartner,
  useWatchedPresence,
  useUser,
  useView,
} from '../shared/chat.ts';
import { explain } from '../shared/errors.ts';
import { Avatar, RoomAvatar } from '../people/avatar.tsx';
import { Composer, readOnlyReason } from './composer.tsx';
import { DetailsPanel } from './details-panel.tsx';
import { FilesPanel } from './files-panel.tsx';
import { draftsOf } from './drafts.ts';
import { KeptDraft } from './kept-draft.tsx';
import { useLeave } from './leave.ts';
import { OnlineNow, useOnlineMembers } from './online-now.tsx';
import { ErrorBoundary, lazyPart } from '../shared/error-boundary.tsx';
import { Menu, type MenuItem } from '../shared/menu.tsx';
import { Panel } from '../shared/panel.tsx';
import { PlaceLink, useOpenPlace, useRoomAddress } from '../shared/places.tsx';
import { MessageRow } from '../messages/message.tsx';
import { PinsPanel } from './pins-panel.tsx';
import { removalText, useRemovals, type Removal } from './removal.ts';
import { SearchPanel } from './search-panel.tsx';
import { presenceTextOf } from '../people/presence-text.ts';
import { rowsOf } from '../messages/timeline-rows.ts';
import { Timeline, type Jump } from '../messages/timeline.tsx';
import { copyText } from '../shared/copy.ts';
import { Visit, VisitContext } from '../messages/visit.ts';
import { attempt, toast } from '../shared/toasts.tsx';
import { useStrings } from '../strings/strings.tsx';
import { peerChatsOf } from '../peer/peer-chat.ts';
import { useFileDrop } from '../files/file-drop.ts';

// Loaded when opened: few people open these panels.
const Board = lazyPart(() => import('../board/board.tsx'));
const DateDialog = lazyPart(() => import('../messages/date-dialog.tsx'));
const PeerPanel = lazyPart(() => import('../peer/peer-panel.tsx'));

/** The panels beside the messages. */
export type PanelName = 'details' | 'search' | 'pins' | 'files' | 'board' | 'peer' | 'date';

/**
 * A conversation: header, timeline, composer and panels. Give it the id as its `key`, too. `at`: the `seq` of a message to
 * show; once it is followed, the page is asked to show the conversation without it.
 */
export function ConversationPage({ id, at }: { readonly id: string; readonly at?: number | undefined }) {
  const client = useClient();
  const strings = useStrings();
  const view = useView(id);
  const online = useChat(({ connection }) => connection === 'online');
  const [problem, setProblem] = useState<string>();
  const opened = view?.opened ?? false;
  const [visit] = useState(() => new Visit(client, id));
  /** Whether the window was brought to where reading begins. */
  const [wasPlaced, setPlaced] = useState(() => view !== undefined && isAtUnread(view));
  const isPlaced = wasPlaced || (view !== undefined && isAtUnread(view));
  useEffect(() => {
    if ((opened && wasPlaced) || !online) return undefined;
    const closed = new AbortController();
    const { signal } = closed;
    const onRetry = (error: unknown) => signal.aborted || setProblem(explain(error));
    const onOpen = () => {
      if (signal.aborted) return;
      setProblem(undefined);
      setPlaced(true);
    };
    client.openAtUnread(id, { retry: true, signal, onRetry }).then(onOpen, onRetry);
    return () => closed.abort();
  }, [client, id, online, opened, wasPlaced]);
  const [removal, setRemoval] = useState<Removal>();
  useRemovals(useCallback((removed) => removed.conversationId === id && setRemoval(removed), [id]));
  const wasShown = useRef(false);
  const isReady = view !== undefined && (view.kept || (view.opened && (isPlaced || !online || problem !== undefined)));
  wasShown.current ||= isReady;
  // The composer stays mounted while the kept state gives way to the loaded one, so that typing is not interrupted.
  if (view && (isReady || (wasShown.current && problem === undefined)))
    return (
      <VisitContext value={visit}>
        <Conversation id={id} at={at} view={view} visit={visit} isReady={isReady} />
      </VisitContext>
    );
  if (!view && (removal || (wasShown.current && problem !== undefined)))
    return (
      <div className="empty grow">
        <h2>{removalText(strings, removal?.reason)}</h2>
        <KeptDraft id={id} />
        <PlaceLink to="list" className="button">
          {strings.conversation.back}
        </PlaceLink>
      </div>
    );
  if (problem === undefined && !online) return <OfflineConversation id={id} />;
  return (
    <div className="empty grow">
      {problem === undefined ? (
        <div className="spinner" role="img" aria-label={strings.common.loading} />
      ) : (
        <>
          <h2>{strings.conversation.notShown}</h2>
          <p>{problem}</p>
          <KeptDraft id={id} />
          <PlaceLink to="list" className="button">
            {strings.conversation.back}
          </PlaceLink>
        </>
      )}
    </div>
  );
}

/** Whether the loaded messages have the first unread one, or end with the newest one if nothing is unread. */
const isAtUnread = ({ opened, unread, firstUnread, hasAfter }: ConversationView): boolean =>
  opened && (unread > 0 ? firstUnread !== undefined : !hasAfter);

/** A conversation that cannot be loaded without a connection: shows the messages that wait to be sent. */
function OfflineConversation({ id }: { readonly id: string }) {
  const strings = useStrings();
  const me = useMe();
  const state = useChat(({ connection }) => connection);
  const pendingMessages = useChat(({ pending }) => pending.get(id));
  return (
    <section className="conversation-main" aria-label={strings.conversation.region}>
      <header className="conversation-head">
        <PlaceLink to="list" className="icon-button back" aria-label={strings.conversation.back}>
          <ArrowLeft size={22} />
        </PlaceLink>
      </header>
      <div className="timeline-scroll">
        <div className="timeline-rows">
          <div className="empty grow">
            {state === 'offline' ? (
              <>
                <h2>{strings.conversation.noConnection}</h2>
                <p>{strings.conversation.offline}</p>
              </>
            ) : (
              <div className="spinner" role="img" aria-label={strings.common.loading} />
            )}
          </div>
          {pendingMessages &&
            rowsOf(pendingMessages, me.id, undefined).map((row) => (
              <MessageRow
                key={row.key}
                row={row}
                kind="direct"
                own
                role={undefined}
                dayText={undefined}
                tabStop={false}
                onJump={doNothing}
                onReply={doNothing}
                onEdit={doNothing}
              />
            ))}
        </div>
      </div>
    </section>
  );
}

const doNothing = (): void => undefined;

let jumpCount = 0;

function withMessage(client: ParleyClient, id: string, messageId: string, work: (message: ChatMessage) => void): void {
  const view = client.getState().conversations.get(id);
  const message = view?.messages.find((shown) => shown.id === messageId);
  if (message) work(message);
}

const jumpOf = (seq: number | undefined): Jump | undefined =>
  seq === undefined ? undefined : { seq, id: ++jumpCount };

interface ConversationProps {
  readonly id: string;
  readonly at: number | undefined;
  readonly view: ConversationView;
  readonly visit: Visit;
  readonly isReady: boolean;
}

function Conversation({ id, at, view, visit, isReady }: ConversationProps) {
  const strings = useStrings();
  const client = useClient();
  const [panel, setPanel] = useState<PanelName>();
  const [jump, setJump] = useState(() => jumpOf(at));
  const drafts = draftsOf(client);
  const isDropTarget = useFileDrop((dropped) => {
    const reason = readOnlyReason(view);
    if (reason === undefined) drafts.add(id, dropped);
    else toast(reason);
  });
  const openPlace = useOpenPlace();
  const section = useRef<HTMLElement>(null);

  const jumpTo = useCallback((seq: number) => setJump({ seq, id: ++jumpCount }), []);
  const reply = useCallback(
    (messageId: string) => withMessage(client, id, messageId, (message) => drafts.reply(id, message)),
    [client, drafts, id],
  );
  const edit = useCallback(
    (messageId: string) => withMessage(client, id, messageId, (message) => drafts.edit(id, message)),
    [client, drafts, id],
  );
  // A link to a message is followed once; then the address is the plain one again.
  const followed = useRef(at);
  useEffect(() => {
    if (at !== undefined && followed.current !== at) setJump(jumpOf(at));
    followed.current = undefined;
    if (at !== undefined) openPlace({ conversation: id }, { replace: true });
  }, [id, openPlace, at]);

  const toggle = (name: PanelName) => setPanel((open) => (open === name ? undefined : name));
  const close = () => setPanel(undefined);
  const showMessage = (seq: number) => {
    jumpTo(seq);
    if ((section.current?.closest('.parley')?.clientWidth ?? 0) <= 980) close();
  };

  return (
    <div className="conversation">
      <section ref={section} className="conversation-main" aria-label={strings.conversation.region}>
        <ConversationHeader id={id} view={view} panel={panel} onPanel={toggle} />
        <IncomingCall id={id} onAccept={() => setPanel('peer')} />
        {isReady ? (
          <Timeline
            key={view.opened ? 'opened' : 'kept'}
            id={id}
            visit={visit}
            jump={jump}
            onJump={jumpTo}
            onReply={reply}
            onEdit={edit}
          />
        ) : (
          <div className="empty grow">
            <div className="spinner" role="img" aria-label={strings.common.loading} />
          </div>
        )}
        <Composer view={view} />
        {isDropTarget && <div className="drop">{strings.conversation.dropFiles}</div>}
      </section>
      <ErrorBoundary
        key={panel}
        frame={(content) => (
          <Panel title={strings.conversation.panelNotShown} onClose={close}>
            {content}
          </Panel>
        )}
      >
        <Suspense>
          {panel === 'details' && <DetailsPanel id={id} onClose={close} />}
          {panel === 'search' && <SearchPanel id={id} onClose={close} onPick={showMessage} />}
          {panel === 'pins' && <PinsPanel id={id} onClose={close} onPick={showMessage} />}
          {panel === 'files' && <FilesPanel id={id} onClose={close} />}
          {panel === 'board' && <Board id={id} onClose={close} />}
          {panel === 'date' && <DateDialog id={id} onPick={showMessage} onClose={close} />}
          {panel === 'peer' && <PeerPanel id={id} onClose={close} />}
        </Suspense>
      </ErrorBoundary>
    </div>
  );
}

/** The other member calls for a direct connection. */
function IncomingCall({ id, onAccept }: { readonly id: string; readonly onAccept: () => void }) {
  const { conversation } = useStrings();
  const chat = peerChatsOf(useClient()).of(id);
  const { phase } = useSyncExternalStore(chat.subscribe, () => chat.state);
  const partner = usePartner(id);
  if (phase !== 'ringing') return null;
  const accept = () => {
    onAccept();
    void attempt(() => chat.accept());
  };
  return (
    <div className="peer-note" role="alert">
      <Radio size={18} />
      <span>{conversation.wantsToTalk(partner?.displayName)}</span>
      <button type="button" className="button slim" onClick={() => chat.hangUp()}>
        {conversation.decline}
      </button>
      <button type="button" className="button primary slim" onClick={accept}>
        {conversation.accept}
      </button>
    </div>
  );
}

interface ConversationHeaderProps {
  readonly id: string;
  readonly view: ConversationView;
  readonly panel: PanelName | undefined;
  readonly onPanel: (name: PanelName) => void;
}

function ConversationHeader({ id, view: { conversation }, panel, onPanel }: ConversationHeaderProps) {
  const strings = useStrings();
  const partner = usePartner(id);
  const direct = conversation.kind === 'direct';
  const address = useRoomAddress(id);
  const leave = useLeave(conversation);
  const items: (MenuItem | false)[] = [
    { label: strings.conversation.pinned, icon: <Pin size={17} />, onSelect: () => onPanel('pins') },
    { label: strings.files.panel, icon: <FolderOpen size={17} />, onSelect: () => onPanel('files') },
    { label: strings.conversation.jumpToDate, icon: <CalendarDays size={17} />, onSelect: () => onPanel('date') },
    { label: strings.conversation.board, icon: <Brush size={17} />, onSelect: () => onPanel('board') },
    direct && { label: strings.conversation.direct, icon: <Radio size={17} />, onSelect: () => onPanel('peer') },
    conversation.visibility === 'public' &&
      address !== undefined && {
        label: strings.common.copyLink,
        icon: <Link2 size={17} />,
        onSelect: () => copyText(address, strings.common.linkCopied, address),
      },
    !direct && { label: strings.common.leave, icon: <LogOut size={17} />, danger: true, onSelect: leave },
  ];
  return (
    <header className="conversation-head">
      <PlaceLink to="list" className="icon-button back" aria-label={strings.conversation.back}>
        <ArrowLeft size={22} />
      </PlaceLink>
      <button type="button" className="who" title={strings.conversation.details} onClick={() => onPanel('details')}>
        {direct ? <PartnerAvatar userId={partner?.id} /> : <RoomAvatar conversation={conversation} size={42} />}
        <span>
          <h2 className="cut" dir="auto">
            {titleOf(conversation, partner)}
          </h2>
          <Subtitle id={id} />
        </span>
      </button>
      {!direct && <OnlineNow id={id} onOpen={() => onPanel('details')} />}
      <button
        type="button"
        className="icon-button"
        aria-label={strings.conversation.searchMessages}
        title={strings.conversation.searchMessages}
        aria-pressed={panel === 'search'}
        onClick={() => onPanel('search')}
      >
        <Search size={20} />
      </button>
      <button
        type="button"
        className="icon-button optional"
        aria-label={strings.conversation.board}
        title={strings.conversation.board}
        aria-pressed={panel === 'board'}
        onClick={() => onPanel('board')}
      >
        <Brush size={20} />
      </button>
      <button
        type="button"
        className="icon-button optional"
        aria-label={strings.conversation.detailsAndMembers}
        title={strings.conversation.detailsAndMembers}
        aria-pressed={panel === 'details'}
        onClick={() => onPanel('details')}
      >
        <Info size={20} />
      </button>
      <Menu
        label={strings.conversation.more}
        icon={<Ellipsis size={20} />}
        items={items.filter((item) => item !== false)}
      />
    </header>
  );
}

function PartnerAvatar({ userId }: { readonly userId: string | undefined }) {
  const user = useUser(userId);
  const state = useChat(({ presence }) => (userId === undefined ? undefined : presence.get(userId)?.state));
  return <Avatar user={user} size={42} presence={state} />;
}

function Subtitle({ id }: { readonly id: string }) {
  const strings = useStrings();
  const { conversation, typing } = useView(id)!;
  const partner = usePartner(id);
  useWatchedPresence(conversation.kind === 'direct' && partner ? [partner.id] : []);
  const { userIds, isComplete } = useOnlineMembers(id);
  const connected = useChat(({ connection }) => connection === 'online');
  const presence = useChat((state) => state.presence);
  if (typing.length > 0 && conversation.kind === 'direct') return <p className="cut">{strings.conversation.typing}</p>;
  if (conversation.kind === 'direct') {
    const partnerPresence = partner && presence.get(partner.id);
    return <p className="cut">{partnerPresence ? presenceTextOf(partnerPresence) : `@${partner?.username ?? ''}`}</p>;
  }
  // The user is one of them.
  const online = userIds.length + 1;
  return (
    <p className="cut" dir="auto">
      {strings.common.list([
        strings.conversation.members(conversation.memberCount),
        ...(connected && isComplete ? [strings.conversation.online(online)] : []),
        ...(connected && !isComplete && online > 1 ? [strings.conversation.atLeastOnline(online)] : []),
      ])}
      {conversation.topic !== undefined && conversation.topic !== '' && ` · ${conversation.topic}`}
    </p>
  );
}
