import { range } from '@parley/testing';
import { expect, it } from 'vitest';
import { CONNECT_TIMEOUT_MS, UnconnectedSessions } from './unconnected-sessions.js';

function open(sessions: UnconnectedSessions, key: string, count: number): object[] {
  return range(count).map(() => {
    const session = {};
    sessions.opened(session, key);
    return session;
  });
}

it('sessions that ask for no connection are bounded per address until their time is over', () => {
  let now = 0;
  const sessions = new UnconnectedSessions(1, () => now);
  const [first] = open(sessions, 'a', 99);
  expect(sessions.excess('a')).toBeUndefined();
  now = 1;
  open(sessions, 'a', 1);
  expect([sessions.excess('a'), sessions.excess('b')]).toEqual(['address', undefined]);
  sessions.asked(first!);
  sessions.asked(first!);
  expect(sessions.excess('a')).toBeUndefined();
  open(sessions, 'a', 1);
  expect(sessions.excess('a')).toBe('address');
  now = CONNECT_TIMEOUT_MS;
  expect(sessions.excess('a')).toBeUndefined();
  open(sessions, 'a', 98);
  expect(sessions.excess('a')).toBe('address');
});

it('sessions that ask for no connection are bounded over all addresses', () => {
  const sessions = new UnconnectedSessions();
  for (const n of range(100)) open(sessions, `${n}`, 100);
  expect(sessions.excess('another')).toBe('gateway');
});
