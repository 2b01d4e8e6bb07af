import type { Broker } from '@parley/broker';
import type { PushFrame, ServerEvent, ServerEventName } from '@parley/contracts';
import { currentTraceparent, inSpan, Unavailable, type Logger } from '@parley/service-kit';
import type { Located, Registry } from './registry.js';

export interface PushParts {
  readonly broker: Broker;
  readonly registry: Registry;
  readonly logger: Logger;
}

export interface PushOptions {
  /** A frame with an id is delivered once to each gateway: repeating a push under the same id is harmless. */
  readonly id?: string;
  /** A connection that is left out: the one that caused the event and has its answer. */
  readonly except?: string;
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
  async toUsers<E extends ServerEventName>(userIds: readonly string[], event: E, payload: ServerEvent<E>, options: PushOptions = {}): Promise<void> {
    if (userIds.length > 0) await inSpan(`push ${event}`, 'producer', () => this.send(userIds, event, payload, options));
  }

  private async send<E extends ServerEventName>(userIds: readonly string[], event: E, payload: ServerEvent<E>, options: PushOptions): Promise<void> {
    const traceparent = currentTraceparent();
    const frame = (users: readonly string[]): PushFrame => ({ kind: 'users', ...options, users: users as string[], event, payload, ...(traceparent !== undefined && { traceparent }) });
    const located = await this.locate(userIds);
    if (!located?.complete) return this.broker.pushAll(frame(userIds));
    const { gateways } = located;
    if (gateways.size === 0) return;
    await Promise.all(Array.from(gateways, ([gatewayId, users]) => this.broker.push(gatewayId, frame(users))));
  }

  /** Who of the users has a live connection and who has none; whoever that can't be said of now is absent. */
  async online(userIds: readonly string[]): Promise<ReadonlyMap<string, boolean>> {
    const located = await this.locate(userIds);
    const here = new Set(located ? [...located.gateways.values()].flat() : []);
    return new Map(userIds.filter((userId) => here.has(userId) || located?.complete === true).map((userId) => [userId, here.has(userId)]));
  }

  private async locate(userIds: readonly string[]): Promise<Located | undefined> {
    try {
      const located = await this.registry.locate(userIds);
      this.noteBlindness(!located.complete, 'it lost its data lately');
      return located;
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      this.noteBlindness(true, error.message);
      return undefined;
    }
  }

  private noteBlindness(blind: boolean, reason: string): void {
    if (blind === this.blind) return;
    this.blind = blind;
    if (blind) this.logger.warn({ reason }, 'the registry does not know where everybody is; pushes go to all gateways');
    else this.logger.info('the registry is complete again');
  }
}
