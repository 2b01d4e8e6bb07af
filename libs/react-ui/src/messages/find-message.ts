import type { ParleyClient } from '@parley/client';
import type { Message } from '@parley/contracts';

/** Loads up to `limit` messages after a `seq`, ascending. */
export type LoadAfter<T> = (seq: number, limit: number) => Promise<readonly T[]>;

/** How many messages one request returns at most. */
const PAGE = 100;
/** How many messages are searched for a mention. */
const MAX_SEARCHED = 2_000;

/** Loads messages of a conversation without showing them. */
export const messagesOf =
  (client: ParleyClient, conversationId: string): LoadAfter<Message> =>
  async (after, limit) => {
    const path = `/conversations/${conversationId}/messages`;
    return (await client.request<{ items: Message[] }>('GET', path, { query: { after, limit } })).items;
  };

/**
 * The `seq` of the first message that is not older than a time, in a conversation whose messages are numbered from 1 to
 * `lastSeq`. Undefined when all are older. Each request halves what is left until it fits into one page: 100,000
 * messages take at most 11 requests.
 */
export async function findByDate(
  load: LoadAfter<Pick<Message, 'seq' | 'createdAt'>>,
  lastSeq: number,
  time: number,
): Promise<number | undefined> {
  const isFound = ({ createdAt }: Pick<Message, 'createdAt'>) => Date.parse(createdAt) >= time;
  let low = 1;
  let high = lastSeq;
  while (high - low >= PAGE) {
    const middle = Math.floor((low + high) / 2);
    const [message] = await load(middle - 1, 1);
    if (message && !isFound(message)) low = message.seq + 1;
    else high = middle;
  }
  // The server cuts pages of very long messages.
  while (low <= high) {
    const page = await load(low - 1, PAGE);
    const found = page.find(isFound);
    if (found || page.length === 0) return found?.seq;
    low = page.at(-1)!.seq + 1;
  }
  return undefined;
}

/** The `seq` of the first message after `from` in which somebody else mentions the user, among the next 2,000. */
export async function findMention(
  load: LoadAfter<Pick<Message, 'seq' | 'mentions' | 'senderId' | 'deletedAt'>>,
  userId: string,
  from: number,
): Promise<number | undefined> {
  let after = from;
  while (after - from < MAX_SEARCHED) {
    const page = await load(after, PAGE);
    const found = page.find(
      ({ mentions, senderId, deletedAt }) =>
        senderId !== userId && deletedAt === undefined && mentions.includes(userId),
    );
    if (found || page.length === 0) return found?.seq;
    after = page.at(-1)!.seq;
  }
  return undefined;
}
