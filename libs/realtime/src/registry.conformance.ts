import { newId } from '@parley/contracts';
import { eventually } from '@parley/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { UserLocations, type RegistryEntry, type Registry, type RegistryOptions } from './registry.js';

export const connectionOf = (userId: string, gatewayId = 'gateway-a'): RegistryEntry => ({
  userId,
  gatewayId,
  connectionId: newId(),
});
/** The answer of `locate`, as `{gateway: users}`. */
export const located = async (registry: Registry, ...userIds: string[]) =>
  Object.fromEntries((await registry.locate(userIds)).gateways(userIds));

/** The tests that every {@link Registry} must pass. `open` makes an empty one that is complete. */
export function registryConformance(open: (options: RegistryOptions) => Promise<Registry>): void {
  const leaseMs = 400;
  let registry: Registry;
  beforeAll(async () => {
    registry = await open({ leaseMs, socketsPerUser: 3 });
  });
  afterAll(() => registry.close());

  it('finds a connection as soon as it is added', async () => {
    const user = newId();
    await registry.add(connectionOf(user));
    expect(await registry.locate([user])).toEqual(new UserLocations(new Map([[user, ['gateway-a']]]), true));
    expect(registry.problem).toBeUndefined();
  });

  it('names each gateway once, with its users', async () => {
    const [ann, ben, nobody] = [newId(), newId(), newId()];
    for (const [user, gateway] of [
      [ann, 'gateway-a'],
      [ann, 'gateway-a'],
      [ann, 'gateway-b'],
      [ben, 'gateway-b'],
    ] as const) {
      await registry.add(connectionOf(user, gateway));
    }
    expect(await located(registry, ann, nobody, ben)).toEqual({ 'gateway-a': [ann], 'gateway-b': [ann, ben] });
    expect(await located(registry, nobody)).toEqual({});
    expect(await located(registry)).toEqual({});
  });

  it('forgets only the connection that is removed', async () => {
    const user = newId();
    const [here, there] = [connectionOf(user), connectionOf(user, 'gateway-b')];
    await registry.add(here);
    await registry.add(there);
    await registry.remove(here);
    await registry.remove(here);
    expect(await located(registry, user)).toEqual({ 'gateway-b': [user] });
  });

  it('counts a connection that is added twice as one', async () => {
    const connection = connectionOf(newId());
    for (let i = 0; i < 5; i++) expect(await registry.add(connection)).toEqual({ excess: [] });
    await registry.remove(connection);
    expect(await located(registry, connection.userId)).toEqual({});
  });

  it('returns the oldest connections of a user beyond the limit, whatever order they were added in', async () => {
    const user = newId();
    const [oldest, second, ...rest] = [1, 2, 3, 4].map((age) => ({
      userId: user,
      gatewayId: 'gateway-a',
      connectionId: newId(undefined, age * 1000),
    }));
    for (const connection of [rest[0]!, oldest!, second!])
      expect(await registry.add(connection)).toEqual({ excess: [] });
    expect(await registry.add(rest[1]!)).toEqual({ excess: [oldest] });
    await registry.remove(oldest!);
    const fifth = { userId: user, gatewayId: 'gateway-b', connectionId: newId() };
    expect(await registry.add(fifth)).toEqual({ excess: [second] });
  });

  it('ends only leases that are not renewed', async () => {
    const [silent, lively] = [connectionOf(newId()), connectionOf(newId())];
    await registry.add(silent);
    await registry.add(lively);
    await eventually(
      async () => {
        expect(await registry.renew([lively])).toEqual({ lapsed: [] });
        expect(await located(registry, silent.userId, lively.userId)).toEqual({ 'gateway-a': [lively.userId] });
      },
      { timeoutMs: 10 * leaseMs },
    );
  });

  it('ends one lease of a user while another continues', async () => {
    const slow = await open({ leaseMs: 2000 });
    const user = newId();
    await slow.add(connectionOf(user));
    const half = performance.now() + 1000;
    await eventually(() => performance.now() > half);
    await slow.add(connectionOf(user, 'gateway-b'));
    expect(await located(slow, user)).toEqual({ 'gateway-a': [user], 'gateway-b': [user] });
    await eventually(async () => expect(await located(slow, user)).toEqual({ 'gateway-b': [user] }), {
      timeoutMs: 3000,
    });
    await slow.close();
  });

  it('does not count connections whose lease has ended against the limit', async () => {
    const user = newId();
    for (let i = 0; i < 3; i++) await registry.add(connectionOf(user));
    await eventually(async () => expect(await located(registry, user)).toEqual({}));
    expect(await registry.add(connectionOf(user))).toEqual({ excess: [] });
  });

  it('restores a connection that is renewed after its lease ended', async () => {
    const [lapsed, added] = [connectionOf(newId(), 'gateway-b'), connectionOf(newId(), 'gateway-b')];
    await registry.add(lapsed);
    await eventually(async () => expect(await located(registry, lapsed.userId)).toEqual({}));
    await registry.add(added);
    expect(await registry.renew([lapsed, added])).toEqual({ lapsed: [lapsed] });
    expect(await registry.renew([lapsed, added])).toEqual({ lapsed: [] });
    expect(await located(registry, lapsed.userId)).toEqual({ 'gateway-b': [lapsed.userId] });
  });

  it('locates 5,000 users at once', async () => {
    const big = await open({ leaseMs: 60_000 });
    const connections = Array.from({ length: 5000 }, (_, i) => connectionOf(newId(), `gateway-${i % 3}`));
    const users = connections.map(({ userId }) => userId);
    for (let from = 0; from < 5000; from += 500) await big.renew(connections.slice(from, from + 500));
    await eventually(async () =>
      expect([...(await big.locate(users)).gateways(users).values()].flat()).toHaveLength(5000),
    );
    const [some, others] = await Promise.all([big.locate(users.slice(0, 3)), big.locate(users.slice(2, 4))]);
    expect(Object.fromEntries(some.gateways(users.slice(0, 3)))).toEqual({
      'gateway-0': [users[0]],
      'gateway-1': [users[1]],
      'gateway-2': [users[2]],
    });
    expect(Object.fromEntries(others.gateways(users.slice(2, 4)))).toEqual({
      'gateway-2': [users[2]],
      'gateway-0': [users[3]],
    });
    await big.close();
  });
}
