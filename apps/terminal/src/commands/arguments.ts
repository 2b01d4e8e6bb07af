import type { ConversationView, Message } from '@parley/client';
import { UsageError } from '../errors.js';
import type { CommandPrompt } from './command-prompt.js';

/** The conversation that commands apply to. Throws a {@link UsageError} without one. */
export function currentConversation(prompt: CommandPrompt): ConversationView {
  const id = prompt.current();
  const view = id === undefined ? undefined : prompt.client.getState().conversations.get(id);
  if (!view) throw new UsageError('no conversation is open: see /open and /new');
  return view;
}

/** Throws a {@link UsageError} when an argument is missing. */
export function required(text: string, what: string): string {
  if (text === '') throw new UsageError(`${what} is missing: see /help`);
  return text;
}

const UNITS_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The milliseconds of `30m`, `2h` or `7d`. Throws a {@link UsageError} for other texts. */
export function parseDuration(text: string): number {
  const [, count, unit] = /^([1-9]\d{0,3})([mhd])$/.exec(text) ?? [];
  if (count === undefined) throw new UsageError(`${text} is no time: write 30m, 2h or 7d`);
  return Number(count) * UNITS_MS[unit!]!;
}

export const isOwn =
  ({ client }: CommandPrompt) =>
  ({ senderId }: Message): boolean =>
    senderId === client.getState().user?.id;

export const isOthers =
  (prompt: CommandPrompt) =>
  (message: Message): boolean =>
    !isOwn(prompt)(message);

/**
 * The message that `#N` at the beginning of the text names, or without that the newest loaded message that `fits`.
 * `rest` is the text after it.
 */
export async function pickMessage(
  prompt: CommandPrompt,
  text: string,
  fits: (message: Message) => boolean,
): Promise<{ message: Message; rest: string }> {
  const { conversation, messages } = currentConversation(prompt);
  const [, number, rest = ''] = /^(?:#(\d+)(?:\s+|$))?([^]*)$/.exec(text) ?? [];
  if (number === undefined) {
    const candidates = messages.filter(
      ({ local, type, deletedAt }) => !local && type !== 'system' && deletedAt === undefined,
    );
    const message = candidates.findLast(fits);
    if (!message) throw new UsageError('which one? #N names a message');
    return { message, rest };
  }
  const seq = Number(number);
  const loaded = messages.find((message) => message.seq === seq && !message.local);
  const message = loaded ?? (await loadMessage(prompt, conversation.id, seq));
  if (!message) throw new UsageError(`there is no message #${number}`);
  return { message, rest };
}

async function loadMessage(prompt: CommandPrompt, conversationId: string, seq: number): Promise<Message | undefined> {
  if (seq < 1 || !Number.isSafeInteger(seq)) return undefined;
  const { items } = await prompt.client.request<{ items: Message[] }>(
    'GET',
    `/conversations/${conversationId}/messages`,
    { query: { after: seq - 1, limit: 1 } },
  );
  return items.find((message) => message.seq === seq);
}
