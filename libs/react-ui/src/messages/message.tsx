import type { ChatMessage } from '@parley/client';
import type { Role } from '@parley/contracts';
import {
  Check,
  CheckCheck,
  CircleAlert,
  Clock3,
  Copy,
  Ellipsis,
  Forward,
  MailOpen,
  Pencil,
  Pin,
  PinOff,
  Reply,
  Trash2,
  UserRound,
  Users,
} from 'lucide-react';
import { memo, useEffect, useRef, useState, type FocusEvent, type PointerEvent as PointerEventOfReact } from 'react';
import { useChat, useClient, useUser } from '../shared/chat.ts';
import { explain } from '../shared/errors.ts';
import { Attachments } from '../files/attachments.tsx';
import { Avatar, nameColorOf } from '../people/avatar.tsx';
import { useOpenPerson } from '../people/open-person.ts';
import { draftsOf } from '../conversation/drafts.ts';
import { EmojiButton } from '../shared/emoji-button.tsx';
import { ForwardDialog } from './forward-dialog.tsx';
import { Menu, type MenuItem } from '../shared/menu.tsx';
import { ReceiptsDialog } from './receipts-dialog.tsx';
import { RichText } from './rich-text.tsx';
import { summaryOf } from './summary.ts';
import { systemText } from './system-text.ts';
import type { Row } from './timeline-rows.ts';
import { momentOf, timeOf } from '../shared/times.ts';
import { useQuoted } from './quoted.ts';
import { copyText } from '../shared/copy.ts';
import { useVisit } from './visit.ts';
import { useStrings } from '../strings/strings.tsx';
import { attempt, toast } from '../shared/toasts.tsx';
import { deletionOf, undoQueueOf, useIsGone } from '../shared/undo.ts';

interface Props {
  readonly row: Row;
  readonly kind: 'direct' | 'group';
  readonly own: boolean;
  readonly role: Role | undefined;
  readonly dayText: string | undefined;
  /** Whether Tab reaches this message. The arrow keys reach the others. */
  readonly tabStop: boolean;
  readonly onJump: (seq: number) => void;
  readonly onReply: (messageId: string) => void;
  readonly onEdit: (messageId: string) => void;
}

/** One message, with the day and the line of new messages above it. */
export const MessageRow = memo(function MessageRow(props: Props) {
  const { messages } = useStrings();
  const { row, dayText } = props;
  return (
    <>
      {dayText !== undefined && (
        <div className="day-line">
          <span>{dayText}</span>
        </div>
      )}
      {row.firstUnread && <div className="unread-line">{messages.unreadLine}</div>}
      {row.message.type === 'system' ? (
        <SystemNote message={row.message} rowKey={row.key} />
      ) : (
        <MessageBubble {...props} />
      )}
    </>
  );
}, isEqualProps);

/** Every change in the conversation makes new row objects, most of which render the same. */
function isEqualProps({ row, ...rest }: Props, { row: nextRow, ...next }: Props): boolean {
  return (
    (Object.keys(row) as (keyof Row)[]).every((name) => row[name] === nextRow[name]) &&
    (Object.keys(rest) as (keyof typeof rest)[]).every((name) => rest[name] === next[name])
  );
}

function SystemNote({ message, rowKey }: { readonly message: ChatMessage; readonly rowKey: string }) {
  const strings = useStrings();
  const by = { name: useUser(message.senderId)?.displayName, isMe: false };
  const whom = { name: useUser(message.system?.userId)?.displayName, isMe: false };
  return (
    <p className="system-note" data-key={rowKey} data-seq={message.seq}>
      {systemText(strings, message.system, by, whom)}
    </p>
  );
}

const onlyEmoji = /^(?:\p{Extended_Pictographic}|\p{Emoji_Modifier}|\u200D|\uFE0F|\u20E3|\p{Regional_Indicator}|\s)+$/u;
const isOnlyEmoji = ({ body, attachments, replyTo }: ChatMessage) =>
  body.length <= 24 &&
  attachments.length === 0 &&
  replyTo === undefined &&
  onlyEmoji.test(body) &&
  /\P{White_Space}/u.test(body);

/**
 * Whether somebody attends to an element: the pointer is over it, it has the focus, or it was tapped. A finger has left
 * when it lifts, before its tap arrives: what is shown stays until the next touch elsewhere, and appears only after the
 * tap, so that the tap does not meet what was not there.
 */
function useAttention() {
  const element = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState(false);
  const isTouched = useRef(false);
  useEffect(() => {
    if (!active) return undefined;
    const onPointerDown = ({ target, pointerType }: PointerEvent) =>
      pointerType === 'touch' && !element.current?.contains(target as Node) && setActive(false);
    document.addEventListener('pointerdown', onPointerDown);
    return () => document.removeEventListener('pointerdown', onPointerDown);
  }, [active]);
  return {
    active,
    events: {
      ref: element,
      onPointerEnter: ({ pointerType }: PointerEventOfReact) => pointerType !== 'touch' && setActive(true),
      onPointerLeave: ({ pointerType, currentTarget }: PointerEventOfReact) =>
        pointerType !== 'touch' && !currentTarget.querySelector('.message-tools :focus-visible') && setActive(false),
      onPointerDown: ({ pointerType }: PointerEventOfReact) => void (isTouched.current = pointerType === 'touch'),
      // The finger scrolled.
      onPointerCancel: () => void (isTouched.current = false),
      onClick: () => isTouched.current && setActive(true),
      onFocus: () => isTouched.current || setActive(true),
      onBlur: ({ currentTarget, relatedTarget }: FocusEvent<HTMLElement>) => {
        if (currentTarget.contains(relatedTarget)) return;
        isTouched.current = false;
        setActive(false);
      },
    },
  };
}

function MessageBubble({ row, kind, own, role, tabStop, onJump, onReply, onEdit }: Props) {
  const { messages, people } = useStrings();
  const { message, joinsAbove, joinsBelow, key } = row;
  const sender = useUser(message.senderId);
  const { active, events } = useAttention();
  const [open, setOpen] = useState(false);
  const openPerson = useOpenPerson();
  const showSender = () => openPerson(message.senderId, message.conversationId);
  const isDeleted = useIsGone(`message/${message.id}`) || message.deletedAt !== undefined;
  const classes = ['message', kind, own && 'own', joinsAbove && 'joins-above', joinsBelow && 'joins-below']
    .filter(Boolean)
    .join(' ');
  return (
    <div
      className={classes}
      role="article"
      tabIndex={tabStop ? 0 : -1}
      data-key={key}
      data-seq={message.local ? undefined : message.seq}
      aria-label={messages.label({ name: sender?.displayName, isMe: own }, momentOf(message.createdAt))}
      {...events}
    >
      {kind === 'group' && !own && (
        <div className="message-face">
          {!joinsBelow && (
            // For the pointer. By keyboard, the menu of each message opens the card.
            <button type="button" tabIndex={-1} aria-hidden="true" onClick={showSender}>
              <Avatar user={sender} size={36} />
            </button>
          )}
        </div>
      )}
      <div className="message-main">
        {kind === 'group' && !own && !joinsAbove && (
          <div className="message-name">
            <button
              type="button"
              className="cut"
              dir="auto"
              tabIndex={-1}
              aria-label={messages.about(sender?.displayName)}
              style={{ color: nameColorOf(message.senderId) }}
              onClick={showSender}
            >
              {sender?.displayName ?? '…'}
            </button>
            {sender?.kind === 'bot' && <span className="tag">{people.bot}</span>}
            {sender?.kind === 'guest' && <span className="tag">{people.guest}</span>}
          </div>
        )}
        <div className={`bubble${isDeleted ? ' gone' : ''}${isOnlyEmoji(message) ? ' only-emoji' : ''}`}>
          {message.forwardedFrom && !isDeleted && <Forwarded senderId={message.forwardedFrom.senderId} />}
          {message.replyTo !== undefined && !isDeleted && (
            <Quote message={message} messageId={message.replyTo} onJump={onJump} />
          )}
          {message.attachments.length > 0 && !isDeleted && <Attachments message={message} />}
          <div className="bubble-line">
            <div className="bubble-text">{isDeleted ? messages.deleted : <Body message={message} />}</div>
            <BubbleFooter message={message} own={own} hasTime={!joinsBelow} />
          </div>
          {(active || open) && !isDeleted && !message.local && (
            <MessageTools
              message={message}
              own={own}
              role={role}
              onReply={onReply}
              onEdit={onEdit}
              onToggle={setOpen}
            />
          )}
        </div>
        {message.reactions.length > 0 && !isDeleted && <Reactions message={message} />}
        {message.local?.state === 'failed' && <FailedNotice message={message} />}
      </div>
    </div>
  );
}

/** Only mentions that the server resolved are marked as such. */
function Body({ message: { body, mentions } }: { readonly message: ChatMessage }) {
  const names = useChat(({ users }) => mentions.map((id) => users.get(id)?.username ?? '').join(' '));
  return <RichText body={body} names={names} />;
}

function BubbleFooter({
  message,
  own,
  hasTime,
}: {
  readonly message: ChatMessage;
  readonly own: boolean;
  readonly hasTime: boolean;
}) {
  const { messages } = useStrings();
  return (
    <span className="bubble-foot">
      {message.pinnedAt !== undefined && <Pin size={11} aria-label={messages.pinned} />}
      {message.editedAt !== undefined && message.deletedAt === undefined && <span>{messages.edited}</span>}
      {hasTime && (
        <time dateTime={message.createdAt} title={momentOf(message.createdAt)}>
          {timeOf(message.createdAt)}
        </time>
      )}
      {own && <Tick status={message.status} />}
    </span>
  );
}

const ticks = {
  queued: Clock3,
  sending: Clock3,
  failed: CircleAlert,
  sent: Check,
  delivered: CheckCheck,
  read: CheckCheck,
} as const;

function Tick({ status }: { readonly status: ChatMessage['status'] }) {
  const label = useStrings().messages.status[status];
  const Icon = ticks[status];
  return (
    <span className={`tick ${status}`} role="img" aria-label={label} title={label} data-status={status}>
      <Icon size={14} strokeWidth={2.4} />
    </span>
  );
}

function FailedNotice({ message }: { readonly message: ChatMessage }) {
  const { common, messages } = useStrings();
  const client = useClient();
  const { conversationId, clientId } = message;
  const edit = () => {
    if (!draftsOf(client).takeBack(message)) toast(messages.composerFull);
  };
  return (
    <div className="failed-actions" role="alert">
      <span>{explain(message.local?.error)}</span>
      <button type="button" onClick={() => void client.retry(conversationId, clientId)?.catch(() => undefined)}>
        {common.tryAgain}
      </button>
      {message.attachments.length + message.body.length > 0 && (
        <button type="button" onClick={edit}>
          {messages.edit}
        </button>
      )}
      <button type="button" onClick={() => void client.discard(conversationId, clientId)}>
        {common.discard}
      </button>
    </div>
  );
}

function Forwarded({ senderId }: { readonly senderId: string }) {
  const { messages } = useStrings();
  const sender = useUser(senderId);
  return (
    <span className="forwarded">
      <Forward size={13} />
      {messages.forwardedFrom(sender?.displayName)}
    </span>
  );
}

function Quote({
  message: { conversationId, seq },
  messageId,
  onJump,
}: {
  readonly message: ChatMessage;
  readonly messageId: string;
  readonly onJump: (seq: number) => void;
}) {
  const { messages } = useStrings();
  const original = useQuoted(conversationId, messageId, seq);
  const sender = useUser(original?.senderId);
  if (!original)
    return (
      <span className="quote">
        <span>{messages.earlier}</span>
      </span>
    );
  return (
    <button type="button" className="quote" onClick={() => onJump(original.seq)}>
      <strong className="cut" dir="auto">
        {sender?.displayName ?? '…'}
      </strong>
      <span className="cut" dir="auto">
        {summaryOf(original)}
      </span>
    </button>
  );
}

function Reactions({ message }: { readonly message: ChatMessage }) {
  const { messages } = useStrings();
  const client = useClient();
  const me = useChat(({ user }) => user?.id);
  const names = useChat(({ users }) =>
    message.reactions
      .map(({ userIds }) =>
        messages.reactors(userIds.map((id) => ({ name: users.get(id)?.displayName, isMe: id === me }))),
      )
      .join('\n'),
  ).split('\n');
  return (
    <div className="reactions">
      {message.reactions.map(({ emoji, count, userIds, mine }, at) => {
        const own = mine ?? userIds.includes(me ?? '');
        return (
          <button
            key={emoji}
            type="button"
            aria-pressed={own}
            aria-label={`${emoji} ${count}, ${names[at]}`}
            title={names[at]}
            onClick={() =>
              void attempt(() => (own ? client.unreact(message.id, emoji) : client.react(message.id, emoji)))
            }
          >
            {emoji}
            <span>{count}</span>
          </button>
        );
      })}
    </div>
  );
}

interface MessageToolsProps {
  readonly message: ChatMessage;
  readonly own: boolean;
  readonly role: Role | undefined;
  readonly onReply: (messageId: string) => void;
  readonly onEdit: (messageId: string) => void;
  readonly onToggle: (open: boolean) => void;
}

function MessageTools({ message, own, role, onReply, onEdit, onToggle }: MessageToolsProps) {
  const { common, messages } = useStrings();
  const client = useClient();
  const visit = useVisit();
  const openPerson = useOpenPerson();
  const tools = useRef<HTMLDivElement>(null);
  const [dialog, setDialog] = useState<'forward' | 'receipts'>();
  const { id, conversationId, seq } = message;
  const isLeader = role === 'creator' || role === 'admin';
  const showDialog = (which: typeof dialog) => {
    setDialog(which);
    onToggle(which !== undefined);
  };
  const remove = () => {
    // These tools go with the message. The row stays.
    tools.current?.closest<HTMLElement>('.message')?.focus({ preventScroll: true });
    undoQueueOf(client).add(deletionOf(id));
  };
  const items: (MenuItem | false)[] = [
    own &&
      message.forwardedFrom === undefined && {
        label: messages.edit,
        icon: <Pencil size={17} />,
        onSelect: () => onEdit(id),
      },
    message.body !== '' && { label: common.copyText, icon: <Copy size={17} />, onSelect: () => copyText(message.body) },
    { label: messages.forward, icon: <Forward size={17} />, onSelect: () => showDialog('forward') },
    isLeader &&
      (message.pinnedAt === undefined
        ? { label: messages.pin, icon: <Pin size={17} />, onSelect: () => void attempt(() => client.pin(id)) }
        : { label: messages.unpin, icon: <PinOff size={17} />, onSelect: () => void attempt(() => client.unpin(id)) }),
    !own && {
      label: messages.aboutSender,
      icon: <UserRound size={17} />,
      onSelect: () => openPerson(message.senderId, conversationId),
    },
    { label: messages.whoHasIt, icon: <Users size={17} />, onSelect: () => showDialog('receipts') },
    !own && {
      label: messages.markUnread,
      icon: <MailOpen size={17} />,
      onSelect: () =>
        void attempt(() => visit?.markUnread(seq) ?? client.markUnread(conversationId, seq)).then(
          (done) => done && toast(messages.markedUnread),
        ),
    },
    (own || isLeader) && { label: common.delete, icon: <Trash2 size={17} />, danger: true, onSelect: remove },
  ];
  return (
    <>
      <div className="message-tools" ref={tools}>
        <EmojiButton
          label={messages.react}
          className="icon-button small"
          onToggle={onToggle}
          onPick={(emoji) => void attempt(() => client.react(id, emoji))}
        />
        <button
          type="button"
          className="icon-button small"
          aria-label={messages.reply}
          title={messages.reply}
          onClick={() => onReply(id)}
        >
          <Reply size={18} />
        </button>
        <Menu
          label={messages.more}
          icon={<Ellipsis size={18} />}
          className="icon-button small"
          items={items.filter((item) => item !== false)}
          onToggle={onToggle}
        />
      </div>
      {dialog === 'forward' && <ForwardDialog message={message} onClose={() => showDialog(undefined)} />}
      {dialog === 'receipts' && <ReceiptsDialog messageId={id} onClose={() => showDialog(undefined)} />}
    </>
  );
}
