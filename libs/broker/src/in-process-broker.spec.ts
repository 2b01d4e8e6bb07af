import { newId } from '@parley/contracts';
import { createLogger } from '@parley/service-kit';
import { describe, expect, it } from 'vitest';
import { brokerConformance, echo, retries, serving, SHARDS, type System, type SystemOptions } from './conformance.js';
import { createInProcessBroker } from './in-process-broker.js';

const logger = createLogger('test', 'silent');

async function open({ outbox }: SystemOptions = {}): Promise<System> {
  const broker = createInProcessBroker({
    service: 'test',
    logger,
    shards: SHARDS,
    retries,
    ...(outbox === undefined ? {} : { queueLimit: outbox }),
  });
  await broker.start();
  return {
    client: broker,
    server: broker,
    deadLetters: async () => broker.deadLetters,
    redrive: () => broker.redrive(),
    inject: async (queue, name, payload) => void broker.inject(queue, name, payload),
    close: () => broker.close(100),
  };
}

describe('the in-process broker', () => {
  brokerConformance(open);

  it('refuses to serve a service that is served already', async () => {
    const broker = createInProcessBroker({ service: 'test', logger });
    const handlers = serving({ 'message.send.v1': echo });
    await broker.serve('messages', handlers);
    await expect(broker.serve('messages', handlers)).rejects.toThrow('served already');
    await broker.close();
  });

  it('copies the payloads of requests', async () => {
    const broker = createInProcessBroker({ service: 'test', logger });
    await broker.serve(
      'history',
      serving({
        'history.visible.v1': async ({ payload }) => (
          (payload as { userIds: string[] }).userIds.push('changed'),
          { userIds: [] }
        ),
      }),
    );
    const userIds = [newId()];
    await broker.request('history.visible.v1', { userId: newId(), userIds });
    expect(userIds).toHaveLength(1);
    await broker.close();
  });
});
