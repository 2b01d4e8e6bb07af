import { describe, expect, it } from 'vitest';
import {
  alive,
  claimed,
  closed,
  dueAt,
  presenceOf,
  settle,
  stateOf,
  toldBy,
  unknown,
  type LiveState,
  type PresenceRecord,
  type PresenceTimes,
} from './record.js';

const rules: PresenceTimes = { leaseMs: 25_000, awayMs: 30_000, graceMs: 2_000, closedMs: 60_000, tellMs: 5_000 };
const start = 1_000_000;
const live = (
  record: PresenceRecord,
  connectionId: string,
  now: number,
  sign: { age?: number; beatAt?: number; state?: LiveState } = {},
) =>
  alive(
    record,
    { connectionId, age: sign.age ?? 0, beatAt: sign.beatAt ?? now - (sign.age ?? 0), state: sign.state },
    now,
    rules,
  );

describe('the state of a user', () => {
  it('is that of the strongest device: online, busy, away', () => {
    const away = live(unknown, 'phone', start, { state: 'away' });
    const busy = live(away, 'laptop', start, { state: 'busy' });
    const online = live(busy, 'desktop', start);
    expect([unknown, away, busy, online].map(stateOf)).toEqual(['offline', 'away', 'busy', 'online']);
  });

  it('is away after three missed heartbeats, and back with the next', () => {
    let record = live(unknown, 'phone', start, { state: 'busy' });
    record = live(record, 'phone', start + 20_000, { beatAt: start, age: 20_000 });
    expect(stateOf(settle(record, start + 29_999))).toBe('busy');
    record = settle(record, start + 30_000);
    expect(stateOf(record)).toBe('away');
    expect(stateOf(live(record, 'phone', start + 31_000, { beatAt: start, age: 31_000 }))).toBe('away');
    expect(stateOf(live(record, 'phone', start + 31_000))).toBe('busy');
  });

  it('counts how long ago the client gave a sign, whatever the clock of its gateway says', () => {
    const hourAhead = 3_600_000;
    const record = live(unknown, 'phone', start, { beatAt: start + hourAhead - 10_000, age: 10_000 });
    expect(dueAt(record)).toBe(start + 20_000);
  });

  it('takes the newer of two renewals that overtook each other', () => {
    const newer = live(unknown, 'phone', start, { beatAt: 200, state: 'busy' });
    expect(stateOf(live(newer, 'phone', start + 1, { beatAt: 100, age: 100, state: 'online' }))).toBe('busy');
  });

  it('is offline when no device was renewed for a lease, with the time of the last sign of life', () => {
    let record = live(unknown, 'phone', start);
    record = live(record, 'phone', start + 8_000);
    expect(stateOf(settle(record, start + 32_999))).toBe('online');
    record = settle(record, start + 33_000);
    expect(presenceOf('ann', record)).toEqual({
      userId: 'ann',
      state: 'offline',
      lastSeenAt: new Date(start + 8_000).toISOString(),
    });
    expect(dueAt(record)).toBeUndefined();
  });

  it('says nothing of when somebody was seen who never was', () => {
    expect(presenceOf('ann', unknown)).toEqual({ userId: 'ann', state: 'offline' });
  });
});

describe('a clean close', () => {
  const opened = live(unknown, 'one', start);

  it('shows after a moment', () => {
    const record = closed(opened, 'one', start + 100, rules);
    expect([stateOf(settle(record, start + 2_099)), stateOf(settle(record, start + 2_100))]).toEqual([
      'online',
      'offline',
    ]);
    expect(dueAt(record)).toBe(start + 2_100);
  });

  it('does not show when the client comes back within that moment', () => {
    const back = live(closed(opened, 'one', start, rules), 'two', start + 1_500);
    expect(stateOf(settle(back, start + 2_000))).toBe('online');
  });

  it('is final: an opening or a renewal that comes later means nothing', () => {
    const record = settle(closed(opened, 'one', start, rules), start + 3_000);
    expect(stateOf(live(record, 'one', start + 4_000))).toBe('offline');
    const closedFirst = closed(unknown, 'one', start, rules);
    expect(stateOf(live(closedFirst, 'one', start + 10))).toBe('offline');
  });

  it('is not prolonged by a second one, and forgotten in time; only so many are remembered', () => {
    let record = closed(opened, 'one', start, rules);
    expect(closed(record, 'one', start + 1_000, rules)).toBe(record);
    expect(settle(record, start + 60_000).closed).toEqual({});
    for (let i = 0; i < 100; i++) record = closed(record, `connection-${i}`, start, rules);
    expect(Object.keys(record.closed)).toHaveLength(32);
    expect(record.closed).toHaveProperty('connection-99');
  });
});

describe('while leases are held, because nobody listened', () => {
  const late = start + 60_000;

  it('no lease ends and nobody becomes idle, for that much longer', () => {
    const record = settle(live(unknown, 'one', start), late, 10_000);
    expect(stateOf(record)).toBe('online');
    expect(dueAt(record)).toBe(late + 10_000);
    expect(stateOf(settle(record, late + 10_000))).toBe('offline');
  });

  it('what was closed in order ends all the same', () => {
    expect(stateOf(settle(closed(live(unknown, 'one', start), 'one', start, rules), late, 10_000))).toBe('offline');
  });
});

describe('telling', () => {
  const online = live(unknown, 'one', start);
  const mine = claimed(online, 'me', start, rules);

  it('belongs to one at a time, for a while', () => {
    expect(mine.telling?.token).toBe('me');
    expect(claimed(mine, 'you', start + 4_999, rules)).toBe(mine);
    expect(claimed(mine, 'you', start + 5_000, rules).telling?.token).toBe('you');
    expect(dueAt(mine)).toBe(start + 5_000);
  });

  it('ends with what was told, and goes on when that is not the state any more', () => {
    const done = toldBy(mine, 'me', 'online', start, rules);
    expect(done).toMatchObject({ told: 'online' });
    expect(done.telling).toBeUndefined();
    const meanwhile = live(mine, 'one', start + 1, { state: 'busy' });
    expect(toldBy(meanwhile, 'me', 'online', start + 2, rules)).toMatchObject({
      told: 'online',
      telling: { token: 'me' },
    });
    expect(toldBy(mine, 'you', 'online', start, rules)).toBe(mine);
  });

  it('is not needed when nothing changed', () => {
    const told = toldBy(mine, 'me', 'online', start, rules);
    expect(claimed(told, 'me', start, rules)).toBe(told);
  });
});
