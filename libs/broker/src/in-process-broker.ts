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
import { inSpan, Unavailable, type Logger } from '@parley/service-kit';
import type { Answer, Arrival, Death } from './delivery/inbound-message.js';
import type { Broker, BrokerStatus, Handlers, InstanceListener, Serving } from './broker.js';
import { atMost } from './expiring-set.js';
import { originOf, type Origin } from './rabbit/wire-format.js';
import { plan, type PlannedQueue } from './delivery/service-queues.js';
import { Requests, unavailable } from './pending-requests.js';
import { defaultRetries, type Retries } from './retries.js';
import { Seen } from './seen.js';

export interface InProcessOptions {
  readonly service: string;
  readonly logger: Logger;
  readonly shards?: number;
  /** The most messages that may wait or be under way in one queue; more are refused with `unavailable`. */
  readonly queueLimit?: number;
  readonly retries?: Retries;
}

interface Letter extends Origin {
  readonly queue: string;
  readonly name: string;
  readonly payload: unknown;
  readonly deadline: number | undefined;
  readonly answer: ((answer: Answer) => void) | undefined;
  redelivered: boolean;
  attempts: number;
}
export interface DeadLetter extends Death {
  readonly queue: string;
  readonly name: string;
}

/** One queue: what waits, and what was taken and not settled yet, in order. Outlives its consumer. */
class Mailbox {
  readonly letters = new Set<Letter>();
  consumer: PlannedQueue | undefined;
  /** Changes with the consumer: arrivals of an earlier one are dead. */
  generation = 0;
}

const DEAD_LIMIT = 10_000;

/**
 * The broker of one process. Requests, events and frames keep the order in which they were sent; nothing outlives the process, which is
 * sound because every answer waits for the database. Requests and events are copied by their schemas; answers and frames are handed
 * over as they are, without a copy: whoever hands one over must not change it afterwards.
 */
export class InProcessBroker implements Broker {
  readonly instance = newId();
  private readonly mailboxes = new Map<string, Mailbox>();
  private readonly subscribers = new Map<string, Set<string>>();
  private readonly listeners = new Map<InstanceListener, Seen>();
  private readonly servings = new Set<Serving>();
  private readonly timers = new Set<NodeJS.Timeout>();
  private readonly requests = new Requests();
  private readonly dead = new Map<Letter, Death>();
  private readonly shards: number;
  private readonly limit: number;
  private closed = false;

  constructor(private readonly options: InProcessOptions) {
    this.shards = options.shards ?? DEFAULT_SHARDS;
    this.limit = options.queueLimit ?? 20_000;
  }

  async start(): Promise<void> {}

  get status(): BrokerStatus {
    return this.closed ? { ready: false, reason: 'closed' } : { ready: true };
  }

  async request<N extends RequestName>(
    name: N,
    payload: RequestPayload<N>,
    options: { deadlineMs?: number; correlationId?: string } = {},
  ): Promise<RequestAnswer<N>> {
    const deadline = Date.now() + (options.deadlineMs ?? times.deadlineMs);
    const queue = queueOf(name, payload, this.shards);
    return inSpan(
      `request ${name}`,
      'client',
      () =>
        new Promise((resolve, reject) => {
          const envelope = this.envelope(name, payload, options.correlationId);
          const id = this.requests.add(deadline, resolve as (answer: unknown) => void, reject);
          const taken = this.post({
            ...envelope,
            queue,
            deadline,
            answer: (answer) => this.requests.settle(id, answer),
          });
          if (!taken) this.requests.settle(id, unavailable('no queue for it, or the queue is full'));
        }),
    );
  }

  publish<N extends DomainEventName>(
    name: N,
    event: DomainEvent<N>,
    options: { correlationId?: string } = {},
  ): Promise<void> {
    return inSpan(`publish ${name}`, 'producer', () => this.spread(name, event, options));
  }

  private async spread<N extends DomainEventName>(
    name: N,
    event: DomainEvent<N>,
    options: { correlationId?: string },
  ): Promise<void> {
    if (this.closed) throw new Unavailable('the broker is closed');
    const envelope = this.envelope(name, event, options.correlationId);
    const posted = [...(this.subscribers.get(name) ?? [])].map((queue) =>
      this.post({ ...envelope, queue, deadline: undefined, answer: undefined }),
    );
    for (const listener of this.listeners.keys())
      if (listener.events.includes(name)) this.tell(() => listener.onEvent(name, event));
    if (posted.includes(false)) throw new Unavailable('a queue is full');
  }

  async push(gateway: string, frame: PushFrame): Promise<void> {
    if (this.closed || gateway === this.instance) await this.pushAll(frame);
  }

  async pushAll(frame: PushFrame): Promise<void> {
    if (this.closed) throw new Unavailable('the broker is closed');
    for (const [listener, seen] of this.listeners) {
      if (frame.kind !== 'users' || frame.id === undefined || seen.first(frame.id))
        this.tell(() => listener.onPush(frame));
    }
  }

  async serve(service: Service, handlers: Handlers): Promise<Serving> {
    const queues = plan(service, handlers, this.shards, this.options.logger);
    if (queues.some(({ name }) => this.mailboxes.get(name)?.consumer)) throw new Error(`${service} is served already`);
    for (const name of handlers.events.keys()) this.subscribe(name, queues.find(({ kind }) => kind === 'event')!.name);
    for (const queue of queues) this.consume(queue);
    const serving: Serving = {
      stop: async (graceMs = 10_000) => {
        if (!this.servings.delete(serving)) return;
        await atMost(
          graceMs,
          Promise.all([...new Set(queues.map(({ intake }) => intake))].map((intake) => intake.stop())),
        );
        for (const { name } of queues) this.abandon(this.mailboxes.get(name)!);
      },
    };
    this.servings.add(serving);
    return serving;
  }

  async listen(listener: InstanceListener): Promise<Serving> {
    this.listeners.set(listener, new Seen());
    return { stop: async () => void this.listeners.delete(listener) };
  }

  async close(graceMs = 10_000): Promise<void> {
    await Promise.all([...this.servings].map((serving) => serving.stop(graceMs)));
    this.closed = true;
    for (const timer of this.timers) clearTimeout(timer);
    this.requests.settleAll(unavailable('the broker is closed'));
    this.listeners.clear();
  }

  /** What died in this process, oldest first; at most the newest 10,000. */
  get deadLetters(): readonly DeadLetter[] {
    return [...this.dead].map(([{ queue, name }, death]) => ({ queue, name, ...death }));
  }

  /** Puts dead letters back into their queues. Resolves with their number. */
  async redrive(): Promise<number> {
    let count = 0;
    for (const letter of this.dead.keys()) {
      if (!this.post({ ...letter, redelivered: true, attempts: 0 })) break;
      this.dead.delete(letter);
      count++;
    }
    return count;
  }

  /** Puts a message into a queue as it is, as a defect elsewhere might. False when the queue does not take it. */
  inject(queue: string, name: string, payload: unknown): boolean {
    return this.post({ ...this.envelope(name, payload), queue, deadline: undefined, answer: undefined });
  }

  private envelope(name: string, payload: unknown, correlationId?: string) {
    return { name, payload, ...originOf(correlationId), redelivered: false, attempts: 0 };
  }

  private subscribe(event: string, queue: string): void {
    const queues = this.subscribers.get(event);
    if (queues) queues.add(queue);
    else this.subscribers.set(event, new Set([queue]));
  }

  private consume(queue: PlannedQueue): void {
    const mailbox = this.mailboxes.get(queue.name) ?? new Mailbox();
    this.mailboxes.set(queue.name, mailbox);
    mailbox.consumer = queue;
    for (const letter of mailbox.letters) queue.intake.add(this.arrival(mailbox, letter));
  }

  /** False when nobody ever consumed the queue, or when it is full. */
  private post(letter: Letter): boolean {
    const mailbox = this.mailboxes.get(letter.queue);
    if (this.closed || !mailbox || mailbox.letters.size >= this.limit) return false;
    this.deliver(mailbox, letter);
    return true;
  }

  private deliver(mailbox: Mailbox, letter: Letter): void {
    mailbox.letters.add(letter);
    mailbox.consumer?.intake.add(this.arrival(mailbox, letter));
  }

  private abandon(mailbox: Mailbox): void {
    mailbox.consumer = undefined;
    mailbox.generation++;
    for (const letter of mailbox.letters) letter.redelivered = true;
  }

  private arrival(mailbox: Mailbox, letter: Letter): Arrival {
    const { generation } = mailbox;
    return {
      ...letter,
      get live() {
        return mailbox.generation === generation;
      },
      read: () => letter.payload,
      asked: letter.answer !== undefined,
      answer: (answer) => letter.answer?.(answer),
      done: () => void (mailbox.generation === generation && mailbox.letters.delete(letter)),
      die: async (death) => {
        if (mailbox.generation === generation && mailbox.letters.delete(letter)) this.bury(letter, death);
      },
      later: async () => mailbox.generation !== generation || this.postpone(mailbox, letter),
    };
  }

  private bury(letter: Letter, death: Death): void {
    if (this.dead.size >= DEAD_LIMIT) this.dead.delete(this.dead.keys().next().value!);
    this.dead.set(letter, death);
  }

  private postpone(mailbox: Mailbox, letter: Letter): boolean {
    const { delaysMs, limit } = this.options.retries ?? defaultRetries;
    if (letter.attempts >= limit) return false;
    const delay = delaysMs[Math.min(letter.attempts, delaysMs.length - 1)]!;
    mailbox.letters.delete(letter);
    letter.attempts++;
    letter.redelivered = true;
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      this.deliver(mailbox, letter);
    }, delay);
    this.timers.add(timer);
    return true;
  }

  private tell(what: () => void): void {
    queueMicrotask(() => {
      try {
        what();
      } catch (error) {
        this.options.logger.error({ err: error }, 'a listener failed');
      }
    });
  }
}

/** A {@link Broker} for everything in one process. */
export const createInProcessBroker = (options: InProcessOptions): InProcessBroker => new InProcessBroker(options);
