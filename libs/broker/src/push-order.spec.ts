import { describe, expect, it } from 'vitest';
import { NumberCheck, PushReceiver, RecentIds, RouteNumbers } from './push-order.js';

describe('the numbers of pushed messages', () => {
  it('tell whether a message is next, old, or after a gap', () => {
    const numbers = new NumberCheck();
    const check = (...sent: number[]) => sent.map((number) => numbers.check('a', number, true));
    expect(check(1, 2, 2, 1, 3, 5, 4, 6)).toEqual(['next', 'next', 'old', 'old', 'next', 'gap', 'old', 'next']);
    expect(numbers.check('b', 7, false)).toBe('next');
    expect(numbers.check('c', 7, true)).toBe('gap');
  });

  it('have no gaps on any number of routes', () => {
    const routes = new RouteNumbers('me');
    const numbers = new NumberCheck();
    const gateways = Array.from({ length: 12_000 }, (_, at) => `gateway-${at}`);
    for (const gateway of [...gateways, ...gateways, ...gateways.slice(0, 10)]) {
      const { stream, number } = routes.next(gateway);
      expect(numbers.check(stream, number, true)).toBe('next');
    }
  });
});

describe('recent ids', () => {
  it('are remembered for a limited time', () => {
    const ids = new RecentIds(3);
    expect(['a', 'b', 'a', 'c', 'd', 'a'].map((id) => ids.add(id))).toEqual([true, true, false, true, true, false]);
    for (const id of ['e', 'f', 'g', 'h']) ids.add(id);
    expect(ids.add('a')).toBe(true);
  });
});

describe('a receiver of pushes', () => {
  const received = (numbers: readonly number[]): readonly string[] => {
    const calls: string[] = [];
    const receiver = new PushReceiver({
      events: [],
      onPush: () => undefined,
      onEvent: () => undefined,
      onGap: () => void calls.push('gap'),
    });
    for (const number of numbers) if (receiver.admit('a', number, true)) calls.push(`read ${number}`);
    return calls;
  };

  it('reads no message twice', () => {
    expect(received([1, 2, 2, 3, 1])).toEqual(['read 1', 'read 2', 'read 3']);
  });

  it('reports a gap before the message that shows it', () => {
    expect(received([1, 2, 4, 3, 5])).toEqual(['read 1', 'read 2', 'gap', 'read 4', 'read 5']);
  });
});
