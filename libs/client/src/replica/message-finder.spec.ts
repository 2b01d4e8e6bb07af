import { newId } from '@parley/contracts';
import { expect, it } from 'vitest';
import { message } from '../spec/fixtures.js';
import type { Message } from '../types.js';
import { MessageFinder } from './message-finder.js';

/** A conversation in pages of 50, which counts the requests. */
function conversationOf(messages: readonly Message[]) {
  let requests = 0;
  const load = async (where: { before: number } | { around: number }) => {
    requests++;
    const from = 'before' in where ? Math.max(1, where.before - 50) : Math.max(1, where.around - 25);
    const to = 'before' in where ? where.before - 1 : from + 49;
    const items = messages.slice(from - 1, to);
    return { items, lastSeq: messages.length, hasBefore: from > 1, hasAfter: to < messages.length };
  };
  return { load, requests: () => requests };
}
const START = Date.parse('2026-01-01T00:00:00.000Z');
const messagesAt = (times: readonly number[]) =>
  times.map((time, at) => message(at + 1, at + 2, { id: newId(undefined, START + time) }));

it('finds any of 100,000 messages with at most 14 requests, and a recent one with one', async () => {
  // Nights and busy hours.
  const messages = messagesAt(Array.from({ length: 100_000 }, (_, at) => at * 40 + Math.floor(at / 1_000) ** 3 * 500));
  const finder = new MessageFinder();
  for (const seq of [1, 2, 500, 50_000, 77_777, 99_900]) {
    const { load, requests } = conversationOf(messages);
    expect(await finder.find(messages[seq - 1]!.id, 100_000, load)).toBe(messages[seq - 1]);
    expect(requests()).toBeLessThanOrEqual(14);
  }
  const { load, requests } = conversationOf(messages);
  expect(await finder.find(messages[99_980]!.id, 100_000, load)).toBe(messages[99_980]);
  expect(await finder.find(messages[99_980]!.id, 100_000, load)).toBe(messages[99_980]);
  expect(requests()).toBe(1);
});

it('finds messages of one moment, and those that overtook each other', async () => {
  const messages = messagesAt(
    Array.from({ length: 1_000 }, (_, at) => (at < 30 ? at : at < 60 ? 5_000 - at : 10_000 + at)),
  );
  const { load } = conversationOf(messages);
  const finder = new MessageFinder();
  for (const seq of [1, 29, 31, 45, 60, 61, 940])
    expect(await finder.find(messages[seq - 1]!.id, 1_000, load)).toBe(messages[seq - 1]);
});

it('finds nothing where there is nothing, and asks again after a failure', async () => {
  const messages = messagesAt(Array.from({ length: 300 }, (_, at) => at * 1_000));
  const { load } = conversationOf(messages);
  const finder = new MessageFinder();
  expect(await finder.find(newId(undefined, START + 150_500), 300, load)).toBeUndefined();
  const { id } = messages[9]!;
  await expect(finder.find(id, 300, () => Promise.reject(new Error('away')))).rejects.toThrow('away');
  expect(await finder.find(id, 300, load)).toBe(messages[9]);
});
