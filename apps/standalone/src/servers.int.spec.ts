import {
  ChatClient,
  eventually,
  freshDatabase,
  launch,
  startRabbit,
  type FreshDatabase,
  type PrivateServer,
  type ServiceProcess,
} from '@parley/testing';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';

describe('everything in one process, over real RabbitMQ, Postgres and Redis', () => {
  let database: FreshDatabase;
  let rabbit: PrivateServer;
  let server: ServiceProcess;

  beforeAll(async () => {
    [database, rabbit] = await Promise.all([freshDatabase(inject('servers').databaseUrl), startRabbit()]);
    server = await (
      await launch('standalone', {
        AMQP_URL: rabbit.url,
        DATABASE_URL: database.url,
        REDIS_URL: inject('servers').redisUrl,
      })
    ).ready();
  }, 120_000);
  afterAll(async () => {
    await server.stop();
    await rabbit.stop();
    await database.drop();
  }, 60_000);

  it('migrates the database automatically', async () => {
    await eventually(() => expect(server.output).toMatch(/over servers[^]*RabbitMQ, Postgres, Redis/));
  });

  const guest = async (): Promise<ChatClient> => {
    const client = await ChatClient.guest(server.url);
    await client.connect();
    return client;
  };

  it('delivers a message', async () => {
    const [ann, ben] = await Promise.all([guest(), guest()]);
    const { conversation } = await ann.call('conversation.create', { kind: 'direct', memberIds: [ben.user.id] });
    const { message } = await ann.send(conversation.id, 'Hello, Ben');
    await eventually(() =>
      expect(ben.events.map(({ name, payload }) => name === 'message:new' && payload.message.id)).toContain(message.id),
    );
    ann.disconnect();
    ben.disconnect();
  });

  it('shows who is online', async () => {
    const [ann, ben] = await Promise.all([guest(), guest()]);
    await ann.call('conversation.create', { kind: 'direct', memberIds: [ben.user.id] });
    await eventually(async () =>
      expect((await ann.http('presence.get', { userIds: [ben.user.id] })).items).toMatchObject([{ state: 'online' }]),
    );
    ann.disconnect();
    ben.disconnect();
  });
});
