import { times } from '@parley/contracts';
import { dueAt, emptyRecord, type PresenceRecord } from '../record.js';
import { storeTimes, type RecordUpdate, type PresenceStore, type StoreOptions } from './store.js';

/** Maximum number of remembered users; beyond that, the users offline longest are forgotten. */
const MAX_USERS = 200_000;

/** The store of a single process. */
export function createMemoryStore(options: StoreOptions = {}): PresenceStore {
  return new MemoryStore(options);
}

class MemoryStore implements PresenceStore {
  readonly problem = undefined;
  private readonly records = new Map<string, PresenceRecord>();
  /** When each user is due next. */
  private readonly dueTimes = new Map<string, number>();
  /** For each user: the gateways that subscribe, and until when. */
  private readonly subscriptions = new Map<string, Map<string, number>>();
  private readonly unsweptMs: number;
  private readonly holdMs: number;
  private readonly watchMs: number;
  private askedAt = Number.NEGATIVE_INFINITY;
  private heldUntil = 0;

  constructor({ unsweptMs = storeTimes.unsweptMs, holdMs = storeTimes.holdMs, watchMs = times.leaseMs }: StoreOptions) {
    this.unsweptMs = unsweptMs;
    this.holdMs = holdMs;
    this.watchMs = watchMs;
  }

  async update(userIds: readonly string[], change: RecordUpdate): Promise<ReadonlyMap<string, PresenceRecord>> {
    const now = Date.now();
    const updated = new Map<string, PresenceRecord>();
    for (const userId of userIds) {
      const before = updated.get(userId) ?? this.records.get(userId) ?? emptyRecord;
      const record = change(before, now, userId);
      updated.set(userId, record);
      if (record !== before) this.store(userId, record);
    }
    return updated;
  }

  async read(userIds: readonly string[]): Promise<{ records: ReadonlyMap<string, PresenceRecord>; complete: boolean }> {
    const records = new Map<string, PresenceRecord>();
    for (const userId of userIds) {
      const record = this.records.get(userId);
      if (record) records.set(userId, record);
    }
    return { records, complete: true };
  }

  async due(limit: number): Promise<{ userIds: readonly string[]; held: boolean }> {
    const now = Date.now();
    if (now - this.askedAt > this.unsweptMs) this.heldUntil = now + this.holdMs;
    this.askedAt = now;
    const userIds: string[] = [];
    for (const [userId, dueTime] of this.dueTimes) {
      if (dueTime <= now) userIds.push(userId);
      if (userIds.length >= limit) break;
    }
    return { userIds, held: now < this.heldUntil };
  }

  async watch(gatewayId: string, userIds: readonly string[]): Promise<void> {
    const until = Date.now() + this.watchMs;
    for (const userId of userIds) {
      const gateways = this.subscriptions.get(userId);
      if (gateways) gateways.set(gatewayId, until);
      else this.subscriptions.set(userId, new Map([[gatewayId, until]]));
    }
  }

  async unwatch(gatewayId: string, userIds: readonly string[]): Promise<void> {
    for (const userId of userIds) this.unsubscribe(userId, gatewayId);
  }

  async watchers(userIds: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
    const now = Date.now();
    const watchers = new Map<string, readonly string[]>();
    for (const userId of userIds) {
      for (const [gatewayId, until] of this.subscriptions.get(userId) ?? [])
        if (until <= now) this.unsubscribe(userId, gatewayId);
      const gateways = this.subscriptions.get(userId);
      if (gateways) watchers.set(userId, [...gateways.keys()]);
    }
    return watchers;
  }

  async close(): Promise<void> {}

  private store(userId: string, record: PresenceRecord): void {
    // Deleted first, so that it comes last and users that are offline longest come first.
    this.records.delete(userId);
    this.records.set(userId, record);
    const dueTime = dueAt(record);
    if (dueTime === undefined) this.dueTimes.delete(userId);
    else this.dueTimes.set(userId, dueTime);
    if (this.records.size > MAX_USERS) this.forgetOldest();
  }

  /** A user without a due time is offline. */
  private forgetOldest(): void {
    for (const userId of this.records.keys()) if (!this.dueTimes.has(userId)) return void this.records.delete(userId);
  }

  private unsubscribe(userId: string, gatewayId: string): void {
    const gateways = this.subscriptions.get(userId);
    if (gateways?.delete(gatewayId) && gateways.size === 0) this.subscriptions.delete(userId);
  }
}
