import { ChatError, newId, shardOf, type Actor, type PushFrame, type RequestPayload } from '@parley/contracts';
import { currentTrace, Unavailable, work } from '@parley/service-kit';
import { eventually } from '@parley/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAX_MESSAGE_BYTES } from './message-size.js';
import type { DeadLetterCause } from './delivery/inbound-message.js';
import type { BatchHandler, Broker, Delivery, Handler, Handlers, InstanceListener, Serving } from './broker.js';

/** Brokers that are connected to each other, and what tests need beyond the {@link Broker} class. */
export interface System {
  /** Of a process that sends requests. */
  readonly client: Broker;
  /** Of a process that serves; the same one in process. */
  readonly server: Broker;
  deadLetters(): Promise<readonly { queue: string; name: string; reason: DeadLetterCause['reason'] }[]>;
  redrive(): Promise<number>;
  /** Puts an unchecked message into a queue. */
  inject(queue: string, name: string, payload: unknown): Promise<void>;
  close(): Promise<void>;
}
export interface SystemOptions {
  /** Maximum number of messages that the client may have under way. */
  readonly outbox?: number;
}
export const SHARDS = 4;
/** How the brokers under test retry events. */
export const retries = { delaysMs: [50, 100], limit: 3 };

type Send = Delivery<RequestPayload<'message.send.v1'>>;
type Answer = { message: { clientId: string }; duplicate: boolean };

export const actor = (): Actor => ({ requestId: newId(), userId: newId(), sessionId: newId(), kind: 'person' });
export const input = (conversationId: string, clientId: string) => ({
  conversationId,
  clientId,
  type: 'text' as const,
  body: 'hello',
});
/** A conversation of the given shard. */
export function conversationOf(shard: number): string {
  for (;;) {
    const id = newId();
    if (shardOf(id, SHARDS) === shard) return id;
  }
}
/** Sends a message. The handlers of these tests answer only with the client id, which is not the real contract. */
export const send = (broker: Broker, conversationId: string, clientId: string, deadlineMs?: number): Promise<Answer> =>
  broker.request(
    'message.send.v1',
    { caller: actor(), input: input(conversationId, clientId) },
    deadlineMs === undefined ? {} : { deadlineMs },
  ) as unknown as Promise<Answer>;
export const clientIdOf = (delivery: Delivery): string => (delivery as Send).payload.input.clientId;
const answerOf = (delivery: Delivery): Answer => ({
  message: { clientId: clientIdOf(delivery) },
  duplicate: delivery.redelivered,
});
export const echo: Handler = async (delivery) => answerOf(delivery);

export const serving = (
  requests: Record<string, Handler | BatchHandler>,
  events: Record<string, Handler> = {},
): Handlers => ({ requests: new Map(Object.entries(requests)), events: new Map(Object.entries(events)) });
const batch = (handle: BatchHandler['handle'], max = 100, concurrency = 2): BatchHandler => ({
  max,
  concurrency,
  handle,
});
const listener = (more: Partial<InstanceListener> = {}): InstanceListener => ({
  events: [],
  onPush: () => undefined,
  onEvent: () => undefined,
  onGap: () => undefined,
  ...more,
});
export const frame = (id?: string, payload: unknown = {}): PushFrame => ({
  kind: 'users',
  users: [newId()],
  event: 'message:new',
  payload,
  ...(id === undefined ? {} : { id }),
});

/** Holds handlers until the test opens it. */
export class Gate {
  private readonly opened = Promise.withResolvers<void>();
  private readonly reached = Promise.withResolvers<void>();
  readonly entered = this.reached.promise;
  pass(): Promise<void> {
    this.reached.resolve();
    return this.opened.promise;
  }
  open(): void {
    this.opened.resolve();
  }
}

/** The tests that every {@link Broker} must pass. */
export function brokerConformance(open: (options?: SystemOptions) => Promise<System>): void {
  let system: System;
  beforeEach(async () => {
    system = await open();
  });
  afterEach(() => system.close());

  describe('requests', () => {
    it('are answered by their handler, in the trace of the requester', async () => {
      await system.server.serve(
        'history',
        serving({
          'history.epoch.v1': async ({ correlationId }) => ({ epoch: `${correlationId} ${currentTrace()?.traceId}` }),
        }),
      );
      expect(await system.client.request('history.epoch.v1', {}, { correlationId: 'c1' })).toEqual({ epoch: 'c1 c1' });
    });

    it('are refused alone when they or their answers are larger than a message may be', async () => {
      const huge = 'x'.repeat(MAX_MESSAGE_BYTES);
      await system.server.serve('messages', serving({ 'message.send.v1': echo }));
      await system.server.serve(
        'history',
        serving({ 'history.epoch.v1': async () => ({ epoch: huge }), 'history.sent.v1': async () => ({ sent: true }) }),
      );
      const small = () =>
        system.client.request('history.sent.v1', { conversationId: newId(), senderId: newId(), clientId: 'a' });
      const answers = await Promise.allSettled([
        small(),
        system.client.request('history.epoch.v1', {}),
        send(system.client, newId(), huge),
        small(),
      ]);
      expect(
        answers.map((answer) => (answer.status === 'fulfilled' ? 'ok' : (answer.reason as ChatError).code)),
      ).toEqual(['ok', 'too_large', 'too_large', 'ok']);
      expect(await small()).toEqual({ sent: true });
      await expect(system.client.pushAll(frame('f', huge))).rejects.toMatchObject({ code: 'too_large' });
    });

    it('are refused with the ChatError of the handler', async () => {
      const refusal = new ChatError('slow_mode', 'wait', { retryAfterMs: 7, details: { a: 1 } });
      await system.server.serve('messages', serving({ 'message.send.v1': () => Promise.reject(refusal) }));
      await expect(send(system.client, newId(), 'a')).rejects.toMatchObject({
        name: 'ChatError',
        code: 'slow_mode',
        message: 'wait',
        retryAfterMs: 7,
        details: { a: 1 },
      });
    });

    it('without a queue are unavailable at once', async () => {
      const before = Date.now();
      await expect(send(system.client, newId(), 'a')).rejects.toMatchObject({ name: 'ChatError', code: 'unavailable' });
      expect(Date.now() - before).toBeLessThan(2000);
    });

    it('without an answer are unavailable at their deadline', async () => {
      const gate = new Gate();
      await system.server.serve(
        'messages',
        serving({ 'message.send.v1': (delivery) => gate.pass().then(() => echo(delivery)) }),
      );
      const before = Date.now();
      await expect(send(system.client, newId(), 'a', 300)).rejects.toMatchObject({ code: 'unavailable' });
      expect(Date.now() - before).toBeGreaterThanOrEqual(295);
      gate.open();
      expect(await send(system.client, newId(), 'b')).toMatchObject({ message: { clientId: 'b' } });
    });

    it('get only their first answer', async () => {
      await system.server.serve(
        'messages',
        serving({
          'message.send.v1': async (delivery) => (
            delivery.reply({ first: true }),
            delivery.refuse(new ChatError('conflict')),
            { second: true }
          ),
        }),
      );
      expect(await send(system.client, newId(), 'a')).toEqual({ first: true });
    });

    it('that a handler neither answers nor refuses are internal', async () => {
      await system.server.serve('messages', serving({ 'message.send.v1': batch(async () => undefined) }));
      await expect(send(system.client, newId(), 'a')).rejects.toMatchObject({ code: 'internal' });
    });

    it('are handled after their deadline only when they are commands', async () => {
      const handled: string[] = [];
      const note = async ({ name }: Delivery) => void handled.push(name);
      const commands = () => serving({ 'message.send.v1': note });
      const queries = () => serving({ 'history.epoch.v1': note });
      for (const stop of [
        await system.server.serve('messages', commands()),
        await system.server.serve('history', queries()),
      ])
        await stop.stop();
      const requests = [
        send(system.client, newId(), 'a', 200),
        system.client.request('history.epoch.v1', {}, { deadlineMs: 200 }),
      ];
      expect((await Promise.allSettled(requests)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
      await system.server.serve('messages', commands());
      await system.server.serve('history', queries());
      await eventually(() => handled.length > 0);
      await system.client.request('history.epoch.v1', {}).catch(() => undefined);
      expect(handled).toEqual(['message.send.v1', 'history.epoch.v1']);
    });

    it('beyond the limit under way are unavailable at once', async () => {
      const gate = new Gate();
      const small = await open({ outbox: 10 });
      await small.server.serve(
        'messages',
        serving({ 'message.send.v1': (delivery) => gate.pass().then(() => echo(delivery)) }),
      );
      const conversation = newId();
      const requests = Array.from({ length: 30 }, (_, at) => send(small.client, conversation, `${at}`));
      const refused = await Promise.allSettled(requests.slice(10));
      expect(
        refused.every((one) => one.status === 'rejected' && (one.reason as ChatError).code === 'unavailable'),
      ).toBe(true);
      gate.open();
      expect((await Promise.all(requests.slice(0, 10))).length).toBe(10);
      await small.close();
    });

    it('under way when the broker closes are unavailable', async () => {
      const gate = new Gate();
      await system.server.serve('history', serving({ 'history.epoch.v1': () => gate.pass() }));
      const requests = system.client.request('history.epoch.v1', {});
      await gate.entered;
      await Promise.all([system.client.close(100), expect(requests).rejects.toMatchObject({ code: 'unavailable' })]);
      gate.open();
    });
  });

  describe('a shard', () => {
    it('keeps the order of one sender that does not wait for answers', async () => {
      const seen: string[] = [];
      await system.server.serve(
        'messages',
        serving({ 'message.send.v1': async (delivery) => (seen.push(clientIdOf(delivery)), answerOf(delivery)) }),
      );
      const conversation = newId();
      const sent = Array.from({ length: 300 }, (_, at) => `${at}`);
      await Promise.all(sent.map((clientId) => send(system.client, conversation, clientId)));
      expect(seen).toEqual(sent);
    });

    it('gathers requests while a call is under way', async () => {
      const gate = new Gate();
      const calls: string[][] = [];
      const handler = batch(async (deliveries) => {
        calls.push(deliveries.map(clientIdOf));
        await gate.pass();
        for (const delivery of deliveries) delivery.reply(answerOf(delivery));
      }, 60);
      await system.server.serve('messages', serving({ 'message.send.v1': handler }));
      const conversation = newId();
      const first = send(system.client, conversation, 'first');
      await gate.entered;
      const sent = Array.from({ length: 150 }, (_, at) => `${at}`);
      const rest = sent.map((clientId) => send(system.client, conversation, clientId));
      // Once another shard has answered, these have arrived too.
      await send(system.client, conversationOf((shardOf(conversation, SHARDS) + 1) % SHARDS), 'other', 400).catch(
        () => undefined,
      );
      gate.open();
      await Promise.all([first, ...rest]);
      const own = calls.filter((call) => call[0] !== 'other');
      expect(own.flat()).toEqual(['first', ...sent]);
      expect(Math.max(...own.map((call) => call.length))).toBe(60);
    });

    it('continues during the work of beforeAck', async () => {
      const gate = new Gate();
      const seen: string[] = [];
      let attempts = 0;
      let isDone = false;
      const workBeforeAck = async (): Promise<void> => {
        if (++attempts < 3) throw new Unavailable('no broker');
        await gate.pass();
        isDone = true;
      };
      const serve = () =>
        system.server.serve(
          'messages',
          serving({
            'message.send.v1': async (delivery) => {
              seen.push(clientIdOf(delivery));
              if (clientIdOf(delivery) === 'a') delivery.beforeAck(workBeforeAck);
              return answerOf(delivery);
            },
          }),
        );
      const first = await serve();
      const conversation = newId();
      await send(system.client, conversation, 'a');
      await send(system.client, conversation, 'b');
      await gate.entered;
      const stopped = first.stop();
      gate.open();
      await stopped;
      expect([attempts, isDone]).toEqual([3, true]);
      await serve();
      await send(system.client, conversation, 'c');
      expect(seen).toEqual(['a', 'b', 'c']);
    });

    it('redelivers a delivery whose work of beforeAck was not done when its consumer stopped', async () => {
      const seen: [string, boolean][] = [];
      const handler = (isUnavailable: boolean) =>
        serving({
          'message.send.v1': async (delivery) => {
            seen.push([clientIdOf(delivery), delivery.redelivered]);
            if (isUnavailable) delivery.beforeAck(() => Promise.reject(new Unavailable('no broker')));
            return answerOf(delivery);
          },
        });
      const first = await system.server.serve('messages', handler(true));
      await send(system.client, newId(), 'a');
      await first.stop();
      await system.server.serve('messages', handler(false));
      await eventually(() =>
        expect(seen).toEqual([
          ['a', false],
          ['a', true],
        ]),
      );
    });

    it('is never in two calls at a time', async () => {
      let running = 0;
      let mostRunning = 0;
      const busyShards = new Set<number>();
      const handler = batch(async (deliveries) => {
        const ownShards = new Set(
          deliveries.map((delivery) => shardOf((delivery as Send).payload.input.conversationId, SHARDS)),
        );
        mostRunning = Math.max(mostRunning, ++running);
        for (const shard of ownShards) expect(busyShards.has(shard)).toBe(false);
        for (const shard of ownShards) busyShards.add(shard);
        await new Promise((resolve) => setTimeout(resolve, 5));
        for (const shard of ownShards) busyShards.delete(shard);
        running--;
        for (const delivery of deliveries) delivery.reply(answerOf(delivery));
      }, 5);
      await system.server.serve('messages', serving({ 'message.send.v1': handler }));
      await Promise.all(
        Array.from({ length: 200 }, (_, at) => send(system.client, conversationOf(at % SHARDS), `${at}`)),
      );
      expect(mostRunning).toBe(2);
    });

    it('keeps its order between requests with single and with batch handlers', async () => {
      const seen: string[] = [];
      await system.server.serve(
        'messages',
        serving({
          'message.send.v1': batch(async (deliveries) => {
            seen.push(...deliveries.map(clientIdOf));
            for (const delivery of deliveries) delivery.reply(answerOf(delivery));
          }),
          'conversation.create.v1': async (delivery) =>
            void seen.push((delivery.payload as RequestPayload<'conversation.create.v1'>).input.title!),
        }),
      );
      const conversation = conversationOf(1);
      const caller = { ...actor(), requestId: conversation };
      const sent = Array.from({ length: 60 }, (_, at) => `${at}`);
      await Promise.allSettled(
        sent.map((name, at) =>
          at % 7 === 3
            ? system.client.request('conversation.create.v1', { caller, input: { kind: 'group', title: name } })
            : send(system.client, conversation, name),
        ),
      );
      expect(seen).toEqual(sent);
    });

    it('retries in place while a dependency is unavailable', async () => {
      const seen: string[] = [];
      const first: boolean[] = [];
      let failuresLeft = 3;
      await system.server.serve(
        'messages',
        serving({
          'message.send.v1': batch(async (deliveries) => {
            first.push(
              ...deliveries.filter((delivery) => clientIdOf(delivery) === '0').map(({ redelivered }) => redelivered),
            );
            if (failuresLeft-- > 0) throw new Unavailable('no database');
            seen.push(...deliveries.map(clientIdOf));
            for (const delivery of deliveries) delivery.reply(answerOf(delivery));
          }, 3),
        }),
      );
      const conversation = newId();
      const sent = Array.from({ length: 20 }, (_, at) => `${at}`);
      await Promise.all(sent.map((clientId) => send(system.client, conversation, clientId)));
      expect(seen).toEqual(sent);
      expect(first).toEqual([false, true, true, true]);
      expect(await system.deadLetters()).toEqual([]);
    });

    it('makes only those requests of a failed batch dead letters that fail alone too', async () => {
      const calls: string[][] = [];
      let isFixed = false;
      const handler = batch(async (deliveries) => {
        const names = deliveries.map(clientIdOf);
        calls.push(names);
        if (!isFixed && names.includes('poison')) throw new TypeError('a defect');
        for (const delivery of deliveries) delivery.reply(answerOf(delivery));
      });
      await system.server.serve('messages', serving({ 'message.send.v1': handler }));
      const conversation = newId();
      const requests = ['a', 'poison', 'b'].map((clientId) => send(system.client, conversation, clientId));
      const [first, second, third] = await Promise.allSettled(requests);
      expect([first!.status, third!.status]).toEqual(['fulfilled', 'fulfilled']);
      expect(second).toMatchObject({ status: 'rejected', reason: { code: 'internal' } });
      expect(calls.filter((call) => call.includes('poison')).at(-1)).toEqual(['poison']);
      const queue = `messages.commands.${shardOf(conversation, SHARDS)}`;
      await eventually(async () =>
        expect(await system.deadLetters()).toMatchObject([{ queue, name: 'message.send.v1', reason: 'failed' }]),
      );

      isFixed = true;
      expect(await system.redrive()).toBe(1);
      await eventually(() => expect(calls.at(-1)).toEqual(['poison']));
      await eventually(async () => expect(await system.deadLetters()).toEqual([]));
    });

    it('makes invalid and unknown messages dead letters', async () => {
      await system.server.serve('messages', serving({ 'message.send.v1': echo }));
      await system.inject('messages.commands.0', 'message.send.v1', {
        caller: actor(),
        input: { conversationId: 'x' },
      });
      await system.inject('messages.commands.0', 'message.vanish.v9', {});
      await system.inject('messages.commands.0', 'constructor', {});
      await eventually(async () => {
        const found = await system.deadLetters();
        expect(found.map(({ name, reason }) => [name, reason])).toEqual([
          ['message.send.v1', 'invalid'],
          ['message.vanish.v9', 'unknown-type'],
          ['constructor', 'unknown-type'],
        ]);
      });
      expect(await send(system.client, conversationOf(0), 'a')).toMatchObject({ message: { clientId: 'a' } });
    });

    it('refuses a payload that breaks its schema', async () => {
      await system.server.serve('messages', serving({ 'message.send.v1': echo }));
      const broken = { caller: actor(), input: { ...input(newId(), ''), body: 'x' } };
      await expect(system.client.request('message.send.v1', broken)).rejects.toMatchObject({
        code: 'invalid',
        details: [{ path: 'input.clientId' }],
      });
    });
  });

  describe('queries', () => {
    it('run side by side', async () => {
      const gate = new Gate();
      let running = 0;
      await system.server.serve(
        'history',
        serving({
          'history.epoch.v1': async () => (++running === 20 && gate.open(), await gate.pass(), { epoch: 'e' }),
        }),
      );
      await Promise.all(Array.from({ length: 20 }, () => system.client.request('history.epoch.v1', {})));
      expect(running).toBe(20);
    });

    it('gather for a batch handler', async () => {
      const sizes: number[] = [];
      const handler = batch(async (deliveries) => {
        sizes.push(deliveries.length);
        await new Promise((resolve) => setTimeout(resolve, 20));
        for (const delivery of deliveries) delivery.reply({ userIds: [] });
      });
      await system.server.serve('history', serving({ 'history.visible.v1': handler }));
      await Promise.all(
        Array.from({ length: 100 }, () =>
          system.client.request('history.visible.v1', { userId: newId(), userIds: [] }),
        ),
      );
      expect(sizes.length).toBeLessThan(50);
    });

    it('never become dead letters', async () => {
      const errors = [new Unavailable('no database'), new TypeError('a defect'), new TypeError('again')];
      const counted = () => work.deadLetters.get();
      const before = await counted();
      await system.server.serve(
        'history',
        serving({ 'history.epoch.v1': async () => Promise.reject(errors.shift() ?? new Error('too often')) }),
      );
      await expect(system.client.request('history.epoch.v1', {})).rejects.toMatchObject({ code: 'unavailable' });
      await expect(system.client.request('history.epoch.v1', {})).rejects.toMatchObject({ code: 'internal' });
      expect(errors).toEqual([]);
      expect(await system.deadLetters()).toEqual([]);
      expect(await counted()).toEqual(before);
    });
  });

  describe('events', () => {
    const revoked = () => ({ userId: newId(), sessionIds: [newId()], reason: 'logout' as const });

    it('may be published without subscribers', async () => {
      await expect(system.client.publish('session.revoked.v1', revoked())).resolves.toBeUndefined();
    });

    it('reach every service and every listener that subscribes to them', async () => {
      const received: string[] = [];
      for (const service of ['messages', 'history'] as const)
        await system.server.serve(
          service,
          serving({}, { 'session.revoked.v1': async () => void received.push(service) }),
        );
      await system.server.listen(
        listener({ events: ['session.revoked.v1'], onEvent: (name) => void received.push(name) }),
      );
      await system.client.publish('session.revoked.v1', revoked());
      await eventually(() => expect(received.toSorted()).toEqual(['history', 'messages', 'session.revoked.v1']));
    });

    it('are retried while a dependency is unavailable without holding up others', async () => {
      const seen: { reason: string; redelivered: boolean }[] = [];
      let failuresLeft = 2;
      await system.server.serve(
        'history',
        serving(
          {},
          {
            'session.revoked.v1': async ({ payload, redelivered }) => {
              const { reason } = payload as ReturnType<typeof revoked>;
              if ((reason as string) === 'ended' && failuresLeft-- > 0) throw new Unavailable('no database');
              seen.push({ reason, redelivered });
            },
          },
        ),
      );
      await system.client.publish('session.revoked.v1', { ...revoked(), reason: 'ended' });
      await system.client.publish('session.revoked.v1', revoked());
      await eventually(() =>
        expect(seen).toEqual([
          { reason: 'logout', redelivered: false },
          { reason: 'ended', redelivered: true },
        ]),
      );
    });

    it('that cannot be handled become dead letters', async () => {
      const seen: unknown[] = [];
      let error: Error | undefined = new Unavailable('no database');
      await system.server.serve(
        'history',
        serving(
          {},
          { 'session.revoked.v1': async ({ payload }) => (error ? Promise.reject(error) : void seen.push(payload)) },
        ),
      );
      await system.client.publish('session.revoked.v1', revoked());
      await eventually(async () =>
        expect(await system.deadLetters()).toMatchObject([{ queue: 'history.events', reason: 'retries' }]),
      );
      error = new TypeError('a defect');
      await system.client.publish('session.revoked.v1', revoked());
      await eventually(async () =>
        expect((await system.deadLetters()).map(({ reason }) => reason)).toEqual(['retries', 'failed']),
      );
      error = undefined;
      expect(await system.redrive()).toBe(2);
      await eventually(() => seen.length === 2);
    });
  });

  describe('frames', () => {
    it('to one instance reach it in order', async () => {
      const received: unknown[] = [];
      await system.server.listen(
        listener({ onPush: (pushed) => void received.push(pushed.kind === 'users' ? pushed.payload : pushed.kind) }),
      );
      for (let at = 0; at < 100; at++) void system.client.push(system.server.instance, frame(undefined, at));
      await system.client.push('a-gateway-that-is-gone', frame(undefined, 'gone'));
      await system.client.pushAll(frame(undefined, 'all'));
      await eventually(() => expect(received).toEqual([...Array(100).keys(), 'all']));
    });

    it('with an id that was seen before are dropped', async () => {
      const received: unknown[] = [];
      await system.server.listen(
        listener({ onPush: (pushed) => void received.push(pushed.kind === 'users' ? pushed.id : '') }),
      );
      for (const id of ['a', 'b', 'a', 'c', 'b']) await system.client.push(system.server.instance, frame(id));
      await system.client.pushAll(frame('last'));
      await eventually(() => expect(received).toEqual(['a', 'b', 'c', 'last']));
    });

    it('do not reach a listener that stopped', async () => {
      const received: unknown[] = [];
      const listening = await system.server.listen(listener({ onPush: (pushed) => void received.push(pushed) }));
      await listening.stop();
      await system.client.push(system.server.instance, frame());
      await system.client.publish('session.revoked.v1', { userId: newId(), sessionIds: [], reason: 'logout' });
      expect(received).toEqual([]);
    });
  });

  describe('stopping', () => {
    const whileServing = async (
      handler: Handler,
      graceMs: number,
      meanwhile: (consumers: Serving) => Promise<void>,
    ) => {
      const consumers = await system.server.serve('messages', serving({ 'message.send.v1': handler }));
      await meanwhile({ stop: () => consumers.stop(graceMs) });
    };

    it('waits for deliveries under way, which are not redelivered', async () => {
      const gate = new Gate();
      const handled: string[] = [];
      await whileServing(
        async (delivery) => (handled.push(clientIdOf(delivery)), await gate.pass(), answerOf(delivery)),
        5000,
        async (consumers) => {
          const conversation = newId();
          const first = send(system.client, conversation, 'first');
          await gate.entered;
          const second = send(system.client, conversation, 'second');
          const stop = consumers.stop();
          gate.open();
          expect(await first).toMatchObject({ duplicate: false });
          await stop;
          expect(handled).toEqual(['first']);
          await system.server.serve('messages', serving({ 'message.send.v1': echo }));
          await second;
          expect(handled).toEqual(['first']);
        },
      );
    });

    it('gives back deliveries that did not end in time, ahead of newer ones', async () => {
      const gate = new Gate();
      await whileServing(
        () => gate.pass(),
        50,
        async (consumers) => {
          const conversation = newId();
          const requests = ['a', 'b'].map((clientId) => send(system.client, conversation, clientId));
          await gate.entered;
          await consumers.stop();
          requests.push(send(system.client, conversation, 'c'));
          const seen: string[] = [];
          await system.server.serve(
            'messages',
            serving({ 'message.send.v1': async (delivery) => (seen.push(clientIdOf(delivery)), answerOf(delivery)) }),
          );
          expect((await Promise.all(requests))[0]).toMatchObject({ duplicate: true });
          expect(seen).toEqual(['a', 'b', 'c']);
          gate.open();
        },
      );
    });

    it('can be done twice', async () => {
      const consumers = await system.server.serve(
        'history',
        serving({ 'history.epoch.v1': async () => ({ epoch: 'e' }) }),
      );
      expect(system.server.status).toEqual({ ready: true });
      await consumers.stop();
      await consumers.stop();
      await system.server.close();
      await system.server.close();
      expect(system.server.status.ready).toBe(false);
      await expect(system.server.push(newId(), frame())).rejects.toBeInstanceOf(Unavailable);
    });
  });

  it('refuses handlers of another service’s requests', async () => {
    await expect(system.server.serve('history', serving({ 'message.send.v1': echo }))).rejects.toThrow(
      'not a request of history',
    );
  });

  it('refuses batch handlers that differ in their concurrency', async () => {
    await expect(
      system.server.serve(
        'messages',
        serving({
          'message.send.v1': batch(async () => undefined, 1, 1),
          'conversation.create.v1': batch(async () => undefined, 1, 2),
        }),
      ),
    ).rejects.toThrow('concurrency');
  });
}
