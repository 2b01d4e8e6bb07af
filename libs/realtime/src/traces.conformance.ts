import { newId } from '@parley/contracts';
import { eventually } from '@parley/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { TracedConnection, TraceLimits, Traces } from './traces.js';

export const deviceOf = (userId = newId()): TracedConnection => ({ userId, connectionId: newId() });
const devices = (count: number): TracedConnection[] => Array.from({ length: count }, () => deviceOf());

/** The tests that every {@link Traces} must pass. */
export function tracesConformance(open: (limits: TraceLimits) => Promise<Traces>): void {
  let traces: Traces;
  beforeAll(async () => {
    traces = await open({ perSecond: 10_000, devices: 3 });
  });
  afterAll(() => traces.close());

  const tracedWith = (of: Traces, messageId: string, pushes: number) =>
    eventually(async () => {
      const trace = await of.of(messageId);
      return trace?.pushed.length === pushes && trace;
    });

  it('do not know a message without notes', async () => {
    expect(await traces.of(newId())).toBeUndefined();
  });

  it('tell the time of the commit and of every push', async () => {
    const messageId = newId();
    const before = Date.now();
    const [one, other] = [deviceOf(), deviceOf()];
    traces.committed([messageId, newId()]);
    traces.pushed(messageId, [one, other]);
    const { committed, pushed } = await tracedWith(traces, messageId, 2);
    for (const at of [committed!, ...pushed.map((push) => push.at)]) expect(at).toBeGreaterThanOrEqual(before);
    expect(new Set(pushed.map(({ userId, connectionId }) => `${userId} ${connectionId}`))).toEqual(
      new Set([one, other].map(({ userId, connectionId }) => `${userId} ${connectionId}`)),
    );
  });

  it('know a message that was pushed but not committed here', async () => {
    const messageId = newId();
    traces.pushed(messageId, [deviceOf()]);
    expect(await tracedWith(traces, messageId, 1)).not.toHaveProperty('committed');
  });

  it('note each connection once', async () => {
    const messageId = newId();
    const device = deviceOf();
    traces.pushed(messageId, [device]);
    traces.pushed(messageId, [device, deviceOf()]);
    await tracedWith(traces, messageId, 2);
  });

  it('note no more connections of a message than the limit', async () => {
    const messageId = newId();
    let taken = 0;
    const counting = function* () {
      for (const device of devices(10)) {
        taken++;
        yield device;
      }
    };
    traces.pushed(messageId, counting());
    await tracedWith(traces, messageId, 3);
    expect(taken).toBe(3);
  });

  it('note no more in a second than the limit', async () => {
    const few = await open({ perSecond: 5, devices: 1000 });
    const messageId = newId();
    // A new second may begin meanwhile.
    for (let times = 0; times < 4; times++) few.pushed(messageId, devices(100));
    const { pushed } = await eventually(async () => (await few.of(messageId)) ?? false);
    expect([5, 10]).toContain(pushed.length);
    await few.close();
  });

  it('expire', async () => {
    const short = await open({ keepMs: 150 });
    const messageId = newId();
    short.committed([messageId]);
    await eventually(async () => (await short.of(messageId)) !== undefined);
    await eventually(async () => (await short.of(messageId)) === undefined);
    await short.close();
  });
}
