import { Controller, Inject } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import type { Delivery } from '@parley/broker';
import { ChatError } from '@parley/contracts';
import { reached } from '@parley/faults';
import type { Traces } from '@parley/realtime';
import type { Logger } from '@parley/service-kit';
import { Commands } from './commands.js';
import { createConversation, type CreateCommand } from './create-conversation.js';
import { sendBatch, type Sent } from './send-batch.js';
import { LOGGER, POLICIES, TRACES } from './tokens.js';
import type { Policy, SendCommand } from './policies/policy.js';

/** Sending, and creating what is sent to. */
@Controller()
export class MessagesController {
  constructor(
    @Inject(Commands) private readonly commands: Commands,
    @Inject(POLICIES) private readonly policies: readonly Policy[],
    @Inject(TRACES) private readonly traces: Traces,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  @MessagePattern<string>('message.send.v1', { batch: { max: 500, lanes: 4 } })
  async send(@Payload() deliveries: readonly Delivery<SendCommand>[]): Promise<void> {
    await reached('messages.received');
    const { database, audience, push, broker, announcer } = this.commands;
    const commands = deliveries.map(({ payload, correlationId }) => ({ ...payload, traceId: correlationId }));
    const outcomes = await sendBatch({ database, audience, push, broker, traces: this.traces, policies: this.policies, logger: this.logger }, commands);
    await reached('messages.committed');
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
    await reached('messages.answered');
    await announcer.messages(sent);
    await reached('messages.published');
  }

  @MessagePattern<string>('conversation.create.v1')
  async create(@Payload() command: CreateCommand, @Ctx() delivery: Delivery): Promise<void> {
    const { database, broker, announcer } = this.commands;
    const created = await this.commands.refusing(delivery, () => createConversation(database, broker, command));
    if (!created) return;
    delivery.reply({ conversation: created.conversation, created: created.created });
    if (created.created) await announcer.conversation(created);
  }
}
