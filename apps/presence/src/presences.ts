import { Injectable } from '@nestjs/common';
import { Broker } from '@parley/broker';
import { newId, type DomainEvent, type Presence } from '@parley/contracts';
import { Logger, Unavailable } from '@parley/service-kit';
import {
  announcedBy,
  claimAnnouncement,
  emptyRecord,
  passTime,
  presenceOf,
  stateOf,
  withClose,
  withSign,
  type PresenceRecord,
  type Sign,
} from './record.js';
import { PresenceSettings } from './settings.js';
import { PresenceStore, type RecordUpdate } from './store/store.js';

type Renewed = DomainEvent<'connections.renewed.v1'>;
type Opened = DomainEvent<'connection.opened.v1'>;

const SWEEP_LIMIT = 1_600;
/** A sweep continues while its rounds are at least this full: a bucket of the store may hold more than its share. */
const MIN_FULL_ROUND = SWEEP_LIMIT / 16;
const MAX_SWEEP_ROUNDS = 50;
const CONCURRENT_ANNOUNCEMENTS = 100;

/**
 * Tracks presence. Every change of a user's state is announced once, in order, by the replica that made it: to the
 * gateways that watch the user, and as `presence.changed.v1`. A replica that dies while announcing is replaced after
 * `times.announceTimeoutMs`; watchers may then receive that change twice, but never miss it.
 */
@Injectable()
export class Presences {
  constructor(
    private readonly broker: Broker,
    private readonly store: PresenceStore,
    private readonly settings: PresenceSettings,
    private readonly logger: Logger,
  ) {}

  opened({ connectionId, userId, at }: Opened): Promise<void> {
    return this.change([userId], (record, now) =>
      withSign(record, { connectionId, ageMs: 0, beatAt: at }, now, this.settings.times),
    );
  }

  closed({ connectionId, userId }: Opened): Promise<void> {
    return this.change([userId], (record, now) => withClose(record, connectionId, now, this.settings.times));
  }

  renewed({ at, connections }: Renewed): Promise<void> {
    const byUser = Map.groupBy(connections, ({ userId }) => userId);
    return this.change([...byUser.keys()], (record, now, userId) =>
      byUser
        .get(userId)!
        .reduce((next, connection) => withSign(next, signOf(connection, at ?? now), now, this.settings.times), record),
    );
  }

  /**
   * Rejects with {@link Unavailable} when the store has lost its data recently and one of the users is not known again yet.
   */
  async get(userIds: readonly string[]): Promise<Presence[]> {
    const { records, complete } = await this.store.read(userIds);
    if (!complete && records.size < new Set(userIds).size)
      throw new Unavailable('presence lost its data and is waiting for the gateways to renew them');
    return userIds.map((userId) => presenceOf(userId, records.get(userId) ?? emptyRecord));
  }

  /**
   * Subscribes a gateway to `add`, and returns their presence. The gateway receives every change since then, also if
   * this rejects (see {@link get}).
   */
  async watch(gatewayId: string, add: readonly string[], remove: readonly string[]): Promise<Presence[]> {
    await this.store.unwatch(gatewayId, remove);
    await this.store.watch(gatewayId, add);
    return add.length === 0 ? [] : this.get(add);
  }

  /**
   * Applies the passage of time to every user for whom it changes something. Several replicas may sweep at the same time.
   */
  async sweep(): Promise<void> {
    for (let size = SWEEP_LIMIT, rounds = 0; size >= MIN_FULL_ROUND && rounds < MAX_SWEEP_ROUNDS; rounds++) {
      const { userIds, held } = await this.store.due(SWEEP_LIMIT);
      size = userIds.length;
      const heldMs = held ? this.settings.holdMs : 0;
      if (size > 0) await this.change(userIds, (record, now) => passTime(record, now, heldMs));
    }
  }

  /** Changes records and announces the resulting changes of state. */
  private async change(userIds: readonly string[], change: RecordUpdate): Promise<void> {
    const token = newId();
    const changed = await this.store.update(userIds, (record, now, userId) =>
      claimAnnouncement(change(record, now, userId), token, now, this.settings.times),
    );
    await this.announceAll(claimedBy(token, changed), token);
  }

  private async announceAll(records: readonly [string, PresenceRecord][], token: string): Promise<void> {
    let remaining = records;
    while (remaining.length > 0) {
      const changedAgain: [string, PresenceRecord][] = [];
      for (let at = 0; at < remaining.length; at += CONCURRENT_ANNOUNCEMENTS)
        changedAgain.push(...(await this.announceSome(remaining.slice(at, at + CONCURRENT_ANNOUNCEMENTS), token)));
      remaining = changedAgain;
    }
  }

  /**
   * Returns the records whose state changed again meanwhile. A change that could not be announced stays due, and the
   * sweep announces it.
   */
  private async announceSome(
    records: readonly [string, PresenceRecord][],
    token: string,
  ): Promise<[string, PresenceRecord][]> {
    const watchers = await this.store.watchers(records.map(([userId]) => userId));
    const results = await Promise.allSettled(
      records.map(([userId, record]) => this.announce(presenceOf(userId, record), watchers.get(userId) ?? [])),
    );
    const announced = new Map(records.filter((_, i) => results[i]!.status === 'fulfilled'));
    const failure = results.find((result) => result.status === 'rejected')?.reason as unknown;
    if (failure !== undefined && !(failure instanceof Unavailable)) throw failure;
    if (failure !== undefined)
      this.logger.warn(
        { reason: failure.message, count: records.length - announced.size },
        'changes of presence could not be announced yet',
      );
    if (announced.size === 0) return [];
    const after = await this.store.update([...announced.keys()], (record, now, userId) =>
      announcedBy(record, token, stateOf(announced.get(userId)!), now, this.settings.times),
    );
    return claimedBy(token, after);
  }

  private async announce(presence: Presence, gateways: readonly string[]): Promise<void> {
    const frame = { kind: 'watchers', userId: presence.userId, event: 'presence:changed', payload: presence } as const;
    await Promise.all([
      this.broker.publish('presence.changed.v1', { presence }),
      ...gateways.map((gateway) => this.broker.push(gateway, frame)),
    ]);
  }
}

const claimedBy = (token: string, records: ReadonlyMap<string, PresenceRecord>): [string, PresenceRecord][] =>
  [...records].filter(([, { telling }]) => telling?.token === token);

/** `at` and `beatAt` are of the same clock, so their difference is right however wrong that clock is. */
const signOf = ({ connectionId, beatAt, state }: Renewed['connections'][number], at: number): Sign => ({
  connectionId,
  beatAt,
  ageMs: Math.max(0, at - beatAt),
  state,
});
