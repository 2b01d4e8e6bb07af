import { times } from '@parley/contracts';
import { dueAt, unknown, type PresenceRecord } from '../record.js';
import { storeTimes, type Change, type PresenceStore, type StoreOptions } from './store.js';

/** Users that are offline are forgotten when there are more than this. */
const MOST_USERS = 200_000;

/** The store of a single process. */
export function createMemoryStore(options: StoreOptions = {}): PresenceStore {
  return new MemoryStore(options);
}

class MemoryStore implements PresenceStore {
  readonly problem = undefined;
  private readonly records = new Map<string, PresenceRecord>();
  private readonly moments = new Map<string, number>();
  private readonly wishes = new Map<string, Map<string, number>>();
  private readonly gapMs: number;
  private readonly holdMs: number;
  private readonly watchMs: number;
  private askedAt = Number.NEGATIVE_INFINITY;
  private heldUntil = 0;

  constructor({ gapMs = storeTimes.gapMs, holdMs = storeTimes.holdMs, watchMs = times.leaseMs }: StoreOptions) {
    this.gapMs = gapMs;
    this.holdMs = holdMs;
    this.watchMs = watchMs;
  }

  update(userIds: readonly string[], change: Change): Promise<ReadonlyMap<string, PresenceRecord>> {
    const now = Date.now();
    const after = new Map<string, PresenceRecord>();
    for (const userId of userIds) {
      const before = after.get(userId) ?? this.records.get(userId) ?? unknown;
      const record = change(before, now, userId);
      after.set(userId, record);
      if (record !== before) this.keep(userId, record);
    }
    return Promise.resolve(after);
  }

  read(userIds: readonly string[]): Promise<{ records: ReadonlyMap<string, PresenceRecord>; whole: boolean }> {
    const records = new Map(
      userIds.flatMap((userId) => (this.records.has(userId) ? [[userId, this.records.get(userId)!]] : [])),
    );
    return Promise.resolve({ records, whole: true });
  }

  due(limit: number): Promise<{ userIds: readonly string[]; held: boolean }> {
    const now = Date.now();
    if (now - this.askedAt > this.gapMs) this.heldUntil = now + this.holdMs;
    this.askedAt = now;
    const userIds: string[] = [];
    for (const [userId, moment] of this.moments) {
      if (moment <= now) userIds.push(userId);
      if (userIds.length >= limit) break;
    }
    return Promise.resolve({ userIds, held: now < this.heldUntil });
  }

  watch(gatewayId: string, userIds: readonly string[]): Promise<void> {
    const until = Date.now() + this.watchMs;
    for (const userId of userIds) {
      const wishes = this.wishes.get(userId);
      if (wishes) wishes.set(gatewayId, until);
      else this.wishes.set(userId, new Map([[gatewayId, until]]));
    }
    return Promise.resolve();
  }

  unwatch(gatewayId: string, userIds: readonly string[]): Promise<void> {
    for (const userId of userIds) this.drop(userId, gatewayId);
    return Promise.resolve();
  }

  watchers(userIds: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
    const now = Date.now();
    const watchers = new Map<string, readonly string[]>();
    for (const userId of userIds) {
      for (const [gatewayId, until] of this.wishes.get(userId) ?? []) if (until <= now) this.drop(userId, gatewayId);
      const wishes = this.wishes.get(userId);
      if (wishes) watchers.set(userId, [...wishes.keys()]);
    }
    return Promise.resolve(watchers);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private keep(userId: string, record: PresenceRecord): void {
    // Put last, so that those who were offline longest come first.
    this.records.delete(userId);
    this.records.set(userId, record);
    const moment = dueAt(record);
    if (moment === undefined) this.moments.delete(userId);
    else this.moments.set(userId, moment);
    if (this.records.size > MOST_USERS) this.forgetOne();
  }

  private forgetOne(): void {
    for (const userId of this.records.keys()) if (!this.moments.has(userId)) return void this.records.delete(userId);
  }

  private drop(userId: string, gatewayId: string): void {
    const wishes = this.wishes.get(userId);
    if (wishes?.delete(gatewayId) && wishes.size === 0) this.wishes.delete(userId);
  }
}
