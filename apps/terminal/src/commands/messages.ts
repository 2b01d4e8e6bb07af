import type { Message } from '@parley/client';
import { canonicalEmoji } from '@parley/contracts';
import { dayOf, textOf, timeOf } from '../text/message-text.js';
import { inline } from '../text/printable.js';
import { currentConversation, isOthers, isOwn, pickMessage, required } from './arguments.js';
import type { CommandContext } from './command-context.js';

export async function reply(context: CommandContext, text: string): Promise<void> {
  const { message, rest } = await pickMessage(context, text, isOthers(context));
  context.client.send(message.conversationId, { body: required(rest, 'a text'), replyTo: message.id });
}

export async function edit(context: CommandContext, text: string): Promise<void> {
  const { message, rest } = await pickMessage(context, text, isOwn(context));
  await context.client.edit(message.id, required(rest, 'a text'));
}

export async function deleteMessage(context: CommandContext, text: string): Promise<void> {
  const { message } = await pickMessage(context, text, isOwn(context));
  await context.client.remove(message.id);
}

export async function react(context: CommandContext, text: string): Promise<void> {
  const { message, rest } = await pickMessage(context, text, isOthers(context));
  const given = required(rest, 'an emoji');
  const emoji = canonicalEmoji(given) ?? given;
  const ownId = context.client.getState().user?.id ?? '';
  const isMine = message.reactions.some(
    (reaction) => reaction.emoji === emoji && (reaction.mine ?? reaction.userIds.includes(ownId)),
  );
  await (isMine ? context.client.unreact(message.id, emoji) : context.client.react(message.id, emoji));
}

export async function pin(context: CommandContext, text: string): Promise<void> {
  const { message } = await pickMessage(context, text, () => true);
  await (message.pinnedAt === undefined ? context.client.pin(message.id) : context.client.unpin(message.id));
  context.say(`#${message.seq} is ${message.pinnedAt === undefined ? '' : 'not '}pinned`);
}

export async function showReceipts(context: CommandContext, text: string): Promise<void> {
  const { message } = await pickMessage(context, text, isOwn(context));
  const { delivered, read } = await context.client.request<
    Record<'delivered' | 'read', { userId: string; at: string }[]>
  >('GET', `/messages/${message.id}/receipts`);
  await Promise.all([...delivered, ...read].map(({ userId }) => context.directory.loadName(userId)));
  const line =
    (what: string) =>
    ({ userId, at }: { userId: string; at: string }) =>
      `${context.directory.name(userId)}  ${what} ${dayOf(at)} ${timeOf(at)}`;
  const readers = new Set(read.map(({ userId }) => userId));
  context.show(`Who has #${message.seq}`, [
    ...read.map(line('read')),
    ...delivered.filter(({ userId }) => !readers.has(userId)).map(line('delivered')),
  ]);
}

export async function searchMessages(context: CommandContext, text: string): Promise<void> {
  const { items } = await context.client.request<{ items: { message: Message; highlight: string }[] }>(
    'GET',
    '/search/messages',
    { query: { q: required(text, 'words'), limit: 50 } },
  );
  const { conversations } = context.client.getState();
  const lines = await Promise.all(
    items.map(async ({ message, highlight }) => {
      const conversation = conversations.get(message.conversationId)?.conversation;
      await Promise.all([
        context.directory.loadName(message.senderId),
        conversation && context.directory.loadTitle(conversation),
      ]);
      const found = inline(highlight.replaceAll('\u{e000}', '»').replaceAll('\u{e001}', '«'));
      return `${dayOf(message.createdAt)} ${timeOf(message.createdAt)}  ${conversation ? context.directory.title(conversation) : message.conversationId} #${message.seq}  ${context.directory.name(message.senderId)}: ${found}`;
    }),
  );
  context.show(`Messages with ${text}`, lines);
}

export async function goToMessage(context: CommandContext, text: string): Promise<void> {
  const { message } = await pickMessage(context, text, () => false);
  await context.client.loadAround(message.conversationId, message.seq);
  context.show(`#${message.seq}`, [
    `${context.directory.name(message.senderId)}, ${dayOf(message.createdAt)} ${timeOf(message.createdAt)}`,
    ...textOf(message, context.directory).split('\n'),
  ]);
}

/** Sends all refused messages of the conversation again. */
export function retryFailed(context: CommandContext): void {
  context.say(`${forEachFailed(context, 'retry')} sent again`);
}

/** Drops all refused messages of the conversation. */
export function discardFailed(context: CommandContext): void {
  context.say(`${forEachFailed(context, 'discard')} dropped`);
}

function forEachFailed(context: CommandContext, action: 'retry' | 'discard'): number {
  const { conversation, messages } = currentConversation(context);
  const failed = messages.filter(({ local }) => local?.state === 'failed');
  for (const { clientId } of failed) void context.client[action](conversation.id, clientId);
  return failed.length;
}
