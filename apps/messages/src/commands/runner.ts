import { Injectable } from '@nestjs/common';
import type { Delivery } from '@parley/broker';
import { Audience } from '@parley/chat';
import { ChatError, type Actor } from '@parley/contracts';
import { reached } from '@parley/faults';
import type { UserLocations } from '@parley/realtime';
import { Database } from '@parley/store';
import { changeConversation, contextOf, type AccessCheck, type ConversationChange, type Committed } from './change.js';
import { ConversationCache } from './conversation-rows.js';
import { EventPublisher } from './publisher.js';

/**
 * Carries out commands. After its commit every command continues in this order: answer, push live events, publish domain events, and then the broker acknowledges the delivery. A process that
 * dies in between leaves the delivery unacknowledged; the redelivered command finds its stored result and repeats the rest.
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
   * Carries out one command. A `ChatError` refuses it, also `unavailable`: retrying in place would hold up all conversations of the shard while another service is unavailable.
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

  /** Carries out a command that changes one conversation: see {@link changeConversation}. Its answer is the result of `work`. */
  change<T>(
    delivery: Delivery<{ caller: Actor }>,
    conversationId: string,
    access: AccessCheck,
    work: (change: ConversationChange) => Promise<T>,
  ): Promise<void> {
    return this.run(delivery, () => changeConversation(this, conversationId, contextOf(delivery), access, work));
  }

  /**
   * Answers or refuses deliveries whose work is committed, and publishes their events. `outcomes` are in the order of `deliveries`. `locations`: the locations of all addressed users;
   * awaited after the answers.
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
