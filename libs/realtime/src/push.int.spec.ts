import { createInProcessBroker } from '@parley/broker';
import { newId, type PushFrame, type ServerEvent } from '@parley/contracts';
import { createLogger } from '@parley/service-kit';
import { eventually } from '@parley/testing';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { Push } from './push.js';
import { createMemoryRegistry, createRedisRegistry, type Registry } from './registry.js';

const logger = createLogger('test', 'silent');
const receipt = (): ServerEvent<'receipt:updated'> => ({
  conversationId: newId(),
  userId: newId(),
  deliveredSeq: 2,
  readSeq: 1,
  at: new Date().toISOString(),
});

describe('a push', () => {
  const [here, alsoHere, elsewhere, nowhere] = [newId(), newId(), newId(), newId()];
  let broker: ReturnType<typeof createInProcessBroker>;
  let frames: PushFrame[];

  beforeEach(async () => {
    broker = createInProcessBroker({ service: 'test', logger });
    frames = [];
    await broker.listen({
      events: [],
      onPush: (frame) => void frames.push(frame),
      onEvent: () => undefined,
      onGap: () => undefined,
    });
  });
  afterEach(() => broker.close());

  const settle = async (registry: Registry) => {
    for (const userId of [here, alsoHere])
      await registry.add({ userId, gatewayId: broker.instance, connectionId: newId() });
    await registry.add({ userId: elsewhere, gatewayId: 'another', connectionId: newId() });
    return new Push({ broker, registry, logger });
  };

  it('goes to a gateway in one frame that names only the users connected to it', async () => {
    const push = await settle(createMemoryRegistry());
    const payload = receipt();
    const except = newId();
    await push.toUsers([nowhere, here, elsewhere, alsoHere], 'receipt:updated', payload, { id: 'one', except });
    await eventually(() =>
      expect(frames).toEqual([
        { kind: 'users', users: [here, alsoHere], event: 'receipt:updated', payload, id: 'one', except },
      ]),
    );
  });

  it('skips gateways that hold none of the users', async () => {
    const push = await settle(createMemoryRegistry());
    await push.toUsers([elsewhere, nowhere], 'receipt:updated', receipt());
    await push.toUsers([], 'receipt:updated', receipt());
    await push.toUsers([here], 'receipt:updated', receipt(), { id: 'the only one' });
    await eventually(() => expect(frames).toMatchObject([{ id: 'the only one' }]));
  });

  it('goes to all gateways while the registry may not know everybody', async () => {
    const registry = await createRedisRegistry({
      url: inject('servers').redisUrl,
      logger,
      prefix: `test-${newId()}:`,
      settleMs: 60_000,
    });
    const push = await settle(registry);
    await push.toUsers([elsewhere, nowhere], 'receipt:updated', receipt());
    await eventually(() => expect(frames).toMatchObject([{ users: [elsewhere, nowhere] }]));
    const locations = await push.locate([here, nowhere]);
    expect([here, nowhere].map((userId) => locations.online(userId))).toEqual([true, undefined]);
    await registry.close();
  });

  it('goes to all gateways while the registry is unavailable', async () => {
    const registry = await createRedisRegistry({
      url: inject('servers').redisUrl,
      logger,
      prefix: `test-${newId()}:`,
      settleMs: 0,
    });
    const push = await settle(registry);
    await registry.close();
    await push.toUsers([elsewhere], 'receipt:updated', receipt());
    await eventually(() => expect(frames).toMatchObject([{ users: [elsewhere] }]));
    expect((await push.locate([here])).online(here)).toBeUndefined();
  });

  it('tells which users are online', async () => {
    const push = await settle(createMemoryRegistry());
    const locations = await push.locate([here, elsewhere, nowhere]);
    expect([here, elsewhere, nowhere].map((userId) => locations.online(userId))).toEqual([true, true, false]);
  });

  it('goes to the locations that it is given, without another lookup', async () => {
    const registry = createMemoryRegistry();
    const push = await settle(registry);
    const locations = await push.locate([here, alsoHere, nowhere]);
    await registry.add({ userId: nowhere, gatewayId: broker.instance, connectionId: newId() });
    await push.toUsers([alsoHere, nowhere], 'receipt:updated', receipt(), { locations });
    await eventually(() => expect(frames).toMatchObject([{ kind: 'users', users: [alsoHere] }]));
    expect(frames[0]).not.toHaveProperty('locations');
  });
});
