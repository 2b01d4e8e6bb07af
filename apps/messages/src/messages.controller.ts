import { Controller, Inject } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import type { Broker, Delivery } from '@parley/broker';
import { ChatError } from '@parley/contracts';
import type { Push } from '@parley/realtime';
import { Audience, type Database } from '@parley/store';
import { Announcer } from './announce.js';
import { createConversation, type CreateCommand } from './create-conversation.js';
import { sendBatch, type Sent } from './send-batch.js';
import type { SendCommand } from './send-rules.js';
import { BROKER, DATABASE, PUSH } from './tokens.js';

/** The commands of the messages service. After a commit always in this order: answer, push, publish; the broker's acknowledgement follows the return. */
@Controller()
export class MessagesController {
  private readonly audience = new Audience();
  private readonly announcer: Announcer;

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(BROKER) private readonly broker: Broker,
    @Inject(PUSH) private readonly push: Push,
  ) {
    this.announcer = new Announcer(broker, push);
  }

  @MessagePattern<string>('message.send.v1', { batch: { max: 500, lanes: 4 } })
  async send(@Payload() deliveries: readonly Delivery<SendCommand>[]): Promise<void> {
    const outcomes = await sendBatch(this.database, this.audience, this.push, deliveries.map(({ payload }) => payload));
    const sent: Sent[] = [];
    for (const [at, outcome] of outcomes.entries()) {
      const delivery = deliveries[at]!;
      if (outcome instanceof ChatError) {
        delivery.refuse(outcome);
        continue;
      }
      const { message, duplicate, recipientOnline } = outcome;
      delivery.reply(recipientOnline === undefined ? { message, duplicate } : { message, duplicate, recipientOnline });
      if (outcome.announce) sent.push(outcome);
    }
    await this.announcer.messages(sent);
  }

  @MessagePattern<string>('conversation.create.v1')
  async create(@Payload() command: CreateCommand, @Ctx() delivery: Delivery): Promise<void> {
    const created = await this.refusing(delivery, () => createConversation(this.database, this.broker, command));
    if (!created) return;
    delivery.reply({ conversation: created.conversation, created: created.created });
    if (created.created) await this.announcer.conversation(created);
  }

  /** Refuses also with `unavailable`, where waiting in place would hold up every conversation of the shard for the sake of auth. */
  private async refusing<T>(delivery: Delivery, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ChatError)) throw error;
      delivery.refuse(error);
      return undefined;
    }
  }
}
