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

/** One request or event, as its handler gets it. */
export interface Delivery<P = unknown> {
  readonly name: string;
  readonly payload: P;
  /** The trace id of the request: the same in all services that work on it, and in all of their log lines. */
  readonly correlationId: string;
  /**
   * Whether an earlier attempt may have handled this delivery, in part or in whole. Handlers then repeat the answer,
   * not the effects.
   */
  readonly redelivered: boolean;
  /** The time until which the requester waits for the answer, in milliseconds since the epoch. */
  readonly deadline: number | undefined;
  /** Answers the requester. Only the first answer or refusal counts, and none after the deadline. Ignored for events. */
  reply(answer: unknown): void;
  /** Answers the requester with a refusal. */
  refuse(error: ChatError): void;
  /**
   * Puts work between the handler's return and the acknowledgement of this delivery; other deliveries do not wait for
   * it. Work that rejects with `Unavailable` is started again, with pauses. If the process ends before the work is
   * done, the delivery is redelivered. For commands only.
   */
  beforeAck(work: () => Promise<void>): void;
}

/**
 * Handles the deliveries of one queue in the order of their arrival. Its result decides how a delivery ends:
 * - it returns: acknowledged, after the work of {@link Delivery.beforeAck}; a delivery that it neither answered nor
 *   refused is answered with its return value, or `internal` if that is undefined;
 * - it throws a ChatError other than `unavailable`: refused with that error, acknowledged;
 * - it throws `Unavailable` (a dependency is unavailable): commands pause their queue and are retried in place, so that
 *   the order holds; queries are refused with `unavailable`; events are retried after a delay;
 * - it throws anything else: the delivery is handled once more, alone. If that fails too, the delivery is refused with
 *   `internal` and becomes a dead letter; a query is only refused.
 */
export type Handler = (delivery: Delivery) => Promise<unknown>;

/**
 * Like {@link Handler}, for many deliveries at a time: deliveries that arrive during one call are collected for the
 * next one, up to `max`. The deliveries of one queue are in order and never in two calls at a time. The handler answers
 * each delivery itself.
 */
export interface BatchHandler {
  /** Maximum number of deliveries in one call. */
  readonly max: number;
  /**
   * Maximum number of calls that are under way at a time, over all queues that the handler serves. The same for all batch
   * handlers of the shard queues.
   */
  readonly concurrency: number;
  handle(deliveries: readonly Delivery[]): Promise<void>;
}

/** The handlers of a service, by the name of the request or event. */
export interface Handlers {
  readonly requests: ReadonlyMap<string, Handler | BatchHandler>;
  readonly events: ReadonlyMap<string, Handler>;
}

/** The consumers of a service in this process. */
export interface Serving {
  /**
   * Takes no more deliveries, waits for those under way (at most `graceMs`), acknowledges them, and cancels the consumers.
   */
  stop(graceMs?: number): Promise<void>;
}

/** The state of a process’s connection to the broker, for readiness checks. */
export interface BrokerStatus {
  /** Whether the process is connected, everything is declared, and all its consumers consume. */
  readonly ready: boolean;
  /** The missing part, in words for operators. Present unless ready. */
  readonly reason?: string;
}

/**
 * A process's access to the broker. A class, so that Nest injects it by type. Two implementations, RabbitMQ and
 * in-process, pass one conformance suite.
 */
export abstract class Broker {
  /** Identifies this process: a new id at every start. Of a gateway, this is the gateway’s id. */
  abstract readonly instance: string;
  /**
   * Connects and declares what every process needs. Rejects with a `StartError` of one line when that does not succeed
   * in time.
   */
  abstract start(): Promise<void>;
  /**
   * Sends a request and waits for its answer. Rejects with the handler's ChatError, with `too_large` when the request
   * or its answer is larger than `MAX_MESSAGE_BYTES`, or with `unavailable`: the broker
   * did not confirm the request, it has no queue for it, too many requests are under way, or no answer came within
   * `deadlineMs`. After `unavailable` the request may still be handled: repeat it under the same id.
   */
  abstract request<N extends RequestName>(
    name: N,
    payload: RequestPayload<N>,
    options?: { deadlineMs?: number; correlationId?: string },
  ): Promise<RequestAnswer<N>>;
  /**
   * Publishes an event. Resolves when the broker has confirmed it; rejects with `Unavailable`, or with `too_large`. An
   * event may have no subscribers.
   */
  abstract publish<N extends DomainEventName>(
    name: N,
    event: DomainEvent<N>,
    options?: { correlationId?: string },
  ): Promise<void>;
  /**
   * Sends a frame to one gateway. Resolves when the broker has confirmed it, even if that gateway no longer exists. The
   * frames of one publisher to one gateway keep their order.
   */
  abstract push(gateway: string, frame: PushFrame): Promise<void>;
  /** Sends a frame to all gateways; otherwise like {@link push}. */
  abstract pushAll(frame: PushFrame): Promise<void>;
  /** Consumes the queues of a service: its shards (a single active consumer each), commands, queries, and events. */
  abstract serve(service: Service, handlers: Handlers): Promise<Serving>;
  /**
   * Consumes the pushes to this instance, and the events that the listener names. Resolves when everything that is
   * published from then on reaches the listener.
   */
  abstract listen(listener: InstanceListener): Promise<Serving>;
  abstract readonly status: BrokerStatus;
  /**
   * Stops serving, waits for publications under way (at most `graceMs`), and closes. Requests under way reject with
   * `unavailable`.
   */
  abstract close(graceMs?: number): Promise<void>;
}

/** Receives the pushes and events of one instance, in the order of each publisher. */
export interface InstanceListener {
  readonly events: readonly DomainEventName[];
  onPush(frame: PushFrame): void;
  onEvent(name: DomainEventName, event: unknown): void;
  /**
   * Frames or events may have been lost: the queue overflowed, or the connection was lost. The listener must load the
   * current state.
   */
  onGap(): void;
}
