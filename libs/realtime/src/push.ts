import type { Broker } from '@parley/broker';
import type { PushFrame, ServerEvent, ServerEventName } from '@parley/contracts';
import { currentTraceparent, inSpan, Unavailable, type Logger } from '@parley/service-kit';
import { Located, type Registry } from './registry.js';

export interface PushParts {
  readonly broker: Broker;
  readonly registry: Registry;
  readonly logger: Logger;
}

/** Where users were connected when they were looked for. */
export class Whereabouts {
  /** @param located Undefined: the registry did not answer in time. */
  constructor(readonly located: Located | undefined) {}

  /** Whether one of those who were looked for has a live connection; undefined when that can't be said. */
  online(userId: string): boolean | undefined {
    if (this.located?.has(userId)) return true;
    return this.located?.complete ? false : undefined;
  }
}

export interface PushOptions {
  /** A frame with an id is delivered once to each gateway: repeating a push under the same id is harmless. */
  readonly id?: string;
  /** A connection that is left out: the one that caused the event and has its answer. */
  readonly except?: string;
  /** What {@link Push.find} answered about all who are told, after what they are told of was committed. Otherwise they are looked for. */
  readonly where?: Whereabouts;
}

/** Tells connected users what happened, wherever they are connected. */
export class Push {
  private readonly broker: Broker;
  private readonly registry: Registry;
  private readonly logger: Logger;
  private blind = false;

  constructor({ broker, registry, logger }: PushParts) {
    this.broker = broker;
    this.registry = registry;
    this.logger = logger;
  }

  /**
   * Sends an event to every connection of the users: one frame to each gateway that holds some of them, naming only its own. When the registry does not know everybody,
   * or does not answer in time, the frame goes to all gateways. Resolves when the broker has confirmed all frames; rejects with {@link Unavailable} when it did not.
   */
  async toUsers<E extends ServerEventName>(
    userIds: readonly string[],
    event: E,
    payload: ServerEvent<E>,
    options: PushOptions = {},
  ): Promise<void> {
    if (userIds.length > 0)
      await inSpan(`push ${event}`, 'producer', () => this.send(userIds, event, payload, options));
  }

  private async send<E extends ServerEventName>(
    userIds: readonly string[],
    event: E,
    payload: ServerEvent<E>,
    { where, ...options }: PushOptions,
  ): Promise<void> {
    const traceparent = currentTraceparent();
    const frame = (users: readonly string[]): PushFrame => ({
      kind: 'users',
      ...options,
      users: users as string[],
      event,
      payload,
      ...(traceparent !== undefined && { traceparent }),
    });
    const { located } = where ?? (await this.find(userIds));
    if (!located?.complete) return this.broker.pushAll(frame(userIds));
    await Promise.all(
      Array.from(located.gateways(userIds), ([gatewayId, users]) => this.broker.push(gatewayId, frame(users))),
    );
  }

  /** Looks for users. Those who look in the same turn of the event loop (the messages of a batch) share one round trip. */
  async find(userIds: readonly string[]): Promise<Whereabouts> {
    if (userIds.length === 0) return new Whereabouts(new Located(new Map(), true));
    try {
      const located = await this.registry.locate(userIds);
      this.noteBlindness(!located.complete, 'it lost its data lately');
      return new Whereabouts(located);
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      this.noteBlindness(true, error.message);
      return new Whereabouts(undefined);
    }
  }

  private noteBlindness(blind: boolean, reason: string): void {
    if (blind === this.blind) return;
    this.blind = blind;
    if (blind) this.logger.warn({ reason }, 'the registry does not know where everybody is; pushes go to all gateways');
    else this.logger.info('the registry is complete again');
  }
}
