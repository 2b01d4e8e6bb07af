import {
  DEFAULT_SHARDS,
  ErrorBody,
  names,
  newId,
  queueOf,
  requests,
  times,
  type DomainEvent,
  type DomainEventName,
  type PushFrame,
  type RequestAnswer,
  type RequestName,
  type RequestPayload,
  type Service,
} from '@parley/contracts';
import { inSpan, StartError, Unavailable, type Logger } from '@parley/service-kit';
import type { ConsumeMessage, Options } from 'amqplib';
import { messageOf, type Answer } from '../delivery/inbound-message.js';
import { each } from '../each.js';
import type { Broker, BrokerStatus, Handlers, InstanceListener, Serving } from '../broker.js';
import { headersFor, originOf, textOf, type Origin } from './wire-format.js';
import { plan } from '../delivery/service-queues.js';
import { Requests, unavailable } from '../pending-requests.js';
import { defaultRetries, type Retries } from '../retries.js';
import type { Office } from './rabbit-message.js';
import { Numbering } from '../push-order.js';
import { Link } from './connection.js';
import { Listening } from './push-consumer.js';
import { Gathering, type Part } from './publish-batcher.js';
import { Publisher, type OutboxLimits, type Publication } from './publisher.js';
import { Served } from './service-consumer.js';
import { PROBE } from './shard-balancer.js';
import { Subscription, type Flow } from './queue-consumer.js';
import { declareInstance, declareReplies, EVERYBODY } from './topology.js';

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

/** A request on its way. */
interface Wanted extends Part, Origin {
  readonly name: RequestName;
  readonly key: string;
  readonly id: string;
}

const encode = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

class RabbitBroker implements Broker {
  readonly instance = newId();
  private readonly publishing: Link;
  private readonly consuming: Link;
  private readonly publisher: Publisher;
  private readonly gathering = new Gathering((publication) => this.publisher.send(publication));
  private readonly subscriptions = new Set<Subscription>();
  private readonly servings = new Set<Serving>();
  private readonly requests = new Requests();
  private readonly numbering = new Numbering(this.instance);
  private readonly replies: string;
  /** The queues of this instance. */
  private readonly own: string[];
  private readonly logger: Logger;
  private readonly shards: number;
  private readonly connectMs: number;
  private readonly confirmMs: number;
  private readonly outbox: OutboxLimits;
  private readonly office: Office;
  private mandatory = 0;
  private state: 'new' | 'open' | 'closing' | 'closed' = 'new';

  constructor(private readonly options: RabbitOptions) {
    this.logger = options.logger;
    this.replies = names.replyQueue(options.service, this.instance);
    this.own = [this.replies];
    this.shards = options.shards ?? DEFAULT_SHARDS;
    this.connectMs = options.connectTimeoutMs ?? 15_000;
    this.confirmMs = options.confirmTimeoutMs ?? 8_000;
    this.outbox = options.outbox ?? { messages: 20_000, bytes: 64 * 1024 * 1024 };
    this.publisher = new Publisher(this.outbox, this.logger);
    this.publishing = new Link(options.url, `${options.service}: publish`, this.logger, (model) =>
      this.publisher.use(model),
    );
    this.consuming = new Link(options.url, `${options.service}: consume`, this.logger);
    this.office = {
      answer: (queue, id, answer, deadline) => this.answer(queue, id, answer, deadline),
      keep: (exchange, key, content, properties) => this.confirmed(exchange, key, content, properties),
      retries: options.retries ?? defaultRetries,
    };
  }

  async start(): Promise<void> {
    this.state = 'open';
    this.publishing.open();
    this.consuming.open();
    try {
      await this.publishing.connected(this.connectMs);
      const declare: Subscription['options']['declare'] = (channel) => declareReplies(channel, this.replies);
      await this.subscribe({
        queue: this.replies,
        prefetch: 1000,
        declare,
        onMessage: (message, flow) => this.onReply(message, flow),
      });
    } catch (error) {
      await this.close(0);
      throw new StartError(`RabbitMQ at ${new URL(this.options.url).host} cannot be used: ${messageOf(error)}`);
    }
  }

  get status(): BrokerStatus {
    const problems = [
      this.publishing.problem,
      this.consuming.problem,
      ...[...this.subscriptions].map(({ queue, problem }) => problem && `${queue}: ${problem}`),
    ];
    const reason = this.state === 'open' ? problems.find((problem) => problem !== undefined) : 'not open';
    return reason === undefined ? { ready: true } : { ready: false, reason };
  }

  async request<N extends RequestName>(
    name: N,
    payload: RequestPayload<N>,
    { deadlineMs = times.deadlineMs, correlationId }: { deadlineMs?: number; correlationId?: string } = {},
  ): Promise<RequestAnswer<N>> {
    const content = JSON.stringify(payload);
    const key = queueOf(name, payload, this.shards);
    const deadline = Math.ceil(Date.now() + deadlineMs);
    return inSpan(
      `request ${name}`,
      'client',
      () =>
        new Promise((resolve, reject) => {
          const id = this.requests.add(deadline, resolve as (answer: unknown) => void, reject);
          if (this.state !== 'open' || this.requests.size > this.outbox.messages)
            return this.requests.settle(id, unavailable('the broker is closed, or too much is under way'));
          const wanted: Wanted = {
            name,
            key,
            id,
            ...originOf(correlationId),
            deadline,
            content,
            failed: (error) => this.requests.settle(id, unavailable(error.message)),
          };
          if (requests[name].together) this.gathering.together(key, name, wanted, (all) => this.asked(all));
          else
            this.gathering.alone(key, { ...this.asked([wanted]), deadline, failed: (error) => wanted.failed?.(error) });
        }),
    );
  }

  /** The message of requests of one name to one queue. */
  private asked(all: readonly Wanted[]): Omit<Publication, 'deadline' | 'failed'> {
    const { name, key, id, deadline, content } = all[0]!;
    const kept = requests[name].via !== 'query';
    const left = (until: number): number => Math.max(0, Math.floor(until - Date.now()));
    const alone = all.length === 1;
    return {
      exchange: names.commands,
      key,
      content: Buffer.from(
        alone
          ? content
          : `[${all.map((one) => `["${one.id}",${JSON.stringify(textOf(one))},${left(one.deadline)},${one.content}]`).join(',')}]`,
      ),
      options: {
        type: name,
        messageId: id,
        replyTo: this.replies,
        mandatory: true,
        persistent: kept,
        ...(alone ? { correlationId: id } : {}),
        headers: { ...headersFor(all[0]!), ...(alone ? { budget: left(deadline) } : { bundle: all.length }) },
        ...(kept ? {} : { expiration: left(Math.max(...all.map((one) => one.deadline))) }),
      },
      // Nobody may do a query twice without being asked to: a refresh token is good for one use.
      repeatable: kept,
    };
  }

  async publish<N extends DomainEventName>(
    name: N,
    event: DomainEvent<N>,
    { correlationId }: { correlationId?: string } = {},
  ): Promise<void> {
    const content = encode(event);
    await inSpan(`publish ${name}`, 'producer', () => {
      const { stream, number } = this.numbering.next(name);
      return this.confirmed(names.events, name, content, {
        type: name,
        persistent: true,
        headers: { ...headersFor(originOf(correlationId)), stream, number },
      });
    });
  }

  async push(gateway: string, frame: PushFrame): Promise<void> {
    if (this.state === 'closed' || this.state === 'new') throw new Unavailable('the broker is closed');
    const content = JSON.stringify(frame);
    const origin = originOf();
    await new Promise<void>((confirmed, failed) => {
      this.gathering.together(
        gateway,
        'frames',
        { content, deadline: Date.now() + this.confirmMs, confirmed, failed },
        (frames) => {
          const { stream, number } = this.numbering.next(gateway);
          return {
            exchange: names.push,
            key: gateway,
            content: listOf(frames),
            repeatable: true,
            options: { type: 'frames', headers: { ...headersFor(origin), stream, number } },
          };
        },
      );
    });
  }

  pushAll(frame: PushFrame): Promise<void> {
    return this.push(EVERYBODY, frame);
  }

  async serve(service: Service, handlers: Handlers): Promise<Serving> {
    const queues = plan(service, handlers, this.shards, this.logger);
    const { prefetch = 250, balanceEveryMs = 5000 } = this.options;
    const served = new Served({
      service,
      queues,
      handlers,
      link: this.consuming,
      office: this.office,
      logger: this.logger,
      prefetch,
      balanceEveryMs,
      probe: (queue) => this.probe(queue),
    });
    const serving: Serving = {
      stop: async (graceMs = 10_000) => {
        if (!this.servings.delete(serving)) return;
        await served.stop(graceMs);
        for (const subscription of served.subscriptions) this.subscriptions.delete(subscription);
      },
    };
    this.servings.add(serving);
    for (const subscription of served.subscriptions) this.subscriptions.add(subscription);
    try {
      await served.start(this.connectMs);
    } catch (error) {
      await serving.stop(0);
      throw new StartError(`${service} cannot consume: ${messageOf(error)}`);
    }
    return serving;
  }

  async listen(listener: InstanceListener): Promise<Serving> {
    const listening = new Listening(this.instance, listener);
    const queue = names.pushQueue(this.instance);
    this.own.push(queue);
    const subscription = await this.subscribe({
      queue,
      prefetch: 1000,
      declare: (channel) => declareInstance(channel, this.instance, listener.events),
      onMessage: (message, flow) => {
        listening.take(message);
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
    this.gathering.flush();
    await this.publisher.drained(Math.max(0, until - Date.now()));
    this.requests.settleAll(unavailable('the broker is closed'));
    await Promise.all([...this.subscriptions].map((subscription) => this.drop(subscription)));
    await this.forget();
    this.publisher.close();
    await Promise.all([this.publishing.close(), this.consuming.close()]);
    this.state = 'closed';
  }

  private onReply(message: ConsumeMessage, flow: Flow): void {
    each(
      answersIn(message.content),
      ([id, answer]) => this.requests.has(id) && this.requests.settle(id, answerIn(answer)),
    );
    flow.done(message);
  }

  private answer(queue: string, id: string, answer: Answer, deadline = Date.now() + this.confirmMs): void {
    const failed = (error: Unavailable) => this.logger.warn({ err: error }, 'an answer was not sent');
    this.gathering.together(
      queue,
      'answers',
      { content: `[${JSON.stringify(id)},${JSON.stringify(answer)}]`, deadline, failed },
      (answers) => ({
        exchange: names.replies,
        key: queue,
        content: listOf(answers),
        repeatable: true,
        options: { type: 'answers' },
      }),
    );
  }

  private confirmed(exchange: string, key: string, content: Buffer, properties: Options.Publish): Promise<void> {
    if (this.state === 'closed' || this.state === 'new') return Promise.reject(new Unavailable('the broker is closed'));
    const options = properties.mandatory ? { ...properties, messageId: `kept-${this.mandatory++}` } : properties;
    return new Promise((confirmed, failed) => {
      this.publisher.send({
        exchange,
        key,
        content,
        options,
        deadline: Date.now() + this.confirmMs,
        repeatable: true,
        confirmed,
        failed,
      });
    });
  }

  private probe(queue: string): void {
    this.publisher.send({
      exchange: names.commands,
      key: queue,
      content: encode(null),
      options: { type: PROBE, expiration: 5000 },
      deadline: Date.now() + 5000,
      repeatable: false,
    });
  }

  private async subscribe(options: Subscription['options']): Promise<Subscription> {
    const subscription = new Subscription(this.consuming, options, this.logger);
    this.subscriptions.add(subscription);
    await subscription.start(this.connectMs);
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
      for (const queue of this.own) await channel.deleteQueue(queue);
    } catch {
      // They expire.
    }
  }
}

const listOf = (parts: readonly Part[]): Buffer => Buffer.from(`[${parts.map(({ content }) => content).join(',')}]`);

/** Throws when these are no answers: then the requesters go on waiting for theirs. */
function answersIn(content: Buffer): (readonly [id: string, answer: Answer])[] {
  const answers = JSON.parse(content.toString()) as unknown;
  if (!Array.isArray(answers)) throw new Error('not a list of answers');
  return answers.filter(
    (one): one is [string, Answer] =>
      Array.isArray(one) && typeof one[0] === 'string' && typeof one[1] === 'object' && one[1] !== null,
  );
}

const answerIn = (answer: Answer): Answer =>
  'ok' in answer ? answer : { error: ErrorBody.parse(answer.error) as ErrorBody };

/**
 * A {@link Broker} on RabbitMQ 3.10 or later. One connection to publish and one to consume; both come back after anything, with everything that this process consumes,
 * and what was not confirmed is published again. See `topology.ts` for the queues.
 */
export const createRabbitBroker = (options: RabbitOptions): Broker => new RabbitBroker(options);
