import { Controller, Inject } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import type { Delivery } from '@parley/broker';
import { ChatError } from '@parley/contracts';
import { reached } from '@parley/faults';
import type { Traces, Whereabouts } from '@parley/realtime';
import type { Logger } from '@parley/service-kit';
import { Commands } from '../commands/runner.js';
import { createConversation, type CreateCommand } from '../conversations/create.js';
import { sendBatch, type Outcome, type Sent } from './send.js';
import { LOGGER, POLICIES, TRACES } from '../tokens.js';
import type { Policy, SendCommand } from './rules/rule.js';

/** How long an answer waits for the registry to say whether the other side is online. */
const ONLINE_LIMIT_MS = 100;

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
    const { database, audience, standings, broker, announcer } = this.commands;
    const commands = deliveries.map(({ payload, correlationId }) => ({ ...payload, traceId: correlationId }));
    const outcomes = await sendBatch(
      { database, audience, standings, broker, traces: this.traces, policies: this.policies, logger: this.logger },
      commands,
    );
    await reached('messages.committed');
    const sent = outcomes.filter((outcome): outcome is Sent => !(outcome instanceof ChatError));
    // After the commit: whoever connects later catches up with it.
    const finding = this.commands.push.find([
      ...new Set(sent.flatMap(({ announce, members, peer }) => (announce ? members : (peer ?? [])))),
    ]);
    const found = await soon(finding);
    for (const [at, outcome] of outcomes.entries()) answer(deliveries[at]!, outcome, found);
    await reached('messages.answered');
    const announced = sent.filter(({ announce }) => announce);
    if (announced.length > 0) await announcer.messages(announced, found ?? (await finding));
    for (const [at, outcome] of outcomes.entries())
      if (!(outcome instanceof ChatError) && outcome.announce)
        deliveries[at]!.beforeAck(() => announcer.created(outcome.message));
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

function answer(delivery: Delivery, outcome: Outcome, where: Whereabouts | undefined): void {
  if (outcome instanceof ChatError) return delivery.refuse(outcome);
  const { message, duplicate, peer } = outcome;
  const recipientOnline = peer === undefined ? undefined : where?.online(peer);
  delivery.reply(recipientOnline === undefined ? { message, duplicate } : { message, duplicate, recipientOnline });
}

async function soon<T>(work: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), ONLINE_LIMIT_MS)));
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
