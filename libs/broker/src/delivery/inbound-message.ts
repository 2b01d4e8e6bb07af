import { AsyncResource } from 'node:async_hooks';
import { ChatError, domainEvents, parseInput, requests, type ErrorBody } from '@parley/contracts';
import type { Delivery } from '../broker.js';

/** What a requester gets. */
export type Answer = { readonly ok: unknown } | { readonly error: ErrorBody };

/** Why a message became a dead letter; for people and for `redrive`. */
export interface Death {
  readonly reason: 'not-json' | 'unknown-type' | 'invalid' | 'failed' | 'retries';
  readonly detail: string;
}

/**
 * One message of one queue, as a transport hands it to the engine: what it says, and what may become of it.
 * Exactly one of `done`, `die` and `later` is called, unless the consumer stops first: then the transport delivers it again.
 */
export interface Arrival {
  readonly queue: string;
  readonly name: string;
  readonly correlationId: string;
  /** The span that asked for it, if there was one. */
  readonly spanId: string | undefined;
  readonly redelivered: boolean;
  readonly deadline: number | undefined;
  /** False once the channel that it came on is gone: it comes again, and is not handled here any more. */
  readonly live: boolean;
  /** The payload as it came. Throws when it is not JSON. */
  read(): unknown;
  /** Whether somebody waits for an answer. */
  readonly asked: boolean;
  /** Answers the requester, if there is one. Never throws. */
  answer(answer: Answer): void;
  /** Acknowledges. */
  done(): void;
  /** Puts it among the dead letters; acknowledged once it is safe there. */
  die(death: Death): Promise<void>;
  /** Events: again after a delay; acknowledged once that is safe. False when it has been retried too often. */
  later(): Promise<boolean>;
}

/** A delivery whose payload passed its schema. */
export class Inbound implements Delivery {
  private answered = false;
  private tried = false;
  /** What the handler left to be done before the acknowledgement. */
  rest: (() => Promise<void>)[] = [];
  constructor(
    readonly arrival: Arrival,
    readonly payload: unknown,
  ) {}
  get name(): string {
    return this.arrival.name;
  }
  get correlationId(): string {
    return this.arrival.correlationId;
  }
  get redelivered(): boolean {
    return this.tried || this.arrival.redelivered;
  }
  /** A handler had it and did not end well: whatever it did may be done. */
  again(): void {
    this.tried = true;
    this.rest = [];
  }
  /** The work goes on in the trace of the handler that left it. */
  until(work: () => Promise<void>): void {
    this.rest.push(AsyncResource.bind(work));
  }
  get deadline(): number | undefined {
    return this.arrival.deadline;
  }
  reply(answer: unknown): void {
    if (this.first())
      this.arrival.answer(answer === undefined ? { error: new ChatError('internal').toBody() } : { ok: answer });
  }
  refuse(error: ChatError): void {
    if (this.first()) this.arrival.answer({ error: error.toBody() });
  }
  private first(): boolean {
    if (this.answered || !this.arrival.asked) return false;
    this.answered = true;
    return !isPast(this.deadline);
  }
}

export const isPast = (deadline: number | undefined): boolean => deadline !== undefined && deadline <= Date.now();

type Schema = Parameters<typeof parseInput>[0];
const schemas: ReadonlyMap<string, Schema> = new Map([
  ...Object.entries(requests).map(([name, { payload }]): [string, Schema] => [name, payload]),
  ...Object.entries(domainEvents),
]);

/** Reads and checks a payload. What is wrong with it comes back as its death and the refusal for its requester. */
export function open(arrival: Arrival): Inbound | { death: Death; refusal: ChatError } {
  const schema = schemas.get(arrival.name);
  if (!schema)
    return {
      death: { reason: 'unknown-type', detail: arrival.name },
      refusal: new ChatError('internal', 'unknown request'),
    };
  let payload: unknown;
  try {
    payload = arrival.read();
  } catch (error) {
    return { death: { reason: 'not-json', detail: messageOf(error) }, refusal: new ChatError('invalid', 'not JSON') };
  }
  try {
    return new Inbound(arrival, parseInput(schema, payload));
  } catch (error) {
    return {
      death: { reason: 'invalid', detail: messageOf(error) },
      refusal: error instanceof ChatError ? error : new ChatError('internal'),
    };
  }
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
