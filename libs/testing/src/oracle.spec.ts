import { describe, expect, it } from 'vitest';
import { judge, type Attempt, type Reader, type StoredMessage } from './oracle.js';

const row = (seq: number, clientId = `c${seq}`, id = `m${seq}`): StoredMessage => ({
  id,
  conversationId: 'k',
  senderId: 'ann',
  clientId,
  seq,
});
const attempt = (order: number, clientId = `c${order}`): Attempt => ({
  conversationId: 'k',
  senderId: 'ann',
  clientId,
  order,
  answers: [{ id: `m${order}`, seq: order }],
});
const reader = (held: readonly StoredMessage[]): Reader => ({
  name: 'ben',
  conversationIds: ['k'],
  live: [held.map(({ id }) => id)],
  held,
});
const good = { attempts: [attempt(1), attempt(2), attempt(3)], rows: [row(1), row(2), row(3)] };

/** The names of the lists that are not empty. */
const broken = (
  attempts: readonly Attempt[],
  rows: readonly StoredMessage[],
  readers: readonly Reader[] = [reader(rows)],
) =>
  Object.entries(judge(attempts, rows, readers))
    .filter(([, entries]) => entries.length > 0)
    .map(([name]) => name);

describe('the oracle', () => {
  it('finds nothing when every promise was kept', () => {
    expect(broken(good.attempts, good.rows)).toEqual([]);
  });

  it('finds an acknowledged message that is not stored', () => {
    expect(broken(good.attempts, good.rows.slice(0, 2))).toEqual(['lost']);
  });

  it('allows a message without acknowledgement to be stored or not', () => {
    const unknown = { ...attempt(3), answers: [] };
    expect(broken([attempt(1), attempt(2), unknown], good.rows)).toEqual([]);
    expect(broken([attempt(1), attempt(2), unknown], good.rows.slice(0, 2))).toEqual([]);
  });

  it('finds a second row of one clientId', () => {
    expect(broken(good.attempts, [...good.rows, row(4, 'c3')])).toEqual(['doubled']);
  });

  it('finds an acknowledgement of another row', () => {
    expect(
      broken(
        [
          {
            ...attempt(1),
            answers: [
              { id: 'm1', seq: 1 },
              { id: 'm9', seq: 9 },
            ],
          },
        ],
        [row(1)],
      ),
    ).toEqual(['misanswered']);
  });

  it('finds a message that nobody sent', () => {
    expect(broken([attempt(1)], [row(1), row(2, 'x')])).toEqual(['unexpected']);
    expect(broken([attempt(1)], [row(1), row(2, 'system:x')])).toEqual([]);
  });

  it('finds gaps', () => {
    expect(broken([attempt(1), attempt(3)], [row(1), row(3)])).toEqual(['holes']);
  });

  it('finds messages of one sender out of order', () => {
    const swapped: Attempt[] = [
      { ...attempt(1), order: 2 },
      { ...attempt(2), order: 1 },
    ];
    expect(broken(swapped, [row(1), row(2)])).toEqual(['disordered']);
  });

  it('finds missing and repeated messages of a member', () => {
    expect(broken(good.attempts, good.rows, [reader(good.rows.slice(1))])).toEqual(['missing']);
    expect(broken(good.attempts, good.rows, [{ ...reader(good.rows), live: [['m1', 'm1']] }])).toEqual(['repeated']);
    expect(broken(good.attempts, good.rows, [{ ...reader(good.rows), live: [['m1'], ['m1']] }])).toEqual([]);
  });
});
