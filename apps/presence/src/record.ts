import { times, type Presence, type PresenceState } from '@parley/contracts';

/** One connection of a user. Times are milliseconds on the store's clock, unless told. */
export interface Device {
  /** Until when it counts without being renewed; after a clean close, until when a reconnect is waited for. */
  readonly leaseUntil: number;
  /** When its gateway last said that it lives. */
  readonly aliveAt: number;
  /** When its client last gave a sign, on the clock of its gateway: orders renewals, which may overtake each other. */
  readonly beatAt: number;
  /** When it counts as away unless its client gives another sign, and whether that has come. */
  readonly idleAt: number;
  readonly idle: boolean;
  readonly state: LiveState;
}
export type LiveState = Exclude<PresenceState, 'offline'>;

/** What is known of one user. Never changed, only replaced. */
export interface PresenceRecord {
  readonly devices: Readonly<Record<string, Device>>;
  /** Connections that were closed, and until when that is remembered: what is told of them afterwards is late and means nothing. */
  readonly closed: Readonly<Record<string, number>>;
  readonly lastSeenAt?: number;
  /** What those who watch were told last. */
  readonly told: PresenceState;
  /** Who is telling them of a change, and until when others leave it to that one. */
  readonly telling?: { readonly token: string; readonly until: number };
}

export interface PresenceTimes {
  readonly leaseMs: number;
  /** Three missed heartbeats. */
  readonly awayMs: number;
  /** A client that comes back so soon after a clean close (a reload) was never away. Small enough for "offline shows within 5 s". */
  readonly graceMs: number;
  /** How long a closed connection is remembered as such. */
  readonly closedMs: number;
  /** How long a replica has to tell of a change before another does. */
  readonly tellMs: number;
}
export const presenceTimes: PresenceTimes = Object.freeze({
  leaseMs: times.leaseMs,
  awayMs: 3 * times.heartbeatMs,
  graceMs: 2_000,
  closedMs: 60_000,
  tellMs: 5_000,
});
/** The newest closures that are remembered of a user. */
const MOST_CLOSED = 32;

export const unknown: PresenceRecord = Object.freeze({ devices: {}, closed: {}, told: 'offline' });

export interface Sign {
  readonly connectionId: string;
  /** When the client gave a sign on the clock of its gateway, and how long ago that was. */
  readonly beatAt: number;
  readonly age: number;
  readonly state?: LiveState | undefined;
}

/** A connection lives: opened or renewed, in whatever order these arrive. */
export function alive(
  record: PresenceRecord,
  { connectionId, age, beatAt, state }: Sign,
  now: number,
  { leaseMs, awayMs }: PresenceTimes,
): PresenceRecord {
  if (connectionId in record.closed) return record;
  const known = record.devices[connectionId];
  const lease = { leaseUntil: now + leaseMs, aliveAt: now };
  if (known && known.beatAt > beatAt) return withDevice(record, connectionId, { ...known, ...lease });
  const idleAt = Math.max(known?.idleAt ?? 0, now - age + awayMs);
  return withDevice(record, connectionId, {
    ...lease,
    beatAt,
    idleAt,
    idle: idleAt <= now,
    state: state ?? known?.state ?? 'online',
  });
}

/** A connection was closed in order. It still counts for a moment, in which its client may come back. */
export function closed(
  record: PresenceRecord,
  connectionId: string,
  now: number,
  { graceMs, closedMs }: PresenceTimes,
): PresenceRecord {
  if (connectionId in record.closed) return record;
  const newest = Object.entries(record.closed).slice(1 - MOST_CLOSED);
  const remembered = { ...record, closed: { ...Object.fromEntries(newest), [connectionId]: now + closedMs } };
  const known = record.devices[connectionId];
  if (!known) return remembered;
  return withDevice(remembered, connectionId, {
    ...known,
    aliveAt: now,
    leaseUntil: Math.min(known.leaseUntil, now + graceMs),
  });
}

/**
 * Lets time pass: leases end, clients that gave no sign become idle, old closures are forgotten. With `heldMs`, nobody was listening for a while: what would have ended
 * meanwhile gets so much longer, because its renewal may lie unread in the queue. Only what was closed in order ends all the same.
 */
export function settle(record: PresenceRecord, now: number, heldMs = 0): PresenceRecord {
  const devices: Record<string, Device> = {};
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
  const stillClosed = Object.fromEntries(Object.entries(record.closed).filter(([, until]) => until > now));
  return { ...record, devices, closed: stillClosed, ...(lastSeenAt === undefined ? {} : { lastSeenAt }) };
}

/** The strongest of the user's devices. */
export function stateOf(record: PresenceRecord): PresenceState {
  let strongest: PresenceState = 'offline';
  for (const { idle, state } of Object.values(record.devices)) {
    const present = idle ? 'away' : state;
    if (rank[present] > rank[strongest]) strongest = present;
  }
  return strongest;
}
const rank: Readonly<Record<PresenceState, number>> = { offline: 0, away: 1, busy: 2, online: 3 };

export function presenceOf(userId: string, record: PresenceRecord): Presence {
  const seen = Object.values(record.devices).reduce(
    (latest, { aliveAt }) => Math.max(latest, aliveAt),
    record.lastSeenAt ?? 0,
  );
  return { userId, state: stateOf(record), ...(seen === 0 ? {} : { lastSeenAt: new Date(seen).toISOString() }) };
}

/** Gives the telling of a change to `token`, when there is one and nobody is at it. */
export function claimed(record: PresenceRecord, token: string, now: number, { tellMs }: PresenceTimes): PresenceRecord {
  const changed = stateOf(record) !== record.told;
  if (record.telling ? record.telling.until > now : !changed) return record;
  const { telling: _, ...rest } = record;
  return !changed ? rest : { ...rest, telling: { token, until: now + tellMs } };
}

/** `token` has told those who watch; a change that came meanwhile is its next to tell. */
export function toldBy(
  record: PresenceRecord,
  token: string,
  state: PresenceState,
  now: number,
  rules: PresenceTimes,
): PresenceRecord {
  if (record.telling?.token !== token) return record;
  const { telling: _, ...rest } = record;
  return claimed({ ...rest, told: state }, token, now, rules);
}

/** When {@link settle} or a telling has something to do next; undefined when time changes nothing. */
export function dueAt(record: PresenceRecord): number | undefined {
  const moments = Object.values(record.devices).flatMap(({ leaseUntil, idle, idleAt }) =>
    idle ? [leaseUntil] : [leaseUntil, idleAt],
  );
  if (record.telling) moments.push(record.telling.until);
  return moments.length === 0 ? undefined : Math.min(...moments);
}

const withDevice = (record: PresenceRecord, connectionId: string, device: Device): PresenceRecord => ({
  ...record,
  devices: { ...record.devices, [connectionId]: device },
});
