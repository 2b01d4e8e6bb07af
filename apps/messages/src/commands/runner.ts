import { Injectable } from '@nestjs/common';
import { Broker, type Delivery } from '@parley/broker';
import { Audience } from '@parley/chat';
import { ChatError, type Actor, type Message } from '@parley/contracts';
import { reached } from '@parley/faults';
import { Push, type PushOptions, type UserLocations } from '@parley/realtime';
import { Batcher } from '@parley/service-kit';
import { Database } from '@parley/store';
import {
  changeConversation,
  contextOf,
  type AccessCheck,
  type Committed,
  type ConversationChange,
  type LiveEvent,
  type OutgoingEvent,
} from './change.js';
import { ConversationCache } from './conversation-rows.js';

/** Maximum number of messages of one event: with the longest bodies, less than a megabyte. */
const MAX_MESSAGES = 50;
/** Time that a new message waits for others to share its event. */
const BATCH_WAIT_MS = 25;

/** The live event of a new message. */
export const messageNew = (to: readonly string[], message: Message): OutgoingEvent => ({
  to,
  event: 'message:new',
  payload: { message },
  id: `${message.conversationId}:${message.rev}`,
});

/**
 * Publishes committed changes to users and to the other services. Publishing again is harmless: gateways drop a live
 * event whose id they have seen, and consumers of domain events are idempotent. Every method rejects with `Unavailable`
 * when the broker did not confirm everything; the command is then redelivered.
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
   * Pushes the live events, then publishes the domain events, each in the given order. `locations`: the locations of
   * all addressed users, read after the commit; without it every push looks its users up.
   */
  async publish(events: readonly OutgoingEvent[], locations?: UserLocations): Promise<void> {
    const pushes = events.filter((event) => 'event' in event);
    // With known locations nothing is awaited between two pushes, so they keep their order side by side.
    if (locations) await Promise.all(pushes.map((event) => this.pushOne(event, { locations })));
    else for (const event of pushes) await this.pushOne(event);
    await reached('messages.pushed');
    for (const event of events) if ('publish' in event) await this.broker.publish(event.publish, event.payload);
  }

  /**
   * Publishes `message.created.v1` of a message, together with other messages that are added within {@link
   * BATCH_WAIT_MS}.
   */
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

/**
 * Carries out commands. After its commit every command continues in this order: answer, push live events, publish
 * domain events, and then the broker acknowledges the delivery. A process that dies in between leaves the delivery
 * unacknowledged; the redelivered command finds its stored result and repeats the rest.
 */
@Injectable()
export class CommandRunner {
  constructor(
    readonly database: Database,
    readonly audience: Audience,
    readonly cache: ConversationCache,
    private readonly publisher: EventPublisher,
  ) {}

  /**
   * Carries out one command. A `ChatError` refuses the command, even `unavailable`: retrying in place would hold up all
   * conversations of the shard while another service is unavailable.
   */
  async run<T>(delivery: Delivery, work: () => Promise<Committed<T>>): Promise<void> {
    let outcome: Committed<T> | ChatError;
    try {
      outcome = await work();
    } catch (error) {
      if (!(error instanceof ChatError)) throw error;
      outcome = error;
    }
    await this.finish([delivery], [outcome]);
  }

  /**
   * Carries out a command that changes one conversation: see {@link changeConversation}. Its answer is the result of
   * `work`.
   */
  change<T>(
    delivery: Delivery<{ caller: Actor }>,
    conversationId: string,
    access: AccessCheck,
    work: (change: ConversationChange) => Promise<T>,
  ): Promise<void> {
    return this.run(delivery, () => changeConversation(this, conversationId, contextOf(delivery), access, work));
  }

  /**
   * Answers or refuses deliveries whose work is committed, and publishes their events. `outcomes` are in the order of
   * `deliveries`. `locations`: the locations of all addressed users; awaited after the answers.
   */
  async finish(
    deliveries: readonly Delivery[],
    outcomes: readonly (Committed<unknown> | ChatError)[],
    locations?: Promise<UserLocations>,
  ): Promise<void> {
    for (const [at, outcome] of outcomes.entries())
      if (outcome instanceof ChatError) deliveries[at]!.refuse(outcome);
      else deliveries[at]!.reply(outcome.answer);
    await reached('messages.answered');
    const committed = outcomes.flatMap((outcome) => (outcome instanceof ChatError ? [] : outcome.events));
    if (committed.length > 0) await this.publisher.publish(committed, await locations);
    for (const [at, outcome] of outcomes.entries())
      if (!(outcome instanceof ChatError) && outcome.created) {
        const { created } = outcome;
        deliveries[at]!.beforeAck(() => this.publisher.messageCreated(created));
      }
  }
}
