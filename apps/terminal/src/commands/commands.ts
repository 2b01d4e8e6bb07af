import { openAsBlob } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import { basename, join, parse, resolve } from 'node:path';
import {
  ParleyError,
  type Attachment,
  type Conversation,
  type ConversationView,
  type Draft,
  type Member,
  type Message,
  type MessageType,
} from '@parley/client';
import type { Desk } from './command-context.js';
import { nameOf } from '../text/directory.js';
import { startFolder } from '../environment.js';
import { dayOf, sizeOf, textOf, timeOf } from '../text/message-text.js';
import { UsageError } from '../options.js';
import { inline } from '../text/printable.js';

const PAGE = 100;
/** Files of one name that lie beside each other already. */
const MOST_NAMESAKES = 100;

interface Command {
  readonly name: string;
  readonly usage: string;
  readonly does: string;
  run(desk: Desk, text: string): Promise<void> | void;
}

/** Messages are named by their number, `#12`; without one, the newest that fits is meant. */
export const commands: readonly Command[] = [
  { name: 'help', usage: '', does: 'all commands and keys', run: help },
  { name: 'list', usage: '', does: 'your conversations', run: list },
  {
    name: 'open',
    usage: 'CONVERSATION',
    does: 'go to one: its title or a part of it, its id, or @username',
    run: async (desk, text) => desk.select((await desk.directory.conversation(needed(text, 'a conversation'))).id),
  },
  {
    name: 'new',
    usage: 'direct USERNAME · group TITLE · channel TITLE [with @user …] [public]',
    does: 'make a conversation',
    run: create,
  },
  { name: 'rooms', usage: '[WORDS]', does: 'public conversations', run: rooms },
  { name: 'join', usage: 'TITLE', does: 'join a public conversation', run: join_ },
  { name: 'leave', usage: '', does: 'leave this conversation', run: leave },
  { name: 'members', usage: '', does: 'who is in this conversation', run: members },
  { name: 'invite', usage: 'USERNAME', does: 'add somebody to this conversation', run: invite },
  { name: 'remove', usage: 'USERNAME', does: 'remove somebody from this conversation', run: removeMember },
  { name: 'people', usage: 'NAME', does: 'look for people', run: people },
  { name: 'reply', usage: '[#N] TEXT', does: 'answer a message', run: reply },
  { name: 'edit', usage: '[#N] TEXT', does: 'change what you wrote', run: edit },
  { name: 'delete', usage: '[#N]', does: 'delete what you wrote', run: remove },
  { name: 'react', usage: '[#N] EMOJI', does: 'react; once more takes it back', run: react },
  { name: 'pin', usage: '[#N]', does: 'pin a message; once more takes it down', run: pin },
  { name: 'receipts', usage: '[#N]', does: 'who has a message, and who has read it', run: receipts },
  { name: 'search', usage: 'WORDS', does: 'look for messages in all your conversations', run: search },
  { name: 'goto', usage: '#N', does: 'go to a message of this conversation', run: goTo },
  { name: 'upload', usage: 'FILE [TEXT]', does: 'send a file; quote a path that has spaces', run: upload },
  { name: 'save', usage: '[#N] [FOLDER]', does: 'save the files of a message', run: save },
  { name: 'retry', usage: '', does: 'send again what was refused here', run: (desk) => failed(desk, 'retry') },
  { name: 'discard', usage: '', does: 'drop what was refused here', run: (desk) => failed(desk, 'discard') },
  { name: 'away', usage: '', does: 'show yourself as away', run: ({ client }) => client.setPresence('away') },
  { name: 'busy', usage: '', does: 'show yourself as busy', run: ({ client }) => client.setPresence('busy') },
  { name: 'online', usage: '', does: 'show yourself as online', run: ({ client }) => client.setPresence('online') },
  {
    name: 'logout',
    usage: '',
    does: 'end the session and forget it here',
    run: async (desk) => (await desk.client.logout(), desk.quit()),
  },
  { name: 'quit', usage: '', does: 'leave; the session is kept', run: (desk) => desk.quit() },
];

export const isCommand = (line: string): boolean => line.startsWith('/') && !line.startsWith('//');

/** Names that complete what is typed so far. */
export const completions = (typed: string): string[] =>
  commands.map(({ name }) => `/${name} `).filter((name) => name.startsWith(typed));

/** Runs a line that {@link isCommand}. Whether it went well; if not, it has said why. */
export async function runCommand(desk: Desk, line: string): Promise<boolean> {
  const [, name = '', text = ''] = /^\/(\S*)\s*([^]*)$/.exec(line) ?? [];
  const command = commands.find((one) => one.name === name);
  try {
    if (!command) throw new UsageError(`there is no command /${name}: see /help`);
    await command.run(desk, text.trim());
    return true;
  } catch (error) {
    desk.say(problemText(error));
    return false;
  }
}

export const problemText = (error: unknown): string => {
  if (error instanceof UsageError) return error.message;
  const { code, message } = ParleyError.of(error);
  return code === 'internal' ? message : `${code}: ${message}`;
};

/** A line to be sent: `//` at its beginning is a `/`. */
export const draftOf = (line: string): Draft => ({ body: line.startsWith('//') ? line.slice(1) : line });

const keys = [
  ['Enter', 'send'],
  ['Alt-Enter, Ctrl-J', 'new line'],
  ['Tab, Shift-Tab', 'next or previous conversation; completes commands'],
  ['Ctrl-G', 'next conversation with unread messages'],
  ['PgUp, PgDn', 'scroll; further back loads more'],
  ['Esc', 'to the newest message'],
  ['Up, Down', 'what you sent before'],
  ['Ctrl-A E U K W', 'edit the line'],
  ['Ctrl-C', 'leave'],
] as const;

function help(desk: Desk): void {
  const line = (left: string, right: string) => `  ${left.padEnd(34)} ${right}`;
  desk.show('Help', [
    'Commands; #N is the number beside a message',
    ...commands.map(({ name, usage, does }) => line(`/${name} ${usage}`, does)),
    '',
    'Keys',
    ...keys.map(([key, does]) => line(key, does)),
    '',
    'A text that begins with / is written with two of them: //',
  ]);
}

// ── conversations ───────────────────────────────────────────────────────────────────────────────────────────────

const describe = (desk: Desk, conversation: Conversation, unread = 0): string =>
  `${desk.directory.title(conversation)}  ${conversation.kind}, ${conversation.memberCount} member${conversation.memberCount === 1 ? '' : 's'}${unread > 0 ? `, ${unread} unread` : ''}  ${conversation.id}`;

async function list(desk: Desk): Promise<void> {
  // As the server knows them: just after the start the client may not know them yet.
  const conversations = await desk.directory.own();
  await Promise.all(conversations.map((one) => desk.directory.learnTitle(one)));
  desk.show(
    'Conversations',
    conversations.map((one) => describe(desk, one, one.me?.unread)),
  );
}

async function create(desk: Desk, text: string): Promise<void> {
  const [, kind, rest = ''] = /^(direct|group|channel)\s+([^]+)$/.exec(text) ?? [];
  if (kind === 'direct') return desk.select((await desk.directory.conversation(`@${rest.replace(/^@/, '')}`)).id);
  if (kind !== 'group' && kind !== 'channel')
    throw new UsageError('/new direct USERNAME, /new group TITLE or /new channel TITLE');
  const { title, names, isPublic } = newConversation(rest);
  const invited = await Promise.all(names.map((name) => desk.directory.user(name)));
  const conversation = await desk.client.createConversation({
    kind,
    title,
    visibility: isPublic ? 'public' : 'private',
    ...(invited.length > 0 && { memberIds: invited.map(({ id }) => id) }),
  });
  desk.select(conversation.id);
}

/** `TITLE [with @NAME …] [public]`. */
function newConversation(text: string): { title: string; names: string[]; isPublic: boolean } {
  const words = text.split(/\s+/);
  const isPublic = words.length > 1 && words.at(-1) === 'public';
  if (isPublic) words.pop();
  const before = words.findLastIndex((word) => !word.startsWith('@'));
  const named = words[before] === 'with' && before < words.length - 1;
  return {
    title: words.slice(0, named ? before : undefined).join(' '),
    names: named ? words.slice(before + 1) : [],
    isPublic,
  };
}

async function rooms(desk: Desk, text: string): Promise<void> {
  const { items } = await desk.client.request<{ items: Conversation[] }>('GET', '/conversations/public', {
    query: { query: text || undefined, limit: PAGE },
  });
  desk.show(
    'Public conversations',
    items.map((conversation) => `${describe(desk, conversation)}${conversation.me ? '  (yours)' : ''}`),
  );
}

async function join_(desk: Desk, text: string): Promise<void> {
  const { id } = await desk.directory.publicConversation(needed(text, 'a title'));
  await desk.client.join(id);
  desk.select(id);
}

async function leave(desk: Desk): Promise<void> {
  await desk.client.leaveConversation(here(desk).conversation.id);
  desk.select(undefined);
}

async function members(desk: Desk): Promise<void> {
  const { conversation } = here(desk);
  const { items } = await desk.client.request<{ items: Member[] }>('GET', `/conversations/${conversation.id}/members`, {
    query: { limit: PAGE },
  });
  await Promise.all(items.map(({ userId }) => desk.directory.learnName(userId)));
  const { presence } = await desk.client.call('presence:watch', { userIds: items.map(({ userId }) => userId) });
  const states = new Map(presence.map(({ userId, state }) => [userId, state]));
  const more = conversation.memberCount - items.length;
  desk.show(`Members of ${desk.directory.title(conversation)}`, [
    ...items.map(({ userId, role, status }) =>
      `${desk.directory.name(userId)}  ${role}${status === 'active' ? '' : `, ${status}`}  ${states.get(userId) ?? ''}`.trimEnd(),
    ),
    ...(more > 0 ? [`and ${more} more`] : []),
  ]);
}

async function invite(desk: Desk, text: string): Promise<void> {
  const user = await desk.directory.user(needed(text, 'a username'));
  await desk.client.request('PUT', `/conversations/${here(desk).conversation.id}/members/${user.id}`, { body: {} });
  desk.say(`${nameOf(user)} is in`);
}

async function removeMember(desk: Desk, text: string): Promise<void> {
  const user = await desk.directory.user(needed(text, 'a username'));
  await desk.client.request('DELETE', `/conversations/${here(desk).conversation.id}/members/${user.id}`);
  desk.say(`${nameOf(user)} is out`);
}

async function people(desk: Desk, text: string): Promise<void> {
  const { items } = await desk.client.request<{ items: Parameters<typeof nameOf>[0][] }>('GET', '/users', {
    query: { query: needed(text, 'a name'), limit: PAGE },
  });
  desk.show(
    'People',
    items.map((user) => `${nameOf(user)}  @${inline(user.username)}  ${user.kind}`),
  );
}

// ── messages ────────────────────────────────────────────────────────────────────────────────────────────────────

async function reply(desk: Desk, text: string): Promise<void> {
  const { message, rest } = await pick(desk, text, isOthers(desk));
  desk.client.send(message.conversationId, { body: needed(rest, 'a text'), replyTo: message.id });
}

async function edit(desk: Desk, text: string): Promise<void> {
  const { message, rest } = await pick(desk, text, isOwn(desk));
  await desk.client.edit(message.id, needed(rest, 'a text'));
}

async function remove(desk: Desk, text: string): Promise<void> {
  const { message } = await pick(desk, text, isOwn(desk));
  await desk.client.remove(message.id);
}

async function react(desk: Desk, text: string): Promise<void> {
  const { message, rest } = await pick(desk, text, isOthers(desk));
  const emoji = needed(rest, 'an emoji');
  const own = desk.client.getState().user?.id ?? '';
  const mine = message.reactions.some((one) => one.emoji === emoji && (one.mine ?? one.userIds.includes(own)));
  await (mine ? desk.client.unreact(message.id, emoji) : desk.client.react(message.id, emoji));
}

async function pin(desk: Desk, text: string): Promise<void> {
  const { message } = await pick(desk, text, () => true);
  await (message.pinnedAt === undefined ? desk.client.pin(message.id) : desk.client.unpin(message.id));
  desk.say(`#${message.seq} is ${message.pinnedAt === undefined ? '' : 'not '}pinned`);
}

async function receipts(desk: Desk, text: string): Promise<void> {
  const { message } = await pick(desk, text, isOwn(desk));
  const { delivered, read } = await desk.client.request<Record<'delivered' | 'read', { userId: string; at: string }[]>>(
    'GET',
    `/messages/${message.id}/receipts`,
  );
  await Promise.all([...delivered, ...read].map(({ userId }) => desk.directory.learnName(userId)));
  const line =
    (what: string) =>
    ({ userId, at }: { userId: string; at: string }) =>
      `${desk.directory.name(userId)}  ${what} ${dayOf(at)} ${timeOf(at)}`;
  const readers = new Set(read.map(({ userId }) => userId));
  desk.show(`Who has #${message.seq}`, [
    ...read.map(line('read')),
    ...delivered.filter(({ userId }) => !readers.has(userId)).map(line('delivered')),
  ]);
}

async function search(desk: Desk, text: string): Promise<void> {
  const { items } = await desk.client.request<{ items: { message: Message; highlight: string }[] }>(
    'GET',
    '/search/messages',
    { query: { q: needed(text, 'words'), limit: 50 } },
  );
  const { conversations } = desk.client.getState();
  const lines = await Promise.all(
    items.map(async ({ message, highlight }) => {
      const conversation = conversations.get(message.conversationId)?.conversation;
      await Promise.all([
        desk.directory.learnName(message.senderId),
        conversation && desk.directory.learnTitle(conversation),
      ]);
      const found = inline(highlight.replaceAll('\u{e000}', '»').replaceAll('\u{e001}', '«'));
      return `${dayOf(message.createdAt)} ${timeOf(message.createdAt)}  ${conversation ? desk.directory.title(conversation) : message.conversationId} #${message.seq}  ${desk.directory.name(message.senderId)}: ${found}`;
    }),
  );
  desk.show(`Messages with ${text}`, lines);
}

async function goTo(desk: Desk, text: string): Promise<void> {
  const { message } = await pick(desk, text, () => false);
  await desk.client.loadAround(message.conversationId, message.seq);
  desk.show(`#${message.seq}`, [
    `${desk.directory.name(message.senderId)}, ${dayOf(message.createdAt)} ${timeOf(message.createdAt)}`,
    ...textOf(message, desk.directory).split('\n'),
  ]);
}

function failed(desk: Desk, what: 'retry' | 'discard'): void {
  const { conversation, messages } = here(desk);
  const refused = messages.filter(({ local }) => local?.state === 'failed');
  for (const { clientId } of refused) void desk.client[what](conversation.id, clientId);
  desk.say(`${refused.length} ${what === 'retry' ? 'sent again' : 'dropped'}`);
}

// ── files ───────────────────────────────────────────────────────────────────────────────────────────────────────

async function upload(desk: Desk, text: string): Promise<void> {
  const [, quoted, bare = '', body = ''] = /^(?:"([^"]+)"|(\S+))\s*([^]*)$/.exec(needed(text, 'a file')) ?? [];
  const path = resolve(startFolder, quoted ?? bare);
  const { conversation } = here(desk);
  const attachment = await desk.client.upload(await openFile(path), {
    name: basename(path),
    onProgress: (sent, total) => total && desk.say(`${basename(path)}: ${Math.floor((sent / total) * 100)} %`),
  });
  // Until it is stored it is no message that the next command could be about.
  await desk.client.send(conversation.id, {
    attachmentIds: [attachment.id],
    type: typeOf(attachment),
    ...(body !== '' && { body }),
  }).stored;
}

async function openFile(path: string): Promise<Blob> {
  try {
    if (!(await stat(path)).isFile()) throw new UsageError(`${path} is no file`);
    return await openAsBlob(path);
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(`${path} cannot be read`);
  }
}

const typeOf = ({ mediaType }: Attachment): Exclude<MessageType, 'system'> => {
  const kind = mediaType.split('/')[0];
  return kind === 'image' || kind === 'video' || kind === 'audio' ? kind : 'document';
};

async function save(desk: Desk, text: string): Promise<void> {
  const { message, rest } = await pick(desk, text, ({ attachments }) => attachments.length > 0);
  if (message.attachments.length === 0) throw new UsageError(`#${message.seq} has no files`);
  const saved: string[] = [];
  for (const attachment of message.attachments) {
    const blob = await desk.client.fetchAttachment(attachment);
    saved.push(await writeNew(resolve(startFolder, rest), fileNameOf(attachment), blob));
  }
  desk.say(`saved ${saved.join(', ')} (${sizeOf(message.attachments.reduce((sum, { size }) => sum + size, 0))})`);
}

/** A name that somebody else chose: neither a path, nor hidden, nor an option of some program. */
const fileNameOf = ({ name, id }: Attachment): string =>
  inline(name)
    .replaceAll(/[/\\:*?"<>|]/g, '_')
    .replace(/^[.\s-]+/, '')
    .slice(-100) || id;

/** Never over a file that is there. Resolves with the path. */
async function writeNew(folder: string, fileName: string, blob: Blob): Promise<string> {
  const { name, ext } = parse(fileName);
  for (let n = 1; n <= MOST_NAMESAKES; n++) {
    const path = join(folder, n === 1 ? fileName : `${name} ${n}${ext}`);
    try {
      await writeFile(path, blob.stream(), { flag: 'wx' });
      return path;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES')
        throw new UsageError(`${folder} cannot be written to`);
      if (code !== 'EEXIST') throw error;
    }
  }
  throw new UsageError(`there are ${MOST_NAMESAKES} files called ${fileName} in ${folder}`);
}

// ── what is meant ───────────────────────────────────────────────────────────────────────────────────────────────

function here(desk: Desk): ConversationView {
  const id = desk.current();
  const view = id === undefined ? undefined : desk.client.getState().conversations.get(id);
  if (!view) throw new UsageError('no conversation is open: see /open and /new');
  return view;
}

function needed(text: string, what: string): string {
  if (text === '') throw new UsageError(`${what} is missing: see /help`);
  return text;
}

const isOwn =
  ({ client }: Desk) =>
  ({ senderId }: Message): boolean =>
    senderId === client.getState().user?.id;
const isOthers =
  (desk: Desk) =>
  (message: Message): boolean =>
    !isOwn(desk)(message);

/** The message that `#N` at the beginning names, or without that the newest loaded one that fits. */
async function pick(
  desk: Desk,
  text: string,
  fits: (message: Message) => boolean,
): Promise<{ message: Message; rest: string }> {
  const { conversation, messages } = here(desk);
  const [, number, rest = ''] = /^(?:#(\d+)(?:\s+|$))?([^]*)$/.exec(text) ?? [];
  const stored = messages.filter(
    ({ local, type, deletedAt }) => !local && type !== 'system' && deletedAt === undefined,
  );
  const message =
    number === undefined
      ? stored.findLast(fits)
      : (messages.find(({ seq, local }) => !local && seq === Number(number)) ??
        (await bySeq(desk, conversation.id, Number(number))));
  if (!message)
    throw new UsageError(number === undefined ? 'which one? #N names a message' : `there is no message #${number}`);
  return { message, rest };
}

async function bySeq(desk: Desk, conversationId: string, seq: number): Promise<Message | undefined> {
  if (seq < 1 || !Number.isSafeInteger(seq)) return undefined;
  const { items } = await desk.client.request<{ items: Message[] }>(
    'GET',
    `/conversations/${conversationId}/messages`,
    { query: { after: seq - 1, limit: 1 } },
  );
  return items.find((message) => message.seq === seq);
}
