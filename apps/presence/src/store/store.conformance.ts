import { newId } from '@parley/contracts';
import { eventually } from '@parley/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { emptyRecord, type PresenceRecord } from '../record.js';
import type { PresenceStore, StoreOptions } from './store.js';

const dueIn =
  (ms: number) =>
  (record: PresenceRecord, now: number): PresenceRecord => ({
    ...record,
    devices: {
      one: { leaseUntil: now + ms, aliveAt: now, beatAt: now, idleAt: now + ms, idle: true, state: 'online' },
    },
  });

/**
 * The guarantees of every store. `open` creates an empty one; with the same name, it shares the data if the store
 * supports that.
 */
export function storeConformance(open: (name: string, options?: StoreOptions) => Promise<PresenceStore>): void {
  const stores: PresenceStore[] = [];
  const fresh = async (options?: StoreOptions) => {
    const store = await open(newId(), options);
    stores.push(store);
    return store;
  };
  let store: PresenceStore;
  beforeAll(async () => {
    store = await fresh();
  });
  afterAll(() => Promise.all(stores.map((one) => one.close())));

  it('reads the records that were written and no others', async () => {
    const [ann, ben] = [newId(), newId()];
    const written = await store.update([ann], (record, now) => ({ ...record, lastSeenAt: now }));
    expect(written.get(ann)?.lastSeenAt).toBeGreaterThan(Date.now() - 60_000);
    expect(await store.read([ann, ben])).toEqual({ records: written, complete: true });
    expect(store.problem).toBeUndefined();
  });

  it('returns records of unknown users too, and stores nothing if a change returns the same record', async () => {
    const ann = newId();
    expect(await store.update([ann], (record) => record)).toEqual(new Map([[ann, emptyRecord]]));
    expect((await store.read([ann])).records).toEqual(new Map());
  });

  it('loses no change when many change the same record at the same time', async () => {
    const users = Array.from({ length: 20 }, () => newId());
    await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        store.update(users, (record) => ({ ...record, closed: { ...record.closed, [`c${i}`]: i } })),
      ),
    );
    for (const record of (await store.read(users)).records.values())
      expect(Object.keys(record.closed)).toHaveLength(10);
  });

  it('returns due users until an update, and never more than the limit', async () => {
    const own = await fresh();
    const [now, soon, never] = [newId(), newId(), newId()];
    await own.update([now], dueIn(-1));
    await own.update([soon], dueIn(150));
    await own.update([never], (record) => ({ ...record, lastSeenAt: 1 }));
    expect((await own.due(100)).userIds).toEqual([now]);
    await eventually(async () => expect((await own.due(100)).userIds.toSorted()).toEqual([now, soon].toSorted()));
    await own.update([now, soon], (record) => ({ ...record, devices: {} }));
    expect((await own.due(100)).userIds).toEqual([]);
    const many = Array.from({ length: 64 }, () => newId());
    await own.update(many, dueIn(-1));
    expect((await own.due(16)).userIds.length).toBeLessThanOrEqual(16);
  });

  it('holds leases for a while at first, and again after nobody has asked for a while', async () => {
    const own = await fresh({ unsweptMs: 300, holdMs: 200 });
    const held = async () => (await own.due(10)).held;
    expect(await held()).toBe(true);
    await eventually(async () => expect(await held()).toBe(false));
    expect(await held()).toBe(false);
    await eventually(held, { intervalMs: 400 });
    await eventually(async () => expect(await held()).toBe(false));
  });

  it('returns the gateways that watch each user', async () => {
    const [ann, ben, cat] = [newId(), newId(), newId()];
    await store.watch('g1', [ann, ben]);
    await store.watch('g2', [ann]);
    await store.watch('g2', []);
    await store.unwatch('g1', [ben, cat]);
    const watchers = await store.watchers([ann, ben, cat]);
    expect([...watchers.keys()]).toEqual([ann]);
    expect(watchers.get(ann)?.toSorted()).toEqual(['g1', 'g2']);
    expect(await store.watchers([])).toEqual(new Map());
  });

  it('forgets a subscription that is not repeated', async () => {
    const own = await fresh({ watchMs: 1000 });
    const ann = newId();
    await own.watch('g1', [ann]);
    const half = performance.now() + 500;
    await eventually(() => performance.now() > half);
    await own.watch('g2', [ann]);
    await eventually(async () => expect((await own.watchers([ann])).get(ann)).toEqual(['g2']), { timeoutMs: 2000 });
    await eventually(async () => expect(await own.watchers([ann])).toEqual(new Map()));
  });
}
