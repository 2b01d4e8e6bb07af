import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { conversation, user } from '../spec/fixtures.js';
import { ReceiptReporter } from './receipt-reporter.js';
import { Store } from './store.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('reports how far the user has read by the time of the report, not of its scheduling', async () => {
  const store = new Store({
    onIncomplete: () => undefined,
    onOwnMessage: () => undefined,
    onMessage: () => undefined,
    onPeople: () => undefined,
  });
  store.setOwn({ user: user('me') });
  for (const id of ['first', 'second']) store.applyWhole(conversation(1, { id, lastSeq: 2 }));
  const reported: [string, number][] = [];
  let answer = (): void => undefined;
  const reporter = new ReceiptReporter(store, {
    online: () => true,
    reportDelivered: async () => undefined,
    reportRead: (id, seq) => {
      reported.push([id, seq]);
      return new Promise<void>((resolve) => (answer = resolve));
    },
    error: () => undefined,
  });
  reporter.read('first', 1);
  reporter.read('second', 1);
  await vi.advanceTimersByTimeAsync(100);
  reporter.read('second', 2);
  answer();
  await vi.advanceTimersByTimeAsync(0);
  expect(reported).toEqual([
    ['first', 1],
    ['second', 2],
  ]);
  reporter.clear();
});
