import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ServerClock } from './server-clock.js';

beforeEach(() => void vi.useFakeTimers({ now: Date.parse('2026-01-01T00:00:00.000Z') }));
afterEach(() => void vi.useRealTimers());

it('is the device’s time until the server tells its own', () => {
  expect(new ServerClock().now()).toBe(Date.now());
});

it('goes on from what the server told, also when somebody sets the device’s clock', () => {
  const clock = new ServerClock();
  clock.set('2026-01-01T03:00:00.000Z', 200);
  vi.advanceTimersByTime(5_000);
  vi.setSystemTime(0);
  expect(new Date(clock.now()).toISOString()).toBe('2026-01-01T03:00:05.100Z');
});

it('ignores what is no time', () => {
  const clock = new ServerClock();
  clock.set('soon');
  expect(clock.now()).toBe(Date.now());
});
