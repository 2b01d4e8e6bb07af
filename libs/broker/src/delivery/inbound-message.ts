import { AsyncResource } from 'node:async_hooks';
import { ChatError, domainEvents, parseInput, requests, type ErrorBody } from '@parley/contracts';
import type { Trace } from '@parley/service-kit';
import type { Delivery } from '../broker.js';

/** A result or an error for the requester. */
export type Answer = { readonly ok: unknown } | { readonly error: ErrorBody };

/** The reason why a message became a dead letter, for operators and for `redrive`. */
export interface DeadLetterCause {
  readonly reason: 'not-json' | 'unknown-type' | 'invalid' | 'failed' | 'retries';
  readonly detail: string;
}

/** The properties of a message, as read by the transport. */
export interface Envelope {
  /** The queue that it came from. */
  readonly queue: string;
  /** The name of the request or event. */
  readonly name: string;
  /** The trace of the work that it was sent for. */
  readonly trace: Trace;
  /** Whether the queue delivered it before. */
  readonly redelivered: boolean;
  /** Milliseconds since the epoch. */
  readonly deadline: number | undefined;
  /** Whether somebody waits for an answer. */
  readonly expectsReply: boolean;
}

/** The reason why a message cannot be handled: the cause for dead letters, and the error for the requester. */
export interface Rejection {
  readonly cause: DeadLetterCause;
  readonly refusal: ChatError;
}

/**
 * One message of one queue. A transport extends it with the ways to settle it; a handler sees it as a {@link Delivery}.
 * Exactly one of `ack`, `deadLetter` and `retryLater` is called, unless the consumer stops first: then the transport
 * delivers the message again.
 */
export abstract class InboundMessage implements Delivery {
  /** Checked against the schema of its name; set by {@link validate}. */
  payload: unknown;
  /** The work of {@link Delivery.beforeAck}. */
  workBeforeAck: readonly (() => Promise<void>)[] = [];
  private answered = false;
  private attempted = false;

  constructor(readonly envelope: Envelope) {}

  get queue(): string {
    return this.envelope.queue;
  }
  get name(): string {
    return this.envelope.name;
  }
  get correlationId(): string {
    return this.envelope.trace.traceId;
  }
  get redelivered(): boolean {
    return this.attempted || this.envelope.redelivered;
  }
  get deadline(): number | undefined {
    return this.envelope.deadline;
  }
  get isExpired(): boolean {
    return this.deadline !== undefined && this.deadline <= Date.now();
  }

  /**
   * False once the channel of the message has closed: the broker delivers the message again, so it must not be handled
   * here any more.
   */
  abstract readonly live: boolean;
  /** Parses the payload. Throws when it is not JSON. */
  protected abstract read(): unknown;
  /** Answers the requester, if there is one. Never throws. */
  abstract answer(answer: Answer): void;
  /** Acknowledges. */
  abstract ack(): void;
  /** Makes the message a dead letter, and acknowledges it once the broker has confirmed that. */
  abstract deadLetter(cause: DeadLetterCause): Promise<void>;
  /**
   * For events: has the message delivered again after a delay, and acknowledges it once the broker has confirmed that.
   * Resolves with false when the message was retried too often.
   */
  abstract retryLater(): Promise<boolean>;

  reply(answer: unknown): void {
    if (this.mayAnswer())
      this.answer(answer === undefined ? { error: new ChatError('internal').toBody() } : { ok: answer });
  }
  refuse(error: ChatError): void {
    if (this.mayAnswer()) this.answer({ error: error.toBody() });
  }
  beforeAck(work: () => Promise<void>): void {
    // The work belongs to the trace of the handler.
    this.workBeforeAck = [...this.workBeforeAck, AsyncResource.bind(work)];
  }

  /** Marks the message as redelivered: a handler failed and may have had effects. */
  markAttempted(): void {
    this.attempted = true;
    this.workBeforeAck = [];
  }

  /** Reads the payload and checks it against the schema of its name. Returns undefined when it may be handled. */
  validate(): Rejection | undefined {
    const schema = schemas.get(this.name);
    if (!schema) return reject('unknown-type', this.name, new ChatError('internal', 'unknown request'));
    let payload: unknown;
    try {
      payload = this.read();
    } catch (error) {
      return reject('not-json', messageOf(error), new ChatError('invalid', 'not JSON'));
    }
    try {
      this.payload = parseInput(schema, payload);
      return undefined;
    } catch (error) {
      return reject('invalid', messageOf(error), error instanceof ChatError ? error : new ChatError('internal'));
    }
  }

  private mayAnswer(): boolean {
    if (this.answered || !this.envelope.expectsReply) return false;
    this.answered = true;
    return !this.isExpired;
  }
}

type Schema = Parameters<typeof parseInput>[0];
const schemas: ReadonlyMap<string, Schema> = new Map([
  ...Object.entries(requests).map(([name, { payload }]): [string, Schema] => [name, payload]),
  ...Object.entries(domainEvents),
]);

const reject = (reason: DeadLetterCause['reason'], detail: string, refusal: ChatError): Rejection => ({
  cause: { reason, detail },
  refusal,
});

/** The text of anything that was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** How events are tried again while a dependency is unavailable. */
export interface EventRetries {
  /** The delay before each retry, in milliseconds; the last one repeats. On RabbitMQ each delay has a queue. */
  readonly delaysMs: readonly number[];
  /** Maximum number of retries; then the event is a dead letter. */
  readonly limit: number;
}

/** Retries an event for about four hours. */
export const defaultRetries: EventRetries = { delaysMs: [1_000, 5_000, 30_000], limit: 500 };

/**
 * The delay before the next try of an event that was retried `retries` times, in milliseconds; undefined when it may
 * not be retried again.
 */
export const retryDelayMs = ({ delaysMs, limit }: EventRetries, retries: number): number | undefined =>
  retries >= limit ? undefined : delaysMs[Math.min(retries, delaysMs.length - 1)];
