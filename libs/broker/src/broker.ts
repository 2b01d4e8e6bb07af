import type {
  ChatError,
  DomainEvent,
  DomainEventName,
  PushFrame,
  RequestAnswer,
  RequestName,
  RequestPayload,
  Service,
} from '@parley/contracts';

/** One request or event, as a handler gets it. */
export interface Delivery<P = unknown> {
  readonly name: string;
  readonly payload: P;
  /** Follows the work through all parts: the trace id of the request, in every log line. */
  readonly correlationId: string;
  /** True when it may have been handled before, in part or whole: handlers must repeat their answers, not their effects. */
  readonly redelivered: boolean;
  /** Milliseconds since the epoch after which nobody waits for the answer any more. */
  readonly deadline: number | undefined;
  /** Answers the requester: once; later calls are ignored, and so is one after the deadline. Not for events. */
  reply(answer: unknown): void;
  /** Answers with a refusal. */
  refuse(error: ChatError): void;
  /**
   * Its acknowledgement waits for this work, too, and no other delivery does: it begins when the handler has returned, and while it rejects with `Unavailable` it is begun again, with
   * pauses. A process that ends before leaves the delivery to be handled again. Commands only.
   */
  until(work: () => Promise<void>): void;
}

/**
 * Handles what arrives in one queue, in the order of arrival. What it does decides what becomes of a delivery:
 * - returns: acknowledged, after what was left to {@link Delivery.until} (a delivery that it neither answered nor refused gets its return value, or `internal`);
 * - throws a ChatError other than `unavailable`: refused with it, acknowledged;
 * - throws `Unavailable` (a dependency is down): commands pause their queue and are retried in place, so that order
 *   holds; queries are refused with `unavailable`; events are retried with delay;
 * - throws anything else: tried again alone, then dead-lettered with the reason and refused with `internal` (queries are not kept: only refused).
 */
export type Handler = (delivery: Delivery) => Promise<unknown>;

/**
 * Like {@link Handler}, for many at once: while one call is under way, deliveries gather; the next call takes them all,
 * up to `max`. Deliveries of one queue are in order and never in two calls at a time. The handler answers each itself.
 */
export interface BatchHandler {
  readonly max: number;
  /** Calls that may be under way at a time; a queue always belongs to the same lane. */
  readonly lanes: number;
  handle(deliveries: readonly Delivery[]): Promise<void>;
}

/** Handlers of a service by request or event name. */
export interface Handlers {
  readonly requests: ReadonlyMap<string, Handler | BatchHandler>;
  readonly events: ReadonlyMap<string, Handler>;
}

/** The consumers of a service in this process. */
export interface Serving {
  /** Takes no more deliveries, lets those under way end (at most `graceMs`), acknowledges them, cancels its consumers. */
  stop(graceMs?: number): Promise<void>;
}

export interface BrokerStatus {
  /** Connected, topology declared, and all consumers of this process consuming. */
  readonly ready: boolean;
  /** For people: what is missing. */
  readonly reason?: string;
}

/** What one process has of the broker; a class, so that Nest injects it by type. Two implementations: RabbitMQ and in-process; one conformance suite. */
export abstract class Broker {
  /** Names this process among all; new at every start. A gateway's id. */
  abstract readonly instance: string;
  /** Connects and declares what everybody needs. Rejects, with one readable line, when that does not succeed within its time limit. */
  abstract start(): Promise<void>;
  /**
   * Sends a request and waits for its answer. Rejects with the handler's ChatError, or with `unavailable`: not confirmed, no queue,
   * outbox full, or no answer within `deadlineMs` (it may still have been done: repeat it under the same id).
   */
  abstract request<N extends RequestName>(
    name: N,
    payload: RequestPayload<N>,
    options?: { deadlineMs?: number; correlationId?: string },
  ): Promise<RequestAnswer<N>>;
  /** Publishes an event; resolves when the broker has confirmed it, rejects with `Unavailable`. Nobody listening is fine. */
  abstract publish<N extends DomainEventName>(
    name: N,
    event: DomainEvent<N>,
    options?: { correlationId?: string },
  ): Promise<void>;
  /** Sends a frame to one gateway, or to all; resolves when confirmed. A gateway that is gone is fine. Frames of one publisher to one gateway keep their order. */
  abstract push(gateway: string, frame: PushFrame): Promise<void>;
  abstract pushAll(frame: PushFrame): Promise<void>;
  /** Consumes a service's queues: its shards (single active consumer each), commands, queries, and its events. */
  abstract serve(service: Service, handlers: Handlers): Promise<Serving>;
  /**
   * Receives this instance's pushes, and the events named, in order. `onGap` is called when some may have been missed (the queue
   * overflowed, the connection was lost): whoever listens must bring itself up to date. Resolves once nothing published from now on is missed.
   */
  abstract listen(listener: InstanceListener): Promise<Serving>;
  abstract readonly status: BrokerStatus;
  /** Stops serving, waits for what is being published (at most `graceMs`), closes. Requests under way reject with `unavailable`. */
  abstract close(graceMs?: number): Promise<void>;
}

export interface InstanceListener {
  readonly events: readonly DomainEventName[];
  onPush(frame: PushFrame): void;
  onEvent(name: DomainEventName, event: unknown): void;
  onGap(): void;
}
