import {
  DEFAULT_SHARDS,
  newId,
  queueOf,
  times,
  type DomainEvent,
  type DomainEventName,
  type PushFrame,
  type RequestAnswer,
  type RequestName,
  type RequestPayload,
  type Service,
} from '@parley/contracts';
import { endsWithin, inSpan, outgoingTrace, Unavailable, type Logger, type Trace } from '@parley/service-kit';
import type { Broker, BrokerStatus, Handlers, InstanceListener, Serving } from './broker.js';
import { PendingRequests, unavailable } from './deadlines.js';
import {
  defaultRetries,
  InboundMessage,
  retryDelayMs,
  type Answer,
  type DeadLetterCause,
  type EventRetries,
} from './delivery/inbound-message.js';
import { serviceQueues, type ServiceQueue } from './delivery/service-queues.js';
import { isLargerThan, MAX_MESSAGE_BYTES, messageTooLarge } from './message-size.js';
import { PushReceiver } from './push-order.js';

/** The settings of an {@link InProcessBroker}. */
export interface InProcessOptions {
  readonly service: string;
  readonly logger: Logger;
  readonly shards?: number;
  /**
   * Maximum number of messages that may wait or be under way in one queue; further ones are refused with `unavailable`.
   * Default: 20,000.
   */
  readonly queueLimit?: number;
  readonly retries?: EventRetries;
}

interface QueuedMessage {
  readonly queue: string;
  readonly name: string;
  readonly payload: unknown;
  readonly trace: Trace;
  readonly deadline: number | undefined;
  readonly answer: ((answer: Answer) => void) | undefined;
  redelivered: boolean;
  /** How often an event was retried. */
  retries: number;
}
/** A message that could not be handled, with its reason. The process keeps it in memory. */
export interface InProcessDeadLetter extends DeadLetterCause {
  readonly queue: string;
  readonly name: string;
}

/** One queue: the messages that are not settled, in order. Outlives its consumer. */
class Queue {
  readonly messages = new Set<QueuedMessage>();
  consumer: ServiceQueue | undefined;
  /** Increases when a consumer stops: the messages that it was given are not live any more. */
  generation = 0;
}

const MAX_DEAD_LETTERS = 10_000;

/** The same limit as RabbitMQ's, so that nothing works in one mode only. */
const isTooLarge = (value: unknown): boolean => isLargerThan(MAX_MESSAGE_BYTES, value);
const tooLarge = (): Answer => ({ error: messageTooLarge(MAX_MESSAGE_BYTES).toBody() });

/**
 * The broker of one process. Requests, events and frames keep the order in which they were sent. They are lost with the
 * process. That is safe, because every answer waits for the database. Requests and events are copied by their schemas;
 * answers and frames are handed over without a copy, so their sender must not change them afterwards.
 */
export class InProcessBroker implements Broker {
  readonly instance = newId();
  private readonly queues = new Map<string, Queue>();
  /** By event name, the queues that get it. */
  private readonly subscriptions = new Map<string, Set<string>>();
  private readonly listeners = new Map<InstanceListener, PushReceiver>();
  private readonly servings = new Set<Serving>();
  private readonly retryTimers = new Set<NodeJS.Timeout>();
  private readonly requests = new PendingRequests();
  private readonly dead = new Map<QueuedMessage, DeadLetterCause>();
  private readonly shards: number;
  private readonly queueLimit: number;
  private readonly retries: EventRetries;
  private closed = false;

  constructor(private readonly options: InProcessOptions) {
    this.shards = options.shards ?? DEFAULT_SHARDS;
    this.queueLimit = options.queueLimit ?? 20_000;
    this.retries = options.retries ?? defaultRetries;
  }

  async start(): Promise<void> {}

  get status(): BrokerStatus {
    return this.closed ? { ready: false, reason: 'closed' } : { ready: true };
  }

  async request<N extends RequestName>(
    name: N,
    payload: RequestPayload<N>,
    { deadlineMs = times.deadlineMs, correlationId }: { deadlineMs?: number; correlationId?: string } = {},
  ): Promise<RequestAnswer<N>> {
    const deadline = Date.now() + deadlineMs;
    const queue = queueOf(name, payload, this.shards);
    return inSpan(
      `request ${name}`,
      'client',
      () =>
        new Promise((resolve, reject) => {
          const message = this.messageOf(queue, name, payload, correlationId);
          const id = this.requests.add(deadline, resolve as (answer: unknown) => void, reject);
          const answer = (given: Answer) =>
            this.requests.settle(id, 'ok' in given && isTooLarge(given.ok) ? tooLarge() : given);
          if (isTooLarge(payload)) answer(tooLarge());
          else if (!this.enqueue({ ...message, deadline, answer }))
            answer(unavailable('no queue for it, or the queue is full'));
        }),
    );
  }

  publish<N extends DomainEventName>(
    name: N,
    event: DomainEvent<N>,
    { correlationId }: { correlationId?: string } = {},
  ): Promise<void> {
    return inSpan(`publish ${name}`, 'producer', async () => {
      if (this.closed) throw new Unavailable('the broker is closed');
      if (isTooLarge(event)) throw messageTooLarge(MAX_MESSAGE_BYTES);
      const trace = outgoingTrace(correlationId);
      const queues = [...(this.subscriptions.get(name) ?? [])];
      const taken = queues.map((queue) => this.enqueue({ ...this.messageOf(queue, name, event), trace }));
      for (const listener of this.listeners.keys())
        if (listener.events.includes(name)) this.notify(() => listener.onEvent(name, event));
      if (taken.includes(false)) throw new Unavailable('a queue is full');
    });
  }

  async push(gateway: string, frame: PushFrame): Promise<void> {
    if (this.closed || gateway === this.instance) await this.pushAll(frame);
  }

  async pushAll(frame: PushFrame): Promise<void> {
    if (this.closed) throw new Unavailable('the broker is closed');
    if (isTooLarge(frame)) throw messageTooLarge(MAX_MESSAGE_BYTES);
    for (const receiver of this.listeners.values()) this.notify(() => receiver.take(frame));
  }

  async serve(service: Service, handlers: Handlers): Promise<Serving> {
    const queues = serviceQueues(service, handlers, this.shards, this.options.logger);
    if (queues.some(({ name }) => this.queues.get(name)?.consumer)) throw new Error(`${service} is served already`);
    for (const event of handlers.events.keys())
      this.subscribe(event, queues.find(({ kind }) => kind === 'event')!.name);
    for (const queue of queues) this.consume(queue);
    const serving: Serving = {
      stop: async (graceMs = 10_000) => {
        if (!this.servings.delete(serving)) return;
        const workers = new Set(queues.map(({ worker }) => worker));
        await endsWithin(graceMs, Promise.all([...workers].map((worker) => worker.stop())));
        for (const { name } of queues) this.abandon(this.queues.get(name)!);
      },
    };
    this.servings.add(serving);
    return serving;
  }

  async listen(listener: InstanceListener): Promise<Serving> {
    this.listeners.set(listener, new PushReceiver(listener));
    return { stop: async () => void this.listeners.delete(listener) };
  }

  async close(graceMs = 10_000): Promise<void> {
    await Promise.all([...this.servings].map((serving) => serving.stop(graceMs)));
    this.closed = true;
    for (const timer of this.retryTimers) clearTimeout(timer);
    this.requests.settleAll(unavailable('the broker is closed'));
    this.listeners.clear();
  }

  /** The newest dead letters of this process, at most 10,000, oldest first. */
  get deadLetters(): readonly InProcessDeadLetter[] {
    return [...this.dead].map(([{ queue, name }, cause]) => ({ queue, name, ...cause }));
  }

  /** Puts dead letters back into their queues. Resolves with their number. */
  async redrive(): Promise<number> {
    let count = 0;
    for (const message of this.dead.keys()) {
      if (!this.enqueue({ ...message, redelivered: true, retries: 0 })) break;
      this.dead.delete(message);
      count++;
    }
    return count;
  }

  /**
   * Puts an unchecked message into a queue, as a defect elsewhere might. Returns false when the queue does not take it.
   */
  inject(queue: string, name: string, payload: unknown): boolean {
    return this.enqueue(this.messageOf(queue, name, payload));
  }

  private messageOf(queue: string, name: string, payload: unknown, correlationId?: string): QueuedMessage {
    const trace = outgoingTrace(correlationId);
    return { queue, name, payload, trace, deadline: undefined, answer: undefined, redelivered: false, retries: 0 };
  }

  private subscribe(event: string, queue: string): void {
    const queues = this.subscriptions.get(event) ?? new Set();
    this.subscriptions.set(event, queues.add(queue));
  }

  private consume(consumer: ServiceQueue): void {
    const queue = this.queues.get(consumer.name) ?? new Queue();
    this.queues.set(consumer.name, queue);
    queue.consumer = consumer;
    for (const message of queue.messages) this.deliver(queue, message);
  }

  /** Returns false when nobody ever consumed the queue, or when it is full. */
  private enqueue(message: QueuedMessage): boolean {
    const queue = this.queues.get(message.queue);
    if (this.closed || !queue || queue.messages.size >= this.queueLimit) return false;
    queue.messages.add(message);
    this.deliver(queue, message);
    return true;
  }

  private deliver(queue: Queue, message: QueuedMessage): void {
    const bury = (cause: DeadLetterCause) => this.bury(message, cause);
    const postpone = () => this.postpone(queue, message);
    queue.consumer?.worker.add(new InProcessMessage(queue, message, bury, postpone));
  }

  private abandon(queue: Queue): void {
    queue.consumer = undefined;
    queue.generation++;
    for (const message of queue.messages) message.redelivered = true;
  }

  private bury(message: QueuedMessage, cause: DeadLetterCause): void {
    if (this.dead.size >= MAX_DEAD_LETTERS) this.dead.delete(this.dead.keys().next().value!);
    this.dead.set(message, cause);
  }

  private postpone(queue: Queue, message: QueuedMessage): boolean {
    const delayMs = retryDelayMs(this.retries, message.retries);
    if (delayMs === undefined) return false;
    queue.messages.delete(message);
    message.retries++;
    message.redelivered = true;
    const timer = setTimeout(() => {
      this.retryTimers.delete(timer);
      queue.messages.add(message);
      this.deliver(queue, message);
    }, delayMs);
    this.retryTimers.add(timer);
    return true;
  }

  private notify(listener: () => void): void {
    queueMicrotask(() => {
      try {
        listener();
      } catch (error) {
        this.options.logger.error({ err: error }, 'a listener failed');
      }
    });
  }
}

class InProcessMessage extends InboundMessage {
  private readonly generation: number;

  constructor(
    private readonly home: Queue,
    private readonly message: QueuedMessage,
    private readonly bury: (cause: DeadLetterCause) => void,
    private readonly postpone: () => boolean,
  ) {
    super({ ...message, expectsReply: message.answer !== undefined });
    this.generation = home.generation;
  }

  get live(): boolean {
    return this.home.generation === this.generation;
  }
  protected read(): unknown {
    return this.message.payload;
  }
  answer(answer: Answer): void {
    this.message.answer?.(answer);
  }
  ack(): void {
    this.settle();
  }
  async deadLetter(cause: DeadLetterCause): Promise<void> {
    if (this.settle()) this.bury(cause);
  }
  async retryLater(): Promise<boolean> {
    return !this.live || this.postpone();
  }
  private settle(): boolean {
    return this.live && this.home.messages.delete(this.message);
  }
}

/** A {@link Broker} for everything in one process. */
export const createInProcessBroker = (options: InProcessOptions): InProcessBroker => new InProcessBroker(options);
