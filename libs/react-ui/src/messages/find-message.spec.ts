import { expect, it } from 'vitest';
import { findByDate, findMention } from './find-message.ts';

const START = Date.parse('2026-01-01T00:00:00Z');
const MINUTE = 60_000;

/** A conversation with one message per minute, and the number of requests made to it. */
function conversationOf(count: number, mentioned: readonly number[] = []) {
  const messages = Array.from({ length: count }, (_, at) => ({
    seq: at + 1,
    createdAt: new Date(START + at * MINUTE).toISOString(),
    senderId: 'ben',
    mentions: mentioned.includes(at + 1) ? ['ann'] : [],
  }));
  const conversation = {
    requests: 0,
    load: (seq: number, limit: number) => {
      conversation.requests++;
      return Promise.resolve(messages.slice(seq, seq + limit));
    },
  };
  return conversation;
}

it.each([
  [100_000, 0, 1],
  [100_000, 77_777, 77_778],
  [100_000, 99_999, 100_000],
  [100_000, 100_000, undefined],
  [100_000, -5, 1],
  [101, 100, 101],
  [1, 0, 1],
  [0, 0, undefined],
])('of %i messages, one per minute, the first one from minute %i on is %s', async (count, minute, expected) => {
  const conversation = conversationOf(count);
  expect(await findByDate(conversation.load, count, START + minute * MINUTE)).toBe(expected);
  expect(conversation.requests).toBeLessThanOrEqual(11);
});

it.each([
  [0, 3],
  [3, 450],
  [450, undefined],
])('the mention after %i is %s', async (from, expected) => {
  expect(await findMention(conversationOf(500, [3, 450]).load, 'ann', from)).toBe(expected);
});

it('a search for a mention ends after 2,000 messages', async () => {
  const conversation = conversationOf(10_000, [9_000]);
  expect(await findMention(conversation.load, 'ann', 0)).toBeUndefined();
  expect(conversation.requests).toBe(20);
});
