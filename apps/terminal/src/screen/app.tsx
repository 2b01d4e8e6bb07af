import type { ConversationView, Presence } from '@parley/client';
import { useClient, useConversation, useConversations, useParley, usePresence } from '@parley/client/react';
import { Box, Text, useInput, usePaste, useWindowSize, type Key } from 'ink';
import { useEffect, useMemo, useState, useSyncExternalStore, type ReactNode } from 'react';
import stringWidth from 'string-width';
import { draftOf, isCommand, problemText, runCommand } from '../commands/commands.js';
import type { Directory } from '../text/directory.js';
import { dayOf, timeOf } from '../text/message-text.js';
import { inline, printable } from '../text/printable.js';
import { composed, type Composer } from './composer.js';
import {
  end,
  eraseAfter,
  eraseBefore,
  eraseToEnd,
  eraseToHome,
  eraseWord,
  home,
  left,
  right,
  type Edited,
} from './editor.js';
import { fit, Layout, wrap, type Row, type Span } from './rows.js';
import { scrolled, visibleOf, type Anchor } from './scroll.js';
import type { Page, Stage } from './screen-state.js';

const MOST_COMPOSED = 5;
/** The server lets one connection watch 200. */
const MOST_WATCHED = 150;
const dots: Readonly<Record<Presence['state'], Span>> = {
  online: { text: '●', color: 'green' },
  away: { text: '◐', color: 'yellow' },
  busy: { text: '●', color: 'red' },
  offline: { text: '○', dim: true },
};

interface Props {
  readonly stage: Stage;
  readonly composer: Composer;
}

/** The whole screen: a list of conversations at the left, the selected one at the right, what is being written below. */
export function App({ stage, composer }: Props): ReactNode {
  const { columns, rows } = useWindowSize();
  const { selected, page } = useSyncExternalStore(stage.subscribe, stage.get);
  const view = useConversation(selected);
  const online = useParley(({ connection }) => connection === 'online');
  const edited = useSyncExternalStore(composer.subscribe, composer.get);
  // Names are shown all over.
  useParley(({ users }) => users);
  useWatch(view);
  useKeys({ stage, composer });

  const listWidth = columns >= 80 ? 28 : columns >= 56 ? 20 : 0;
  const width = Math.max(20, columns - (listWidth > 0 ? listWidth + 1 : 0));
  const { rows: writing, at } = composed(edited, columns - 3);
  const composerRows = writing.slice(
    Math.max(0, Math.min(at - MOST_COMPOSED + 1, writing.length - MOST_COMPOSED)),
    Math.max(MOST_COMPOSED, at + 1),
  );
  const bodyRows = Math.max(1, rows - composerRows.length - 3);
  return (
    <Box flexDirection="column" width={columns} height={rows}>
      <Line
        spans={headerOf(
          stage.directory,
          view,
          useParley(({ presence }) => presence),
        )}
        inverse
        width={columns}
      />
      <Box height={bodyRows}>
        {listWidth > 0 && (
          <ConversationList directory={stage.directory} selected={selected} width={listWidth} height={bodyRows} />
        )}
        {page ? (
          <PageView key={page.title} stage={stage} page={page} width={width} height={bodyRows} />
        ) : view ? (
          <Timeline
            key={`${view.conversation.id} ${view.opened}`}
            directory={stage.directory}
            view={view}
            width={width}
            height={bodyRows}
          />
        ) : (
          <Text dimColor>
            {online
              ? 'No conversation yet: /new, /rooms and /join make one; /help tells more.'
              : 'Your conversations are shown as soon as the server answers.'}
          </Text>
        )}
      </Box>
      <Hint stage={stage} view={view} width={columns} />
      {composerRows.map((row, n) => (
        <Line key={row.key} spans={[{ text: n === 0 ? '> ' : '  ', dim: true }, ...row.spans]} width={columns} />
      ))}
      <Status width={columns} />
    </Box>
  );
}

function Line({
  spans,
  width,
  inverse = false,
}: {
  readonly spans: readonly Span[];
  readonly width: number;
  readonly inverse?: boolean;
}): ReactNode {
  const used = spans.reduce((sum, { text }) => sum + stringWidth(text), 0);
  const all = inverse
    ? [...spans.map((span) => ({ ...span, inverse })), { text: '\u{a0}'.repeat(Math.max(0, width - used)), inverse }]
    : spans;
  return (
    <Box height={1} width={width} flexShrink={0}>
      <Text wrap="truncate-end">
        {all.map(({ text, color, dim, bold, inverse: turned }, at) => (
          <Text
            key={at}
            {...(color !== undefined && { color })}
            {...(dim && { dimColor: true })}
            {...(bold && { bold })}
            {...(turned && { inverse: true })}
          >
            {text}
          </Text>
        ))}
      </Text>
    </Box>
  );
}

const Rows = ({
  rows,
  width,
  height,
}: {
  readonly rows: readonly Row[];
  readonly width: number;
  readonly height: number;
}): ReactNode => (
  <Box flexDirection="column" width={width} height={height} justifyContent="flex-end">
    {rows.map(({ key, spans }) => (
      <Line key={key} spans={spans} width={width} />
    ))}
  </Box>
);

// ── conversations ───────────────────────────────────────────────────────────────────────────────────────────────

function ConversationList({
  directory,
  selected,
  width,
  height,
}: {
  readonly directory: Directory;
  readonly selected: string | undefined;
  readonly width: number;
  readonly height: number;
}): ReactNode {
  const views = useConversations();
  const presence = useParley((state) => state.presence);
  const at = views.findIndex(({ conversation }) => conversation.id === selected);
  const start = Math.max(0, Math.min(at - Math.floor(height / 2), views.length - height));
  return (
    <Box
      flexDirection="column"
      width={width + 1}
      height={height}
      flexShrink={0}
      borderStyle="single"
      borderTop={false}
      borderBottom={false}
      borderLeft={false}
      borderDimColor
    >
      {views.slice(start, start + height).map(({ conversation, partnerId, unread, mentions }) => {
        const mark =
          partnerId === undefined
            ? { text: conversation.kind === 'channel' ? '»' : '#', dim: true }
            : dots[presence.get(partnerId)?.state ?? 'offline'];
        const count = unread > 0 ? ` ${mentions > 0 ? '@' : ''}${unread > 999 ? '999+' : unread} ` : ' ';
        const title = fit(directory.title(conversation), width - 3 - count.length);
        const gap = ' '.repeat(Math.max(0, width - 2 - stringWidth(title) - count.length));
        const spans: Span[] = [
          mark,
          { text: ` ${title}${gap}`, bold: unread > 0 },
          { text: count, bold: true, color: mentions > 0 ? 'red' : 'yellow' },
        ];
        return <Line key={conversation.id} width={width} spans={spans} inverse={conversation.id === selected} />;
      })}
    </Box>
  );
}

/** Keeps an eye on those whose presence is shown. */
function useWatch(view: ConversationView | undefined): void {
  const views = useConversations();
  const partners = views.flatMap(({ partnerId }) => partnerId ?? []);
  usePresence([...new Set([...partners, ...(view?.members.keys() ?? [])])].slice(0, MOST_WATCHED));
}

function headerOf(
  directory: Directory,
  view: ConversationView | undefined,
  presence: ReadonlyMap<string, Presence>,
): Span[] {
  if (!view) return [{ text: ' Parley' }];
  const { conversation, members } = view;
  const title: Span = { text: ` ${directory.title(conversation)}`, bold: true };
  if (conversation.kind === 'direct') {
    const known = presence.get(view.partnerId ?? '');
    if (!known) return [title];
    const { state, lastSeenAt } = known;
    return [
      title,
      {
        text: `  ${state}${state === 'offline' && lastSeenAt !== undefined ? ` since ${dayOf(lastSeenAt)} ${timeOf(lastSeenAt)}` : ''}`,
      },
    ];
  }
  const here = [...members.keys()].filter((userId) => (presence.get(userId)?.state ?? 'offline') !== 'offline').length;
  return [
    title,
    {
      text: `  ${conversation.visibility} ${conversation.kind}, ${conversation.memberCount} member${conversation.memberCount === 1 ? '' : 's'}${here > 0 ? `, ${here} here` : ''}${conversation.topic === undefined ? '' : `  ${inline(conversation.topic)}`}`,
    },
  ];
}

// ── messages ────────────────────────────────────────────────────────────────────────────────────────────────────

function Timeline({
  directory,
  view,
  width,
  height,
}: {
  readonly directory: Directory;
  readonly view: ConversationView;
  readonly width: number;
  readonly height: number;
}): ReactNode {
  const client = useClient();
  const { id } = view.conversation;
  const users = useParley((state) => state.users);
  const ownId = useParley(({ user }) => user?.id ?? '');
  const [newFrom] = useState(() => (view.unread > 0 ? view.readSeq + 1 : undefined));
  const [anchor, setAnchor] = useState<Anchor>();
  // What people are called is in the rows.
  // eslint-disable-next-line react-hooks/exhaustive-deps -- `users` stand for the names
  const layout = useMemo(() => new Layout(directory, ownId, width), [directory, ownId, width, users]);
  const rows = layout.of(view, newFrom);
  const visible = visibleOf(rows, anchor, height);

  const reading = anchor === undefined && view.opened && !view.hasAfter && view.unread > 0;
  useEffect(() => {
    if (reading) client.markRead(id);
  }, [client, id, reading, view.conversation.lastSeq]);

  const wantsOlder = anchor !== undefined && visible.above < height && view.hasBefore;
  const wantsNewer = anchor !== undefined && visible.below < height && view.hasAfter;
  const oldest = view.messages[0]?.seq;
  const newest = view.messages.at(-1)?.seq;
  useEffect(() => {
    if (wantsOlder) client.loadOlder(id).catch(() => undefined);
    if (wantsNewer) client.loadNewer(id).catch(() => undefined);
  }, [client, id, wantsOlder, wantsNewer, oldest, newest]);

  useInput((_input, key) => {
    if (key.escape) {
      setAnchor(undefined);
      client.jumpToNewest(id).catch(() => undefined);
    }
    const by = key.pageUp ? 1 - height : key.pageDown ? height - 1 : 0;
    // A page further back than there is may have more before it by the next key.
    if (by !== 0) setAnchor((now) => scrolled(rows, now, height, by, !view.hasAfter));
  });
  return <Rows rows={visible.rows} width={width} height={height} />;
}

function PageView({
  stage,
  page: { title, lines },
  width,
  height,
}: {
  readonly stage: Stage;
  readonly page: Page;
  readonly width: number;
  readonly height: number;
}): ReactNode {
  const [top, setTop] = useState(0);
  const all = [`${inline(title)}  (Esc closes this)`, '', ...lines.flatMap((line) => wrap(printable(line), width))];
  useInput((_input, key) => {
    if (key.escape) stage.clear();
    const by = key.pageUp ? 1 - height : key.pageDown ? height - 1 : 0;
    if (by !== 0) setTop((now) => Math.max(0, Math.min(all.length - height, now + by)));
  });
  const rows = all
    .slice(top, top + height)
    .map((text, at): Row => ({ key: String(top + at), spans: [{ text, bold: top + at === 0 }] }));
  return (
    <Box flexDirection="column" width={width} height={height}>
      {rows.map(({ key, spans }) => (
        <Line key={key} spans={spans} width={width} />
      ))}
    </Box>
  );
}

// ── below ───────────────────────────────────────────────────────────────────────────────────────────────────────

function Hint({
  stage,
  view,
  width,
}: {
  readonly stage: Stage;
  readonly view: ConversationView | undefined;
  readonly width: number;
}): ReactNode {
  const { notice } = useSyncExternalStore(stage.subscribe, stage.get);
  const typing = (view?.typing ?? []).slice(0, 3).map((userId) => stage.directory.name(userId));
  const spans: Span[] =
    notice !== undefined
      ? [{ text: ` ${inline(notice)}`, color: 'yellow' }]
      : typing.length > 0
        ? [{ text: ` ${typing.join(', ')} ${typing.length > 1 ? 'type' : 'types'} …`, dim: true }]
        : [];
  return <Line spans={spans} width={width} />;
}

function Status({ width }: { readonly width: number }): ReactNode {
  const { connection, user, pendingCount } = useParley((state) => state);
  const states = {
    online: '● online',
    connecting: '◌ connecting',
    offline: '○ offline, trying again',
    'signed-out': '○ signed out',
  } as const;
  const who = user ? `${inline(user.displayName)} (@${inline(user.username)})` : '';
  return (
    <Line
      spans={[{ text: ` ${states[connection]}  ${who}${pendingCount > 0 ? `  ${pendingCount} waiting` : ''}  /help` }]}
      width={width}
      inverse
    />
  );
}

// ── keys ────────────────────────────────────────────────────────────────────────────────────────────────────────

const controls: Readonly<Record<string, (edited: Edited) => Edited>> = {
  a: home,
  e: end,
  u: eraseToHome,
  k: eraseToEnd,
  w: eraseWord,
  b: left,
  f: right,
  d: eraseAfter,
};

const editOf = (input: string, key: Key): ((edited: Edited) => Edited) | undefined =>
  key.leftArrow
    ? left
    : key.rightArrow
      ? right
      : key.home
        ? home
        : key.end
          ? end
          : key.backspace
            ? eraseBefore
            : key.delete
              ? eraseAfter
              : key.ctrl
                ? controls[input]
                : undefined;

function useKeys({ stage, composer }: Props): void {
  const { client } = stage;
  const tell = () => {
    const id = stage.current();
    const { text } = composer.get();
    if (id !== undefined && !text.startsWith('/')) client.typing(id, text !== '');
  };
  useInput((input, key) => {
    if (key.return && !key.meta) return submit(stage, composer);
    if (key.tab) return void ((!key.shift && composer.complete()) || stage.step(key.shift ? -1 : 1));
    if (key.ctrl && input === 'g') return stage.step(1, true);
    if (key.upArrow || key.downArrow) return composer.recall(key.upArrow ? -1 : 1);
    const edit = editOf(input, key);
    if (edit) composer.edit(edit);
    else if (key.return || input === '\n' || (key.ctrl && input === 'j')) composer.type('\n');
    else if (input !== '' && !key.ctrl && !key.meta && !key.escape) typed(stage, composer, input);
    else return;
    tell();
  });
  usePaste((text) => {
    composer.type(text);
    tell();
  });
}

/** Who types faster than this draws has their keys arrive together, Enter and Tab among them. */
function typed(stage: Stage, composer: Composer, input: string): void {
  for (const part of input.split(/([\r\t])/)) {
    if (part === '\r') submit(stage, composer);
    else if (part === '\t' && composer.complete()) continue;
    else if (part !== '') composer.type(part);
  }
}

function submit(stage: Stage, composer: Composer): void {
  const text = composer.take().trimEnd();
  stage.clear();
  if (text === '') return;
  if (isCommand(text)) return void runCommand(stage, text);
  const id = stage.current();
  if (id === undefined) return stage.say('no conversation is open: see /open and /new');
  try {
    stage.client.send(id, draftOf(text));
  } catch (error) {
    composer.type(text);
    stage.say(problemText(error));
  }
}
