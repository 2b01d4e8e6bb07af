import {
  ChatError, DEFAULT_SHARDS, names, newId, PushFrame, queueOf, requests, times,
  type DomainEvent, type DomainEventName, type RequestAnswer, type RequestName, type RequestPayload, type Service,
} from '@parley/contracts';
import { currentTrace, StartError, Unavailable, type Logger } from '@parley/service-kit';
import type { ConsumeMessage, Options } from 'amqplib';
import { messageOf, type Answer } from '../arrival.js';
import type { Broker, BrokerStatus, Handlers, InstanceListener, Serving } from '../broker.js';
import { atMost, Deadlines } from '../deadlines.js';
import { CONCURRENCY, plan, type PlannedQueue, type QueueKind } from '../plan.js';
import { defaultRetries, type Retries } from '../retries.js';
import { Seen } from '../seen.js';
import { RabbitArrival, type Headers, type Office } from './arrival.js';
import { Numbering, Sequence } from './frames.js';
import { Link } from './link.js';
import { Publisher, type OutboxLimits } from './publisher.js';
import { PROBE, Shares } from './shares.js';
import { Subscription, type Flow } from './subscription.js';
import { declareInstance, declareReplies, declareRoster, declareServed, EVERYBODY, rosterQueue } from './topology.js';

export interface RabbitOptions {
  /** `amqp://` or `amqps://`, with the vhost as its path. */
  readonly url: string;
  readonly service: string;
  readonly logger: Logger;
  readonly shards?: number;
  /** How long `start` and `serve` may take, in milliseconds. */
  readonly connectTimeoutMs?: number;
  /** The longest that a publish waits for its confirm, cut connections included, in milliseconds. */
  readonly confirmTimeoutMs?: number;
  readonly outbox?: OutboxLimits;
  /** The most unacknowledged deliveries of one shard or command queue. */
  readonly prefetch?: number;
  /** How often replicas compare their shares of the shards, in milliseconds. */
  readonly balanceEveryMs?: number;
  readonly retries?: Retries;
}

interface Pending {
  readonly id: string;
  readonly deadline: number;
  settle(answer: Answer): void;
}

const unavailable = (why: string): Answer => ({ error: new ChatError('unavailable', why).toBody() });
const encode = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

class RabbitBroker implements Broker {
  readonly instance = newId();
  private readonly publishing: Link;
  private readonly consuming: Link;
  private readonly publisher: Publisher;
  private readonly subscriptions = new Set<Subscription>();
  private readonly servings = new Set<Serving>();
  private readonly pending = new Map<string, Pending>();
  private readonly deadlines = new Deadlines<Pending>(({ id }) => this.settle(id, unavailable('no answer in time')));
  private readonly numbering = new Numbering(this.instance);
  private readonly logger: Logger;
  private readonly shards: number;
  private readonly connectMs: number;
  private readonly confirmMs: number;
  private readonly limits: OutboxLimits;
  private readonly office: Office;
  private sent = 0;
  private state: 'new' | 'open' | 'closing' | 'closed' = 'new';

  constructor(private readonly options: RabbitOptions) {
    this.logger = options.logger;
    this.shards = options.shards ?? DEFAULT_SHARDS;
    this.connectMs = options.connectTimeoutMs ?? 15_000;
    this.confirmMs = options.confirmTimeoutMs ?? 8_000;
    this.limits = options.outbox ?? { messages: 20_000, bytes: 64 * 1024 * 1024 };
    this.publisher = new Publisher(this.limits, this.logger);
    this.publishing = new Link(options.url, `${options.service}: publish`, this.logger, (model) => this.publisher.use(model));
    this.consuming = new Link(options.url, `${options.service}: consume`, this.logger);
    this.office = {
      answer: (queue, id, answer, deadline) => this.answer(queue, id, answer, deadline),
      keep: (exchange, key, content, options) => this.confirmed(exchange, key, content, options),
      retries: options.retries ?? defaultRetries,
    };
  }

  async start(): Promise<void> {
    this.publishing.open();
    this.consuming.open();
    this.state = 'open';
    try {
      await this.publishing.connected(this.connectMs);
      await this.subscribe({
        queue: names.replyQueue(this.instance),
        prefetch: 1000,
        declare: (channel) => declareReplies(channel, this.instance),
        onMessage: (message, flow) => this.onReply(message, flow),
      });
    } catch (error) {
      await this.close(0);
      throw new StartError(`RabbitMQ at ${new URL(this.options.url).host} cannot be used: ${messageOf(error)}`);
    }
  }

  get status(): BrokerStatus {
    const problems = [this.publishing.problem, this.consuming.problem, ...[...this.subscriptions].map(({ queue, problem }) => problem && `${queue}: ${problem}`)];
    const reason = this.state === 'open' ? problems.find((problem) => problem !== undefined) : 'not open';
    return reason === undefined ? { ready: true } : { ready: false, reason };
  }

  request<N extends RequestName>(name: N, payload: RequestPayload<N>, { deadlineMs = times.deadlineMs, correlationId = traceId() }: { deadlineMs?: number; correlationId?: string } = {}): Promise<RequestAnswer<N>> {
    return new Promise((resolve, reject) => {
      const settle = (answer: Answer) => ('ok' in answer ? resolve(answer.ok as RequestAnswer<N>) : reject(ChatError.fromBody(answer.error)));
      if (this.state !== 'open' || this.pending.size >= this.limits.messages) return settle(unavailable('the broker is closed, or too much is under way'));
      const id = this.nextId();
      const deadline = Date.now() + deadlineMs;
      const pending = { id, deadline, settle };
      this.pending.set(id, pending);
      this.deadlines.add(pending);
      const kept = requests[name].via !== 'query';
      this.publisher.send({
        exchange: names.commands,
        key: queueOf(name, payload, this.shards),
        content: encode(payload),
        options: {
          type: name, messageId: id, correlationId: id, replyTo: names.replyQueue(this.instance), mandatory: true, persistent: kept,
          headers: { ...trace(correlationId), deadline }, ...(kept ? {} : { expiration: Math.max(0, Math.floor(deadlineMs)) }),
        },
        deadline,
        // Nobody may do a query twice without being asked to: a refresh token is good for one use.
        repeatable: kept,
        failed: (error) => this.settle(id, unavailable(error.message)),
      });
    });
  }

  publish<N extends DomainEventName>(name: N, event: DomainEvent<N>, { correlationId = traceId() }: { correlationId?: string } = {}): Promise<void> {
    const { stream, number } = this.numbering.next(name);
    return this.confirmed(names.events, name, encode(event), { type: name, persistent: true, headers: { ...trace(correlationId), stream, number } });
  }

  push(gateway: string, frame: PushFrame): Promise<void> {
    const { stream, number } = this.numbering.next(gateway);
    return this.confirmed(names.push, gateway, encode(frame), { type: 'frame', headers: { ...trace(traceId()), stream, number } });
  }

  pushAll(frame: PushFrame): Promise<void> {
    return this.push(EVERYBODY, frame);
  }

  async serve(service: Service, handlers: Handlers): Promise<Serving> {
    const queues = plan(service, handlers, this.shards, this.logger);
    const made = queues.map((queue) => ({ queue, intake: queue.intake, subscription: this.make(service, queue, handlers) }));
    const shards = made.filter(({ queue }) => queue.kind === 'shard');
    const roster = this.prepare({ queue: rosterQueue(service), prefetch: 1, declare: (channel) => declareRoster(channel, service), onMessage: (message, flow) => flow.done(message) });
    const shares = new Shares(this.consuming, shards, roster.queue, (queue) => this.probe(queue), this.options.balanceEveryMs ?? 5000, this.logger);
    const serving: Serving = {
      stop: async (graceMs = 10_000) => {
        if (!this.servings.delete(serving)) return;
        await shares.stop();
        // Another replica must not get a shard while this one works on it; of the other queues it may have everything at once.
        for (const { queue, subscription } of made) if (queue.kind === 'shard') subscription.hold();
        await Promise.all(made.map(({ queue, subscription }) => (queue.kind === 'shard' ? undefined : subscription.cancel())));
        await atMost(graceMs, Promise.all([...new Set(queues.map(({ intake }) => intake))].map((intake) => intake.stop())));
        await Promise.all([roster, ...made.map(({ subscription }) => subscription)].map((subscription) => this.drop(subscription)));
      },
    };
    this.servings.add(serving);
    try {
      await Promise.all([...(shards.length > 0 ? [roster] : []), ...made.map(({ subscription }) => subscription)].map((subscription) => this.add(subscription)));
    } catch (error) {
      await serving.stop(0);
      throw new StartError(`${service} cannot consume: ${messageOf(error)}`);
    }
    if (shards.length > 0) shares.start();
    return serving;
  }

  async listen(listener: InstanceListener): Promise<Serving> {
    const seen = new Seen();
    const sequence = new Sequence();
    const subscription = await this.subscribe({
      queue: names.pushQueue(this.instance),
      prefetch: 1000,
      declare: (channel) => declareInstance(channel, this.instance, listener.events),
      onMessage: (message, flow) => {
        try {
          this.deliver(message, listener, seen, sequence);
        } catch (error) {
          this.logger.error({ err: error, name: message.properties.type as string }, 'a listener failed');
        }
        flow.done(message);
      },
      onResumed: () => listener.onGap(),
    });
    return { stop: () => this.drop(subscription) };
  }

  async close(graceMs = 10_000): Promise<void> {
    if (this.state === 'closed' || this.state === 'closing') return;
    const until = Date.now() + graceMs;
    await Promise.all([...this.servings].map((serving) => serving.stop(graceMs)));
    this.state = 'closing';
    await this.publisher.drained(Math.max(0, until - Date.now()));
    for (const id of this.pending.keys()) this.settle(id, unavailable('the broker is closed'));
    await Promise.all([...this.subscriptions].map((subscription) => this.drop(subscription)));
    await this.forget();
    this.publisher.close();
    await Promise.all([this.publishing.close(), this.consuming.close()]);
    this.state = 'closed';
  }

  private nextId(): string {
    return (this.sent++).toString(36);
  }

  private settle(id: string, answer: Answer): void {
    const pending = this.pending.get(id);
    if (!pending) return;
    this.pending.delete(id);
    this.deadlines.delete(pending);
    pending.settle(answer);
  }

  private onReply(message: ConsumeMessage, flow: Flow): void {
    const id = message.properties.correlationId as string;
    // An answer that nobody waits for any more is not worth parsing.
    if (this.pending.has(id)) this.settle(id, JSON.parse(message.content.toString()) as Answer);
    flow.done(message);
  }

  private answer(queue: string, id: string, answer: Answer, deadline: number | undefined): void {
    this.publisher.send({
      exchange: '',
      key: queue,
      content: encode(answer),
      options: { type: 'answer', correlationId: id },
      deadline: deadline ?? Date.now() + this.confirmMs,
      repeatable: true,
      failed: (error) => this.logger.warn({ err: error }, 'an answer was not sent'),
    });
  }

  private confirmed(exchange: string, key: string, content: Buffer, options: Options.Publish): Promise<void> {
    if (this.state === 'closed' || this.state === 'new') return Promise.reject(new Unavailable('the broker is closed'));
    return new Promise((confirmed, failed) => {
      const messageId = options.mandatory ? { messageId: this.nextId() } : {};
      this.publisher.send({ exchange, key, content, options: { ...options, ...messageId }, deadline: Date.now() + this.confirmMs, repeatable: true, confirmed, failed });
    });
  }

  private probe(queue: string): void {
    const deadline = Date.now() + 5000;
    this.publisher.send({ exchange: names.commands, key: queue, content: encode(null), options: { type: PROBE, expiration: 5000 }, deadline, repeatable: false });
  }

  private make(service: Service, queue: PlannedQueue, handlers: Handlers): Subscription {
    return this.prepare({
      queue: queue.name,
      prefetch: this.prefetchOf(queue.kind),
      declare: (channel) => declareServed(channel, queue, service, handlers.events.keys(), this.office.retries.delaysMs),
      onMessage: (message, flow) => {
        if (message.properties.type === PROBE) flow.done(message);
        else queue.intake.add(new RabbitArrival(message, flow, queue.name, service, this.office));
      },
    });
  }

  private prefetchOf(kind: QueueKind): number {
    return kind === 'shard' || kind === 'command' ? (this.options.prefetch ?? 250) : 4 * CONCURRENCY;
  }

  private deliver(message: ConsumeMessage, listener: InstanceListener, seen: Seen, sequence: Sequence): void {
    const { stream, number } = (message.properties.headers ?? {}) as Headers;
    const order = stream !== undefined && number !== undefined ? sequence.check(stream, number, message.fields.routingKey === this.instance) : 'next';
    if (order === 'old') return;
    if (order === 'gap') listener.onGap();
    const content = JSON.parse(message.content.toString()) as unknown;
    if (message.fields.exchange === names.events) return listener.onEvent(message.properties.type as DomainEventName, content);
    const frame = PushFrame.parse(content);
    if (frame.kind !== 'users' || frame.id === undefined || seen.first(frame.id)) listener.onPush(frame);
  }

  private prepare(options: ConstructorParameters<typeof Subscription>[1]): Subscription {
    return new Subscription(this.consuming, options, this.logger);
  }

  private async add(subscription: Subscription): Promise<void> {
    this.subscriptions.add(subscription);
    await subscription.start(this.connectMs);
  }

  private async subscribe(options: ConstructorParameters<typeof Subscription>[1]): Promise<Subscription> {
    const subscription = this.prepare(options);
    await this.add(subscription);
    return subscription;
  }

  private async drop(subscription: Subscription): Promise<void> {
    await subscription.stop();
    this.subscriptions.delete(subscription);
  }

  /** Deletes this instance's queues; without a connection they end by themselves, a minute later. */
  private async forget(): Promise<void> {
    try {
      const channel = await (await this.consuming.connected(0)).createChannel();
      for (const queue of [names.replyQueue(this.instance), names.pushQueue(this.instance)]) await channel.deleteQueue(queue);
    } catch {
      // They expire.
    }
  }
}

const traceId = (): string => currentTrace()?.correlationId ?? newId();
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const spans = newId().slice(-8);
let span = 0;

/** The correlation id as our header, and, where it is a UUID, as the W3C trace of which this message is a span. */
function trace(correlationId: string): Record<string, string> {
  if (!uuid.test(correlationId)) return { 'correlation-id': correlationId };
  span = (span + 1) % 0xffff_ffff;
  return { 'correlation-id': correlationId, traceparent: `00-${correlationId.replaceAll('-', '')}-${spans}${span.toString(16).padStart(8, '0')}-01` };
}

/**
 * A {@link Broker} on RabbitMQ 3.10 or later. One connection to publish and one to consume; both come back after anything, with everything that this process consumes,
 * and what was not confirmed is published again. See `topology.ts` for the queues.
 */
export const createRabbitBroker = (options: RabbitOptions): Broker => new RabbitBroker(options);
