import { Inject, Injectable } from '@nestjs/common';
import { newId, type DomainEvent, type Presence } from '@parley/contracts';
import { without } from '@parley/faults';
import { Unavailable } from '@parley/service-kit';
import { PARTS, type PresenceParts } from './parts.js';
import {
  alive,
  claimed,
  closed,
  presenceOf,
  settle,
  stateOf,
  toldBy,
  unknown,
  type PresenceRecord,
  type Sign,
} from './record.js';
import type { Change } from './store/store.js';

type Renewed = DomainEvent<'connections.renewed.v1'>;
type Opened = DomainEvent<'connection.opened.v1'>;

const SWEEP_LIMIT = 1_600;
const TELL_AT_ONCE = 100;

/**
 * Who is here. Every change of a user's state is told once, in order, by whichever replica made it: to the gateways that watch, and as `presence.changed.v1`. A replica
 * that dies while telling is replaced after `times.tellMs`; watchers may hear that change twice, but never miss it.
 */
@Injectable()
export class Presences {
  constructor(@Inject(PARTS) private readonly parts: PresenceParts) {}

  opened({ connectionId, userId, at }: Opened): Promise<void> {
    return this.change([userId], (record, now) =>
      alive(record, { connectionId, age: 0, beatAt: at }, now, this.parts.times),
    );
  }

  closed({ connectionId, userId }: Opened): Promise<void> {
    return this.change([userId], (record, now) => closed(record, connectionId, now, this.parts.times));
  }

  renewed({ at, connections }: Renewed): Promise<void> {
    const signs = Map.groupBy(connections, ({ userId }) => userId);
    return this.change([...signs.keys()], (record, now, userId) =>
      signs.get(userId)!.reduce((next, sign) => alive(next, signOf(sign, at ?? now), now, this.parts.times), record),
    );
  }

  /** Rejects with {@link Unavailable} when it lost its data lately and does not know again yet whether one of them is here. */
  async get(userIds: readonly string[]): Promise<Presence[]> {
    const { records, whole } = await this.parts.store.read(userIds);
    if (!whole && records.size < new Set(userIds).size)
      throw new Unavailable('presence lost its data and is waiting for the gateways to renew them');
    return userIds.map((userId) => presenceOf(userId, records.get(userId) ?? unknown));
  }

  /** A gateway hears of every change from before the answer's state on, also when there is no answer yet (see {@link get}). */
  async watch(gatewayId: string, add: readonly string[], remove: readonly string[]): Promise<Presence[]> {
    await this.parts.store.unwatch(gatewayId, remove);
    await this.parts.store.watch(gatewayId, add);
    return add.length === 0 ? [] : this.get(add);
  }

  /** Lets time pass for everybody for whom it changes something. Several replicas may do so at a time. */
  async sweep(): Promise<void> {
    if (without('leases')) return;
    const { store, holdMs } = this.parts;
    for (let size = SWEEP_LIMIT, rounds = 0; size >= SWEEP_LIMIT / 16 && rounds < 50; rounds++) {
      const { userIds, held } = await store.due(SWEEP_LIMIT);
      size = userIds.length;
      if (size > 0) await this.change(userIds, (record, now) => settle(record, now, held ? holdMs : 0));
    }
  }

  /** Changes records, and tells what that made of their users. */
  private async change(userIds: readonly string[], change: Change): Promise<void> {
    const token = newId();
    const after = await this.parts.store.update(userIds, (record, now, userId) =>
      claimed(change(record, now, userId), token, now, this.parts.times),
    );
    await this.tell(mine(after, token), token);
  }

  private async tell(records: readonly [string, PresenceRecord][], token: string): Promise<void> {
    let open = records;
    while (open.length > 0) {
      const next: [string, PresenceRecord][] = [];
      for (let at = 0; at < open.length; at += TELL_AT_ONCE)
        next.push(...(await this.tellSome(open.slice(at, at + TELL_AT_ONCE), token)));
      open = next;
    }
  }

  /** Answers those whose state changed again meanwhile. What could not be told stays due, and the sweep tells it. */
  private async tellSome(
    records: readonly [string, PresenceRecord][],
    token: string,
  ): Promise<[string, PresenceRecord][]> {
    const { store, logger } = this.parts;
    const watchers = await store.watchers(records.map(([userId]) => userId));
    const outcomes = await Promise.allSettled(
      records.map(([userId, record]) => this.announce(presenceOf(userId, record), watchers.get(userId) ?? [])),
    );
    const told = new Map(records.filter((_, i) => outcomes[i]!.status === 'fulfilled'));
    const failure = outcomes.find((outcome) => outcome.status === 'rejected')?.reason as unknown;
    if (failure !== undefined && !(failure instanceof Unavailable)) throw failure;
    if (failure !== undefined)
      logger.warn(
        { reason: failure.message, count: records.length - told.size },
        'changes of presence could not be told yet',
      );
    if (told.size === 0) return [];
    return mine(
      await store.update([...told.keys()], (record, now, userId) =>
        toldBy(record, token, stateOf(told.get(userId)!), now, this.parts.times),
      ),
      token,
    );
  }

  private async announce(presence: Presence, gateways: readonly string[]): Promise<void> {
    const { broker } = this.parts;
    const frame = { kind: 'watchers', userId: presence.userId, event: 'presence:changed', payload: presence } as const;
    await Promise.all([
      broker.publish('presence.changed.v1', { presence }),
      ...gateways.map((gateway) => broker.push(gateway, frame)),
    ]);
  }
}

const mine = (records: ReadonlyMap<string, PresenceRecord>, token: string): [string, PresenceRecord][] =>
  [...records].filter(([, { telling }]) => telling?.token === token);

/** `at` and `beatAt` are read on the same clock, so that their difference is right however wrong that clock is. */
const signOf = ({ connectionId, beatAt, state }: Renewed['connections'][number], at: number): Sign => ({
  connectionId,
  beatAt,
  age: Math.max(0, at - beatAt),
  state,
});
