import { describe, expect, it } from 'vitest';
import {
  withSign,
  claimAnnouncement,
  withClose,
  dueAt,
  presenceOf,
  passTime,
  stateOf,
  announcedBy,
  emptyRecord,
  type LiveState,
  type PresenceRecord,
  type PresenceTimes,
} from './record.js';

const rules: PresenceTimes = {
  leaseMs: 25_000,
  awayMs: 30_000,
  graceMs: 2_000,
  closedMs: 60_000,
  announceTimeoutMs: 5_000,
};
const start = 1_000_000;
const live = (
  record: PresenceRecord,
  connectionId: string,
  now: number,
  sign: { age?: number; beatAt?: number; state?: LiveState } = {},
) =>
  withSign(
    record,
    { connectionId, ageMs: sign.age ?? 0, beatAt: sign.beatAt ?? now - (sign.age ?? 0), state: sign.state },
    now,
    rules,
  );

describe('the state of a user', () => {
  it('is that of the strongest device: online, busy, away', () => {
    const away = live(emptyRecord, 'phone', start, { state: 'away' });
    const busy = live(away, 'laptop', start, { state: 'busy' });
    const online = live(busy, 'desktop', start);
    expect([emptyRecord, away, busy, online].map(stateOf)).toEqual(['offline', 'away', 'busy', 'online']);
  });

  it('is away after three missed heartbeats and returns with the next one', () => {
    let record = live(emptyRecord, 'phone', start, { state: 'busy' });
    record = live(record, 'phone', start + 20_000, { beatAt: start, age: 20_000 });
    expect(stateOf(passTime(record, start + 29_999))).toBe('busy');
    record = passTime(record, start + 30_000);
    expect(stateOf(record)).toBe('away');
    expect(stateOf(live(record, 'phone', start + 31_000, { beatAt: start, age: 31_000 }))).toBe('away');
    expect(stateOf(live(record, 'phone', start + 31_000))).toBe('busy');
  });

  it('counts from the age of the last heartbeat, independent of the gateway’s clock', () => {
    const hourAhead = 3_600_000;
    const record = live(emptyRecord, 'phone', start, { beatAt: start + hourAhead - 10_000, age: 10_000 });
    expect(dueAt(record)).toBe(start + 20_000);
  });

  it('takes the newer of two renewals that overtook each other', () => {
    const newer = live(emptyRecord, 'phone', start, { beatAt: 200, state: 'busy' });
    expect(stateOf(live(newer, 'phone', start + 1, { beatAt: 100, age: 100, state: 'online' }))).toBe('busy');
  });

  it('is offline with the time of the last renewal when no device was renewed within a lease', () => {
    let record = live(emptyRecord, 'phone', start);
    record = live(record, 'phone', start + 8_000);
    expect(stateOf(passTime(record, start + 32_999))).toBe('online');
    record = passTime(record, start + 33_000);
    expect(presenceOf('ann', record)).toEqual({
      userId: 'ann',
      state: 'offline',
      lastSeenAt: new Date(start + 8_000).toISOString(),
    });
    expect(dueAt(record)).toBeUndefined();
  });

  it('has no lastSeenAt for a user who was never online', () => {
    expect(presenceOf('ann', emptyRecord)).toEqual({ userId: 'ann', state: 'offline' });
  });
});

describe('a clean close', () => {
  const opened = live(emptyRecord, 'one', start);

  it('makes the user offline after the grace period', () => {
    const record = withClose(opened, 'one', start + 100, rules);
    expect([stateOf(passTime(record, start + 2_099)), stateOf(passTime(record, start + 2_100))]).toEqual([
      'online',
      'offline',
    ]);
    expect(dueAt(record)).toBe(start + 2_100);
  });

  it('changes nothing when the client reconnects within the grace period', () => {
    const back = live(withClose(opened, 'one', start, rules), 'two', start + 1_500);
    expect(stateOf(passTime(back, start + 2_000))).toBe('online');
  });

  it('is final: later openings and renewals of that connection are ignored', () => {
    const record = passTime(withClose(opened, 'one', start, rules), start + 3_000);
    expect(stateOf(live(record, 'one', start + 4_000))).toBe('offline');
    const closedFirst = withClose(emptyRecord, 'one', start, rules);
    expect(stateOf(live(closedFirst, 'one', start + 10))).toBe('offline');
  });

  it('is not extended by a second one', () => {
    let record = withClose(opened, 'one', start, rules);
    expect(withClose(record, 'one', start + 1_000, rules)).toBe(record);
    expect(passTime(record, start + 60_000).closed).toEqual({});
    for (let i = 0; i < 100; i++) record = withClose(record, `connection-${i}`, start, rules);
    expect(Object.keys(record.closed)).toHaveLength(32);
    expect(record.closed).toHaveProperty('connection-99');
  });
});

describe('while leases are held', () => {
  const late = start + 60_000;

  it('no lease ends and no client becomes idle until the hold is over', () => {
    const record = passTime(live(emptyRecord, 'one', start), late, 10_000);
    expect(stateOf(record)).toBe('online');
    expect(dueAt(record)).toBe(late + 10_000);
    expect(stateOf(passTime(record, late + 10_000))).toBe('offline');
  });

  it('a cleanly closed connection ends all the same', () => {
    expect(stateOf(passTime(withClose(live(emptyRecord, 'one', start), 'one', start, rules), late, 10_000))).toBe(
      'offline',
    );
  });
});

describe('an announcement', () => {
  const online = live(emptyRecord, 'one', start);
  const mine = claimAnnouncement(online, 'me', start, rules);

  it('belongs to one replica at a time, until its timeout', () => {
    expect(mine.telling?.token).toBe('me');
    expect(claimAnnouncement(mine, 'you', start + 4_999, rules)).toBe(mine);
    expect(claimAnnouncement(mine, 'you', start + 5_000, rules).telling?.token).toBe('you');
    expect(dueAt(mine)).toBe(start + 5_000);
  });

  it('continues when the state has changed meanwhile', () => {
    const done = announcedBy(mine, 'me', 'online', start, rules);
    expect(done).toMatchObject({ told: 'online' });
    expect(done.telling).toBeUndefined();
    const meanwhile = live(mine, 'one', start + 1, { state: 'busy' });
    expect(announcedBy(meanwhile, 'me', 'online', start + 2, rules)).toMatchObject({
      told: 'online',
      telling: { token: 'me' },
    });
    expect(announcedBy(mine, 'you', 'online', start, rules)).toBe(mine);
  });

  it('is not needed when nothing changed', () => {
    const announced = announcedBy(mine, 'me', 'online', start, rules);
    expect(claimAnnouncement(announced, 'me', start, rules)).toBe(announced);
  });
});
