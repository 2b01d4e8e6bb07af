import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { newId } from '@parley/contracts';
import { engines, type Engine } from '@parley/store/testing';
import { eventually } from '@parley/testing';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { defaultSettings } from '../config.js';
import { Service } from '../spec/service.js';
import { sign } from './post.js';

const [one, two] = ['one'.repeat(12), 'two'.repeat(12)];

describe.each(engines(inject('servers').databaseUrl, 'messages'))('secrets of webhooks on %s', (_, open) => {
  let engine: Engine;
  let server: Server;
  const received: { signature: string; signed: string }[] = [];
  const secrets = new Map<string, string>();
  beforeAll(async () => {
    engine = await open();
    server = createServer((request, response) => {
      void text(request).then((body) => {
        const timestamp = String(request.headers['parley-timestamp']);
        received.push({ signature: String(request.headers['parley-signature']), signed: `${timestamp}\n${body}` });
        response.end();
      });
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await engine.close();
  });

  const start = (current?: string, previous?: string): Promise<Service> =>
    Service.start(engine.database, {
      settings: {
        secretKeys: { current, previous },
        webhooks: { ...defaultSettings.webhooks, allowPrivate: true, pollMs: 20 },
      },
    });
  const refusal = (starting: Promise<Service>): Promise<string> =>
    starting.then(
      (service) => service.stop().then(() => 'it started'),
      ({ name, message }: Error) => `${name}: ${message}`,
    );
  const stored = () =>
    engine.database.query<{ id: string; secret: string }>('select id, secret from chat.webhook order by id');
  /** Creates a webhook in a new group, under this request's id. */
  const create = async (service: Service, requestId = newId()): Promise<string> => {
    const ann = newId();
    const conversationId = await service.group(ann);
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const input = { conversationId, url };
    const { webhook } = await service.call('webhook.create.v1', ann, input, { requestId });
    expect((await service.call('webhook.create.v1', ann, input, { requestId })).webhook.secret).toBe(webhook.secret);
    secrets.set(webhook.id, webhook.secret!);
    received.length = 0;
    await service.send(ann, { conversationId });
    await eventually(() => expect(received.length).toBeGreaterThan(0));
    const { signature, signed } = received[0]!;
    const [timestamp, body] = signed.split('\n') as [string, string];
    expect(signature).toBe(sign(webhook.secret!, timestamp, body));
    return webhook.id;
  };

  it('are stored encrypted, and sign deliveries as they are', async () => {
    const service = await start(one);
    const id = await create(service);
    expect(await stored()).toEqual([{ id, secret: expect.stringMatching(/^encrypted:v1:/) }]);
    await service.stop();
  });

  it('that were stored as they are, or under the previous key, are encrypted under the present one at the start', async () => {
    const plain = await start(undefined, one);
    await create(plain);
    await plain.stop();
    for (const { id, secret } of await stored()) expect(secret).toBe(secrets.get(id));
    const service = await start(one);
    const before = await stored();
    for (const { secret } of before) expect(secret).toMatch(/^encrypted:v1:/);
    await service.stop();
    const [first, second] = await Promise.all([start(two, one), start(two, one)]);
    for (const { secret } of await stored()) {
      expect(secret).toMatch(/^encrypted:v1:/);
      expect(before.map((row) => row.secret)).not.toContain(secret);
    }
    await create(first);
    await Promise.all([first.stop(), second.stop()]);
  });

  it('keep a replica without their key, or with another, from starting', async () => {
    const before = await stored();
    expect(await refusal(start())).toMatch(/^StartError: chat\.webhook\.secret is encrypted .* SECRET_KEY is not set/);
    expect(await refusal(start(one))).toMatch(/^StartError: chat\.webhook\.secret .* under another SECRET_KEY/);
    expect(await stored()).toEqual(before);
  });
});
