import type { Conversation } from '@parley/client';
import { UsageError } from '../errors.js';
import { currentConversation, required } from './arguments.js';
import type { CommandPrompt } from './command-prompt.js';

const PAGE_SIZE = 100;

const describe = (prompt: CommandPrompt, conversation: Conversation, unread = 0): string =>
  `${prompt.directory.title(conversation)}  ${conversation.kind}, ${conversation.memberCount} member${conversation.memberCount === 1 ? '' : 's'}${unread > 0 ? `, ${unread} unread` : ''}  ${conversation.id}`;

export async function openConversation(prompt: CommandPrompt, text: string): Promise<void> {
  prompt.select((await prompt.directory.conversation(required(text, 'a conversation'))).id);
}

export async function listConversations(prompt: CommandPrompt): Promise<void> {
  // From the server, because right after the start the client's state may lack them.
  const conversations = await prompt.directory.ownConversations();
  await Promise.all(conversations.map((conversation) => prompt.directory.loadTitle(conversation)));
  prompt.show(
    'Conversations',
    conversations.map((conversation) => describe(prompt, conversation, conversation.me?.unread)),
  );
}

export async function createConversation(prompt: CommandPrompt, text: string): Promise<void> {
  const [, kind, rest = ''] = /^(direct|group|channel)\s+([^]+)$/.exec(text) ?? [];
  if (kind === 'direct') return prompt.select((await prompt.directory.conversation(`@${rest.replace(/^@/, '')}`)).id);
  if (kind !== 'group' && kind !== 'channel')
    throw new UsageError('/new direct USERNAME, /new group TITLE or /new channel TITLE');
  const { title, names, isPublic } = parseNewConversation(rest);
  const invited = await Promise.all(names.map((name) => prompt.directory.user(name)));
  const conversation = await prompt.client.createConversation({
    kind,
    title,
    visibility: isPublic ? 'public' : 'private',
    ...(invited.length > 0 && { memberIds: invited.map(({ id }) => id) }),
  });
  prompt.select(conversation.id);
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

export async function listPublicConversations(prompt: CommandPrompt, text: string): Promise<void> {
  const { items } = await prompt.client.request<{ items: Conversation[] }>('GET', '/conversations/public', {
    query: { query: text || undefined, limit: PAGE_SIZE },
  });
  prompt.show(
    'Public conversations',
    items.map((conversation) => `${describe(prompt, conversation)}${conversation.me ? '  (yours)' : ''}`),
  );
}

export async function joinConversation(prompt: CommandPrompt, text: string): Promise<void> {
  const { id } = await prompt.directory.publicConversation(required(text, 'a title'));
  await prompt.client.join(id);
  prompt.select(id);
}

export async function leaveConversation(prompt: CommandPrompt): Promise<void> {
  await prompt.client.leaveConversation(currentConversation(prompt).conversation.id);
  prompt.select(undefined);
}
