import { Inject, Injectable } from '@nestjs/common';
import type { Broker, Delivery } from '@parley/broker';
import { Audience } from '@parley/chat';
import { ChatError, type Actor } from '@parley/contracts';
import type { Push } from '@parley/realtime';
import type { Database } from '@parley/store';
import { Announcer } from './publisher.js';
import { changeConversation, commandOf, type Access, type Change, type Changed } from './change.js';
import { Standings } from './conversation-cache.js';
import { BROKER, DATABASE, PUSH } from '../tokens.js';

/** What all commands of the service are carried out with. After a commit always in this order: answer, push, publish; then the broker's acknowledgement. */
@Injectable()
export class Commands {
  readonly audience = new Audience();
  readonly standings = new Standings();
  readonly announcer: Announcer;

  constructor(
    @Inject(DATABASE) readonly database: Database,
    @Inject(BROKER) readonly broker: Broker,
    @Inject(PUSH) readonly push: Push,
  ) {
    this.announcer = new Announcer(broker, push);
  }

  /** A command that changes one conversation: see {@link changeConversation}. Its answer is what `work` returns. */
  change<T>(
    delivery: Delivery<{ caller: Actor }>,
    conversationId: string,
    access: Access,
    work: (change: Change) => Promise<T>,
  ): Promise<void> {
    return this.carryOut(delivery, () => changeConversation(this, conversationId, commandOf(delivery), access, work));
  }

  /** Carries a command out, answers or refuses it, and tells of it. */
  async carryOut<T>(delivery: Delivery, work: () => Promise<Changed<T>>): Promise<void> {
    const changed = await this.refusing(delivery, work);
    if (!changed) return;
    delivery.reply(changed.answer);
    await this.announcer.tell(changed.news);
  }

  /** Refuses also with `unavailable`, where waiting in place would hold up every conversation of the shard for the sake of auth. Undefined when it was refused. */
  async refusing<T>(delivery: Delivery, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ChatError)) throw error;
      delivery.refuse(error);
      return undefined;
    }
  }
}
