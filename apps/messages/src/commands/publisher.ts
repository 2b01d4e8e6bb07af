import { Injectable } from '@nestjs/common';
import { Broker } from '@parley/broker';
import type { DomainEvent, DomainEventName, Message, ServerEvent, ServerEventName } from '@parley/contracts';
import { reached } from '@parley/faults';
import { Push, type PushOptions, type UserLocations } from '@parley/realtime';
import { Batcher } from '@parley/service-kit';

/** Maximum number of messages of one event: with the longest bodies, less than a megabyte. */
const MAX_MESSAGES = 50;
/** Time that a new message waits for others to share its event. */
const BATCH_WAIT_MS = 25;

/** A live event, pushed to users. */
type LiveEvent = {
  [E in ServerEventName]: {
    readonly to: readonly string[];
    readonly event: E;
    readonly payload: ServerEvent<E>;
  } & Pick<PushOptions, 'id' | 'except'>;
}[ServerEventName];
/** A domain event, published to the other services. */
type PublishedEvent = {
  [N in DomainEventName]: { readonly publish: N; readonly payload: DomainEvent<N> };
}[DomainEventName];
export type OutgoingEvent = LiveEvent | PublishedEvent;

/** The live event of a new message. */
export const messageNew = (to: readonly string[], message: Message): OutgoingEvent => ({
  to,
  event: 'message:new',
  payload: { message },
  id: `${message.conversationId}:${message.rev}`,
});

/**
 * Publishes committed changes to users and to the other services. Repeating it is harmless: gateways drop a live event whose id they have seen, and consumers of domain events are idempotent.
 * Every method rejects with `Unavailable` when the broker did not confirm everything; the command is then redelivered.
 */
@Injectable()
export class EventPublisher {
  private readonly created = new Batcher<Message>({
    waitMs: BATCH_WAIT_MS,
    maxItems: MAX_MESSAGES,
    flush: async (messages) => {
      await this.broker.publish('message.created.v1', { messages: [...messages] });
      await reached('messages.published');
    },
  });

  constructor(
    private readonly broker: Broker,
    private readonly push: Push,
  ) {}

  /**
   * Pushes the live events, then publishes the domain events, each in the given order. `locations`: the locations of all addressed users, read after the commit; without it every push
   * looks its users up.
   */
  async publish(events: readonly OutgoingEvent[], locations?: UserLocations): Promise<void> {
    const pushes = events.filter((event) => 'event' in event);
    // With known locations nothing is awaited between two pushes, so they keep their order side by side.
    if (locations) await Promise.all(pushes.map((event) => this.pushOne(event, { locations })));
    else for (const event of pushes) await this.pushOne(event);
    await reached('messages.pushed');
    for (const event of events) if ('publish' in event) await this.broker.publish(event.publish, event.payload);
  }

  /** Publishes `message.created.v1` of a message, together with others that come within {@link BATCH_WAIT_MS}. */
  messageCreated(message: Message): Promise<void> {
    return this.created.add(message);
  }

  private pushOne(
    { to, event, payload, ...options }: LiveEvent,
    more: Pick<PushOptions, 'locations'> = {},
  ): Promise<void> {
    return this.push.toUsers(to, event, payload, { ...options, ...more });
  }
}
