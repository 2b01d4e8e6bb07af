import { times, type Presence, type PresenceState } from '@parley/contracts';

/** One connection of a user. Times are milliseconds on the store's clock unless stated otherwise. */
export interface ConnectionRecord {
  /** When it stops counting unless it is renewed. After a clean close: until when a reconnect is awaited. */
  readonly leaseUntil: number;
  /** When its gateway last reported it. */
  readonly aliveAt: number;
  /** When its client last sent a heartbeat, on the clock of its gateway. Orders renewals, which may overtake each other. */
  readonly beatAt: number;
  /** When it becomes idle unless its client sends another heartbeat. */
  readonly idleAt: number;
  readonly idle: boolean;
  readonly state: LiveState;
}
export type LiveState = Exclude<PresenceState, 'offline'>;

/** Everything known about one user. Never modified, only replaced. Stored as JSON, so the names are part of the format. */
export interface PresenceRecord {
  readonly devices: Readonly<Record<string, ConnectionRecord>>;
  /** Closed connections, and until when each is remembered: events about it that arrive later are ignored. */
  readonly closed: Readonly<Record<string, number>>;
  readonly lastSeenAt?: number;
  /** The state last announced to watchers. */
  readonly told: PresenceState;
  /** The replica that is announcing a change (by a token), and until when other replicas leave it to that one. */
  readonly telling?: { readonly token: string; readonly until: number };
}

export interface PresenceTimes {
  readonly leaseMs: number;
  /** Three missed heartbeats. */
  readonly awayMs: number;
  /**
   * A client that reconnects within this time of a clean close (a reload) stays online. Short enough for "offline shows
   * within 5 s".
   */
  readonly graceMs: number;
  /** Time for which a closed connection is remembered. */
  readonly closedMs: number;
  /** Time for a replica to announce a change before another one takes over. */
  readonly announceTimeoutMs: number;
}
export const presenceTimes: PresenceTimes = Object.freeze({
  leaseMs: times.leaseMs,
  awayMs: 3 * times.heartbeatMs,
  graceMs: 2_000,
  closedMs: 60_000,
  announceTimeoutMs: 5_000,
});
/** Maximum number of remembered closed connections of one user; beyond that, the oldest are forgotten. */
const MAX_CLOSED = 32;

export const emptyRecord: PresenceRecord = Object.freeze({ devices: {}, closed: {}, told: 'offline' });

/** A sign of life of a connection. */
export interface Sign {
  readonly connectionId: string;
  /** When the client sent its last heartbeat, on the clock of its gateway. */
  readonly beatAt: number;
  /** How long ago that was, in milliseconds. */
  readonly ageMs: number;
  readonly state?: LiveState | undefined;
}

/** A connection was opened or renewed. The two may arrive in any order. */
export function withSign(
  record: PresenceRecord,
  { connectionId, ageMs, beatAt, state }: Sign,
  now: number,
  { leaseMs, awayMs }: PresenceTimes,
): PresenceRecord {
  if (connectionId in record.closed) return record;
  const before = record.devices[connectionId];
  const lease = { leaseUntil: now + leaseMs, aliveAt: now };
  if (before && before.beatAt > beatAt) return withDevice(record, connectionId, { ...before, ...lease });
  const idleAt = Math.max(before?.idleAt ?? 0, now - ageMs + awayMs);
  return withDevice(record, connectionId, {
    ...lease,
    beatAt,
    idleAt,
    idle: idleAt <= now,
    state: state ?? before?.state ?? 'online',
  });
}

/** A connection was closed cleanly. It still counts for a moment, in which its client may reconnect. */
export function withClose(
  record: PresenceRecord,
  connectionId: string,
  now: number,
  { graceMs, closedMs }: PresenceTimes,
): PresenceRecord {
  if (connectionId in record.closed) return record;
  const newest = Object.entries(record.closed).slice(1 - MAX_CLOSED);
  const remembered = { ...record, closed: { ...Object.fromEntries(newest), [connectionId]: now + closedMs } };
  const device = record.devices[connectionId];
  if (!device) return remembered;
  return withDevice(remembered, connectionId, {
    ...device,
    aliveAt: now,
    leaseUntil: Math.min(device.leaseUntil, now + graceMs),
  });
}

/**
 * Applies the passage of time: ends leases, makes silent clients idle, forgets old closes. `heldMs` is positive when
 * nobody consumed renewals for a while: leases and idle times that ran out meanwhile are extended by it, because their
 * renewal may wait in the queue. Cleanly closed connections end all the same.
 */
export function passTime(record: PresenceRecord, now: number, heldMs = 0): PresenceRecord {
  const devices: Record<string, ConnectionRecord> = {};
  let { lastSeenAt } = record;
  for (const [connectionId, device] of Object.entries(record.devices)) {
    const ended = device.leaseUntil <= now;
    if (ended && (heldMs === 0 || connectionId in record.closed)) {
      lastSeenAt = Math.max(lastSeenAt ?? 0, device.aliveAt);
      continue;
    }
    const leaseUntil = ended ? now + heldMs : device.leaseUntil;
    if (device.idleAt > now) devices[connectionId] = { ...device, leaseUntil };
    else
      devices[connectionId] =
        heldMs === 0 ? { ...device, leaseUntil, idle: true } : { ...device, leaseUntil, idleAt: now + heldMs };
  }
  const closed = Object.fromEntries(Object.entries(record.closed).filter(([, until]) => until > now));
  return { ...record, devices, closed, ...(lastSeenAt === undefined ? {} : { lastSeenAt }) };
}

/** The strongest state of the user's devices. */
export function stateOf(record: PresenceRecord): PresenceState {
  let strongest: PresenceState = 'offline';
  for (const { idle, state } of Object.values(record.devices)) {
    const effective = idle ? 'away' : state;
    if (rank[effective] > rank[strongest]) strongest = effective;
  }
  return strongest;
}
const rank: Readonly<Record<PresenceState, number>> = { offline: 0, away: 1, busy: 2, online: 3 };

export function presenceOf(userId: string, record: PresenceRecord): Presence {
  const lastSeenAt = Object.values(record.devices).reduce(
    (latest, { aliveAt }) => Math.max(latest, aliveAt),
    record.lastSeenAt ?? 0,
  );
  const seen = lastSeenAt === 0 ? {} : { lastSeenAt: new Date(lastSeenAt).toISOString() };
  return { userId, state: stateOf(record), ...seen };
}

/** Assigns the announcement of a change to `token`, if there is one that no replica is announcing. */
export function claimAnnouncement(
  record: PresenceRecord,
  token: string,
  now: number,
  { announceTimeoutMs }: PresenceTimes,
): PresenceRecord {
  const changed = stateOf(record) !== record.told;
  if (record.telling ? record.telling.until > now : !changed) return record;
  const { telling: _, ...rest } = record;
  return !changed ? rest : { ...rest, telling: { token, until: now + announceTimeoutMs } };
}

/** `token` has announced `state`. A change that came meanwhile is the next one it announces. */
export function announcedBy(
  record: PresenceRecord,
  token: string,
  state: PresenceState,
  now: number,
  presenceTimes: PresenceTimes,
): PresenceRecord {
  if (record.telling?.token !== token) return record;
  const { telling: _, ...rest } = record;
  return claimAnnouncement({ ...rest, told: state }, token, now, presenceTimes);
}

/** When {@link passTime} or an announcement has something to do next; undefined when time changes nothing. */
export function dueAt(record: PresenceRecord): number | undefined {
  const moments = Object.values(record.devices).flatMap(({ leaseUntil, idle, idleAt }) =>
    idle ? [leaseUntil] : [leaseUntil, idleAt],
  );
  if (record.telling) moments.push(record.telling.until);
  return moments.length === 0 ? undefined : Math.min(...moments);
}

const withDevice = (record: PresenceRecord, connectionId: string, device: ConnectionRecord): PresenceRecord => ({
  ...record,
  devices: { ...record.devices, [connectionId]: device },
});
