import type { Conversation, Member, User } from '@parley/client';
import { nameOf } from '../text/directory.js';
import { inline } from '../text/printable.js';
import { UsageError } from '../errors.js';
import { currentConversation, required } from './arguments.js';
import type { CommandContext } from './command-context.js';

const PAGE_SIZE = 100;

const describe = (context: CommandContext, conversation: Conversation, unread = 0): string =>
  `${context.directory.title(conversation)}  ${conversation.kind}, ${conversation.memberCount} member${conversation.memberCount === 1 ? '' : 's'}${unread > 0 ? `, ${unread} unread` : ''}  ${conversation.id}`;

export async function openConversation(context: CommandContext, text: string): Promise<void> {
  context.select((await context.directory.conversation(required(text, 'a conversation'))).id);
}

export async function listConversations(context: CommandContext): Promise<void> {
  // From the server, because right after the start the client's state may lack them.
  const conversations = await context.directory.ownConversations();
  await Promise.all(conversations.map((conversation) => context.directory.loadTitle(conversation)));
  context.show(
    'Conversations',
    conversations.map((conversation) => describe(context, conversation, conversation.me?.unread)),
  );
}

export async function createConversation(context: CommandContext, text: string): Promise<void> {
  const [, kind, rest = ''] = /^(direct|group|channel)\s+([^]+)$/.exec(text) ?? [];
  if (kind === 'direct') return context.select((await context.directory.conversation(`@${rest.replace(/^@/, '')}`)).id);
  if (kind !== 'group' && kind !== 'channel')
    throw new UsageError('/new direct USERNAME, /new group TITLE or /new channel TITLE');
  const { title, names, isPublic } = parseNewConversation(rest);
  const invited = await Promise.all(names.map((name) => context.directory.user(name)));
  const conversation = await context.client.createConversation({
    kind,
    title,
    visibility: isPublic ? 'public' : 'private',
    ...(invited.length > 0 && { memberIds: invited.map(({ id }) => id) }),
  });
  context.select(conversation.id);
}

/** Parses `TITLE [with @NAME …] [public]`. */
function parseNewConversation(text: string): { title: string; names: string[]; isPublic: boolean } {
  const words = text.split(/\s+/);
  const isPublic = words.length > 1 && words.at(-1) === 'public';
  if (isPublic) words.pop();
  const last = words.findLastIndex((word) => !word.startsWith('@'));
  const hasNames = words[last] === 'with' && last < words.length - 1;
  return {
    title: words.slice(0, hasNames ? last : undefined).join(' '),
    names: hasNames ? words.slice(last + 1) : [],
    isPublic,
  };
}

export async function listPublicConversations(context: CommandContext, text: string): Promise<void> {
  const { items } = await context.client.request<{ items: Conversation[] }>('GET', '/conversations/public', {
    query: { query: text || undefined, limit: PAGE_SIZE },
  });
  context.show(
    'Public conversations',
    items.map((conversation) => `${describe(context, conversation)}${conversation.me ? '  (yours)' : ''}`),
  );
}

export async function joinConversation(context: CommandContext, text: string): Promise<void> {
  const { id } = await context.directory.publicConversation(required(text, 'a title'));
  await context.client.join(id);
  context.select(id);
}

export async function leaveConversation(context: CommandContext): Promise<void> {
  await context.client.leaveConversation(currentConversation(context).conversation.id);
  context.select(undefined);
}

export async function listMembers(context: CommandContext): Promise<void> {
  const { conversation } = currentConversation(context);
  const { items } = await context.client.request<{ items: Member[] }>(
    'GET',
    `/conversations/${conversation.id}/members`,
    { query: { limit: PAGE_SIZE } },
  );
  await Promise.all(items.map(({ userId }) => context.directory.loadName(userId)));
  const { presence } = await context.client.call('presence:watch', { userIds: items.map(({ userId }) => userId) });
  const states = new Map(presence.map(({ userId, state }) => [userId, state]));
  const more = conversation.memberCount - items.length;
  context.show(`Members of ${context.directory.title(conversation)}`, [
    ...items.map(({ userId, role, status }) =>
      `${context.directory.name(userId)}  ${role}${status === 'active' ? '' : `, ${status}`}  ${states.get(userId) ?? ''}`.trimEnd(),
    ),
    ...(more > 0 ? [`and ${more} more`] : []),
  ]);
}

export async function addMember(context: CommandContext, text: string): Promise<void> {
  const user = await context.directory.user(required(text, 'a username'));
  await context.client.request(
    'PUT',
    `/conversations/${currentConversation(context).conversation.id}/members/${user.id}`,
    { body: {} },
  );
  context.say(`${nameOf(user)} is in`);
}

export async function removeMember(context: CommandContext, text: string): Promise<void> {
  const user = await context.directory.user(required(text, 'a username'));
  await context.client.request(
    'DELETE',
    `/conversations/${currentConversation(context).conversation.id}/members/${user.id}`,
  );
  context.say(`${nameOf(user)} is out`);
}

export async function searchPeople(context: CommandContext, text: string): Promise<void> {
  const { items } = await context.client.request<{ items: User[] }>('GET', '/users', {
    query: { query: required(text, 'a name'), limit: PAGE_SIZE },
  });
  context.show(
    'People',
    items.map((user) => `${nameOf(user)}  @${inline(user.username)}  ${user.kind}`),
  );
}
