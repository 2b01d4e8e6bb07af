import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { UserLoader } from './user-loader.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('loads shown users again at most every 30 s', async () => {
  const requests: (readonly string[])[] = [];
  const shown = Array.from({ length: 120 }, (_, at) => `shown ${at}`);
  const people = new UserLoader(
    async (userIds) => (requests.push(userIds), []),
    () => undefined,
    () => shown,
  );
  people.want([...shown, 'hidden']);
  people.want(shown);
  await vi.advanceTimersByTimeAsync(100);
  expect(requests.splice(0)).toEqual([shown.slice(0, 100), [...shown.slice(100), 'hidden']]);
  for (let n = 0; n < 5; n++) people.renew();
  await vi.advanceTimersByTimeAsync(100);
  expect(requests.splice(0)).toEqual([shown.slice(0, 100), shown.slice(100)]);
  for (let n = 0; n < 5; n++) people.renew();
  await vi.advanceTimersByTimeAsync(29_000);
  expect(requests).toEqual([]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(requests.splice(0).flat()).toEqual(shown);
  people.renew();
  people.disconnected();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(requests).toEqual([]);
});
