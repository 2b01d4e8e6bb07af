import type { Broker } from '@parley/broker';
import type { PushFrame, ServerEvent, ServerEventName } from '@parley/contracts';
import { currentTraceparent, inSpan, Unavailable, type Logger } from '@parley/service-kit';
import { UserLocations, type Registry } from './registry.js';

/** The dependencies of a {@link Push}. */
export interface PushParts {
  readonly broker: Broker;
  readonly registry: Registry;
  readonly logger: Logger;
}

/** Optional arguments of one push. */
export interface PushOptions {
  /** A frame with an id is delivered once to each gateway: repeating a push under the same id is harmless. */
  readonly id?: string;
  /** A connection to skip: the one that caused the event and gets the answer. */
  readonly except?: string;
  /**
   * The recipients' locations from {@link Push.locate}, looked up after the commit. Default: they are looked up now.
   */
  readonly locations?: UserLocations;
}

/** Sends live events to users, wherever they are connected. */
export class Push {
  private readonly broker: Broker;
  private readonly registry: Registry;
  private readonly logger: Logger;
  private registryIncomplete = false;

  constructor({ broker, registry, logger }: PushParts) {
    this.broker = broker;
    this.registry = registry;
    this.logger = logger;
  }

  /**
   * Sends an event to every connection of the users: one frame to each gateway that holds some of them, naming only its
   * own. When the registry does not know everybody, or does not answer in time, the frame goes to all gateways.
   * Resolves when the broker has confirmed all frames; rejects with {@link Unavailable} when it did not.
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
    { locations: located, ...options }: PushOptions,
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
    const locations = located ?? (await this.locate(userIds));
    if (!locations.complete) return this.broker.pushAll(frame(userIds));
    await Promise.all(
      Array.from(locations.gateways(userIds), ([gatewayId, users]) => this.broker.push(gatewayId, frame(users))),
    );
  }

  /**
   * Looks users up. Calls of one turn of the event loop (the messages of a batch) share one round trip. Returns
   * {@link UserLocations.unknown} when the registry does not answer in time.
   */
  async locate(userIds: readonly string[]): Promise<UserLocations> {
    if (userIds.length === 0) return new UserLocations(new Map(), true);
    try {
      const locations = await this.registry.locate(userIds);
      this.logCompleteness(!locations.complete, 'it lost its data recently');
      return locations;
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      this.logCompleteness(true, error.message);
      return UserLocations.unknown;
    }
  }

  private logCompleteness(incomplete: boolean, reason: string): void {
    if (incomplete === this.registryIncomplete) return;
    this.registryIncomplete = incomplete;
    if (incomplete) this.logger.warn({ reason }, 'the registry is incomplete; pushes go to all gateways');
    else this.logger.info('the registry is complete again');
  }
}
