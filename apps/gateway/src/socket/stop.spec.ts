import { createServer } from 'node:net';
import { createInProcessBroker } from '@parley/broker';
import { newId } from '@parley/contracts';
import { createMemoryLimiters, createMemoryRegistry, createMemoryTraces } from '@parley/realtime';
import { createLogger, Health, loadConfig, StartError } from '@parley/service-kit';
import { eventually } from '@parley/testing';
import { describe, expect, it } from 'vitest';
import { gatewayConfig } from '../config.js';
import { answerTo, TestGateway, heard } from '../spec/test-gateway.js';
import { startGateway } from '../start.js';

describe('stopping', () => {
  it('answers pending calls before it closes connections', async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const gateway = await TestGateway.start({}, (starting) =>
      starting.serveBasics({ 'receipt.read.v1': async ({ input }) => (await held, { receipt: input }) }),
    );
    const { socket, user } = await gateway.connect(gateway.person(), { reconnection: false });
    const reasons = heard<string>(socket, 'disconnect');
    const closed: unknown[] = [];
    await gateway.broker.listen({
      events: ['connection.closed.v1'],
      onEvent: (_, event) => void closed.push(event),
      onPush: () => undefined,
      onGap: () => undefined,
    });
    const pending = answerTo(socket, 'receipt:read', { conversationId: newId(), seq: 1 });
    // The answer of a second call proves that the first one is pending.
    await answerTo(socket, 'presence:heartbeat', {});
    const { url } = gateway.server;
    const stopped = gateway.server.stop();
    release();
    expect(await pending).toMatchObject({ ok: true });
    await stopped;
    await eventually(() => expect(reasons).toEqual(['transport close']));
    expect(closed).toEqual([expect.objectContaining({ userId: user.id })]);
    await expect(fetch(`${url}/health/live`)).rejects.toThrow('fetch failed');
    await gateway.stop();
  });
});

describe('stopping during calls', () => {
  it('answers every call that was carried out', async () => {
    const carriedOut = new Set<string>();
    const answered = new Set<string>();
    const gateway = await TestGateway.start({ USER_LIMIT_SCALE: '1000' }, (starting) =>
      starting.serveBasics({
        'receipt.read.v1': ({ input }) => (carriedOut.add(input.conversationId), { receipt: input }),
      }),
    );
    const { socket } = await gateway.connect(gateway.person(), { reconnection: false });
    const disconnected = new Promise((resolve) => socket.once('disconnect', resolve));
    const sending = setInterval(() => {
      for (let n = 0; n < 20; n++) {
        const conversationId = newId();
        socket.emit(
          'receipt:read',
          { conversationId, seq: 1 },
          ({ ok }: { ok: boolean }) => void (ok && answered.add(conversationId)),
        );
      }
    }, 1);
    await eventually(() => carriedOut.size > 200);
    await gateway.server.stop();
    clearInterval(sending);
    await disconnected;
    expect([...carriedOut].filter((id) => !answered.has(id))).toEqual([]);
    await gateway.stop();
  });
});

describe('starting', () => {
  it('on a port in use fails with one line', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    const logger = createLogger('gateway', 'silent');
    const broker = createInProcessBroker({ service: 'gateway', logger });
    const registry = createMemoryRegistry();
    const config = loadConfig(gatewayConfig, { PORT: String(port), HOST: '127.0.0.1' });
    const start = startGateway({
      mode: 'cluster',
      config,
      broker,
      registry,
      limiters: createMemoryLimiters(),
      traces: createMemoryTraces(),
      logger,
      health: new Health('gateway'),
    });
    await expect(start).rejects.toThrow(
      new StartError(`port ${port} is taken by another process; set PORT to a free one`),
    );
    await registry.close();
    await new Promise((resolve) => taken.close(resolve));
  });

  it('accepts only valid origins', () => {
    expect(() => loadConfig(gatewayConfig, { ALLOWED_ORIGINS: 'https://a.example/path' })).toThrow(/ALLOWED_ORIGINS/);
    expect(
      loadConfig(gatewayConfig, { ALLOWED_ORIGINS: 'https://a.example, http://b.example:8080' }).ALLOWED_ORIGINS,
    ).toEqual(['https://a.example', 'http://b.example:8080']);
    const embed = (EMBED_ORIGINS: string) => loadConfig(gatewayConfig, { EMBED_ORIGINS }).EMBED_ORIGINS;
    expect(embed('https://a.example, http://[::1]:8080')).toEqual(['https://a.example', 'http://[::1]:8080']);
    expect(loadConfig(gatewayConfig, {}).EMBED_ORIGINS).toEqual([]);
    for (const refused of ['*', 'https://a.example/', "'self'", 'https://a.example;sandbox', 'blob:https://a.example'])
      expect(() => embed(refused)).toThrow(/EMBED_ORIGINS/);
  });
});
