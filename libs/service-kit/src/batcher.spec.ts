import { describe, expect, it } from 'vitest';
import { Batcher, type BatcherOptions } from './batcher.js';
import { Unavailable } from './unavailable.js';

interface Flush {
  readonly key: string;
  readonly items: readonly number[];
  end(): void;
}

/** A batcher of numbers that doubles them, and its flushes so far; each continues when the test ends it. */
function held(options: Omit<BatcherOptions<number, number>, 'flush'> = {}) {
  const flushes: Flush[] = [];
  const batcher = new Batcher<number, number>({
    ...options,
    flush: (items, key) =>
      new Promise((resolve) => flushes.push({ key, items, end: () => resolve(items.map((item) => item * 2)) })),
  });
  return { batcher, flushes };
}

/** The same, with flushes that end at once. */
function doubling(options: Omit<BatcherOptions<number, number>, 'flush'> = {}) {
  const batches: (readonly number[])[] = [];
  const batcher = new Batcher<number, number>({
    ...options,
    flush: async (items) => {
      batches.push(items);
      return items.map((item) => item * 2);
    },
  });
  return { batcher, batches };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('a batcher', () => {
  it('flushes the items of one turn of the event loop together and gives each its own result', async () => {
    const { batcher, batches } = doubling();
    expect(await Promise.all([batcher.add(1), batcher.add(2)])).toEqual([2, 4]);
    expect(await batcher.add(3)).toBe(6);
    expect(batches).toEqual([[1, 2], [3]]);
  });

  it('flushes a full batch at once', async () => {
    const { batcher, batches } = doubling({ waitMs: 60_000, maxItems: 2 });
    await Promise.all([1, 2, 3, 4].map((item) => batcher.add(item)));
    expect(batches).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  it('waits for further items for the configured time', async () => {
    const { batcher, batches } = doubling({ waitMs: 20 });
    const first = batcher.add(1);
    await turn();
    await Promise.all([first, batcher.add(2)]);
    expect(batches).toEqual([[1, 2]]);
  });

  it('keeps keys apart', async () => {
    const { batcher, flushes } = held();
    void batcher.add(1, 'a');
    void batcher.add(2, 'b');
    void batcher.add(3, 'a');
    await turn();
    expect(flushes.map(({ key, items }) => [key, items])).toEqual([
      ['a', [1, 3]],
      ['b', [2]],
    ]);
  });

  it('rejects every item of a batch that failed', async () => {
    let fails = true;
    const batcher = new Batcher<number>({ flush: () => (fails ? Promise.reject(new Error('no')) : Promise.resolve()) });
    const outcomes = await Promise.allSettled([batcher.add(1), batcher.add(2)]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    fails = false;
    expect(await batcher.add(3)).toBeUndefined();
  });

  it('has batches under way side by side, unless it is serial', async () => {
    const parallel = held();
    void parallel.batcher.add(1);
    await turn();
    void parallel.batcher.add(2);
    await turn();
    expect(parallel.flushes).toHaveLength(2);

    const serial = held({ serial: true, maxItems: 2 });
    const added = [serial.batcher.add(1)];
    await turn();
    added.push(serial.batcher.add(2), serial.batcher.add(3), serial.batcher.add(4));
    await turn();
    expect(serial.flushes.map(({ items }) => items)).toEqual([[1]]);
    serial.flushes[0]!.end();
    await turn();
    expect(serial.flushes.map(({ items }) => items)).toEqual([[1], [2, 3]]);
    serial.flushes[1]!.end();
    await turn();
    await turn();
    serial.flushes[2]!.end();
    expect(await Promise.all(added)).toEqual([2, 4, 6, 8]);
  });

  it('refuses an item while too many wait', async () => {
    const { batcher } = doubling({ maxWaiting: 2 });
    const added = [batcher.add(1), batcher.add(2)];
    await expect(batcher.add(3)).rejects.toBeInstanceOf(Unavailable);
    await Promise.all(added);
    expect(await batcher.add(4)).toBe(8);
  });

  it('flushes everything that waits when it is closed', async () => {
    const { batcher, flushes } = held({ waitMs: 60_000, serial: true });
    void batcher.add(1);
    const closed = batcher.close();
    expect(flushes.map(({ items }) => items)).toEqual([[1]]);
    await expect(batcher.add(2)).rejects.toBeInstanceOf(Unavailable);
    let ended = false;
    void closed.then(() => (ended = true));
    await turn();
    expect(ended).toBe(false);
    flushes[0]!.end();
    await closed;
  });

  it('flushes items held back by a serial batch when it is closed', async () => {
    const { batcher, flushes } = held({ serial: true });
    const added = [batcher.add(1)];
    await turn();
    added.push(batcher.add(2));
    const closed = batcher.close();
    flushes[0]!.end();
    await turn();
    flushes[1]!.end();
    await closed;
    expect(await Promise.all(added)).toEqual([2, 4]);
  });
});
