import type { Message } from '@parley/client';
import { canonicalEmoji } from '@parley/contracts';
import { dayOf, textOf, timeOf } from '../text/message-text.js';
import { inline } from '../text/printable.js';
import { currentConversation, isOthers, isOwn, pickMessage, required } from './arguments.js';
import type { CommandPrompt } from './command-prompt.js';

export async function reply(prompt: CommandPrompt, text: string): Promise<void> {
  const { message, rest } = await pickMessage(prompt, text, isOthers(prompt));
  prompt.client.send(message.conversationId, { body: required(rest, 'a text'), replyTo: message.id });
}

export async function edit(prompt: CommandPrompt, text: string): Promise<void> {
  const { message, rest } = await pickMessage(prompt, text, isOwn(prompt));
  await prompt.client.edit(message.id, required(rest, 'a text'));
}

export async function deleteMessage(prompt: CommandPrompt, text: string): Promise<void> {
  const { message } = await pickMessage(prompt, text, isOwn(prompt));
  await prompt.client.remove(message.id);
}

export async function react(prompt: CommandPrompt, text: string): Promise<void> {
  const { message, rest } = await pickMessage(prompt, text, isOthers(prompt));
  const given = required(rest, 'an emoji');
  const emoji = canonicalEmoji(given) ?? given;
  const ownId = prompt.client.getState().user?.id ?? '';
  const isMine = message.reactions.some(
    (reaction) => reaction.emoji === emoji && (reaction.mine ?? reaction.userIds.includes(ownId)),
  );
  await (isMine ? prompt.client.unreact(message.id, emoji) : prompt.client.react(message.id, emoji));
}

export async function pin(prompt: CommandPrompt, text: string): Promise<void> {
  const { message } = await pickMessage(prompt, text, () => true);
  await (message.pinnedAt === undefined ? prompt.client.pin(message.id) : prompt.client.unpin(message.id));
  prompt.say(`#${message.seq} is ${message.pinnedAt === undefined ? '' : 'not '}pinned`);
}

type ReceiptsPage = Record<'delivered' | 'read', { userId: string; at: string }[]> & { nextCursor?: string };

export async function showReceipts(prompt: CommandPrompt, text: string): Promise<void> {
  const { message } = await pickMessage(prompt, text, isOwn(prompt));
  const delivered: ReceiptsPage['delivered'] = [];
  const read: ReceiptsPage['read'] = [];
  let cursor: string | undefined;
  do {
    const page = await prompt.client.request<ReceiptsPage>('GET', `/messages/${message.id}/receipts`, {
      query: { cursor },
    });
    delivered.push(...page.delivered);
    read.push(...page.read);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  await Promise.all([...delivered, ...read].map(({ userId }) => prompt.directory.loadName(userId)));
  const line =
    (what: string) =>
    ({ userId, at }: { userId: string; at: string }) =>
      `${prompt.directory.name(userId)}  ${what} ${dayOf(at)} ${timeOf(at)}`;
  const readers = new Set(read.map(({ userId }) => userId));
  prompt.show(`Who has #${message.seq}`, [
    ...read.map(line('read')),
    ...delivered.filter(({ userId }) => !readers.has(userId)).map(line('delivered')),
  ]);
}

export async function searchMessages(prompt: CommandPrompt, text: string): Promise<void> {
  const { items } = await prompt.client.request<{ items: { message: Message; highlight: string }[] }>(
    'GET',
    '/search/messages',
    { query: { q: required(text, 'words'), limit: 50 } },
  );
  const { conversations } = prompt.client.getState();
  const lines = await Promise.all(
    items.map(async ({ message, highlight }) => {
      const conversation = conversations.get(message.conversationId)?.conversation;
      await Promise.all([
        prompt.directory.loadName(message.senderId),
        conversation && prompt.directory.loadTitle(conversation),
      ]);
      const found = inline(highlight.replaceAll('\u{e000}', '»').replaceAll('\u{e001}', '«'));
      return `${dayOf(message.createdAt)} ${timeOf(message.createdAt)}  ${conversation ? prompt.directory.title(conversation) : message.conversationId} #${message.seq}  ${prompt.directory.name(message.senderId)}: ${found}`;
    }),
  );
  prompt.show(`Messages with ${text}`, lines);
}

export async function goToMessage(prompt: CommandPrompt, text: string): Promise<void> {
  const { message } = await pickMessage(prompt, text, () => false);
  await prompt.client.loadAround(message.conversationId, message.seq);
  prompt.show(`#${message.seq}`, [
    `${prompt.directory.name(message.senderId)}, ${dayOf(message.createdAt)} ${timeOf(message.createdAt)}`,
    ...textOf(message, prompt.directory).split('\n'),
  ]);
}

/** Sends all refused messages of the conversation again. */
export function retryFailed(prompt: CommandPrompt): void {
  prompt.say(`${forEachFailed(prompt, 'retry')} sent again`);
}

/** Drops all refused messages of the conversation. */
export function discardFailed(prompt: CommandPrompt): void {
  prompt.say(`${forEachFailed(prompt, 'discard')} dropped`);
}

function forEachFailed(prompt: CommandPrompt, action: 'retry' | 'discard'): number {
  const { conversation, messages } = currentConversation(prompt);
  const failed = messages.filter(({ local }) => local?.state === 'failed');
  for (const { clientId } of failed) void prompt.client[action](conversation.id, clientId);
  return failed.length;
}
