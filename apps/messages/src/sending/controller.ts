import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import type { Delivery } from '@parley/broker';
import { ChatError } from '@parley/contracts';
import { reached } from '@parley/faults';
import { Push, type UserLocations } from '@parley/realtime';
import { endsWithin } from '@parley/service-kit';
import type { Committed } from '../commands/change.js';
import { CommandRunner, messageNew } from '../commands/runner.js';
import type { SendCommand } from './context.js';
import { MessageSender, type SendOutcome, type Sent } from './send.js';

/** Maximum time that answers wait for the registry's locations of peers. */
const ONLINE_TIMEOUT_MS = 100;

/** `message.send`. */
@Controller()
export class SendingController {
  constructor(
    private readonly runner: CommandRunner,
    private readonly sender: MessageSender,
    private readonly push: Push,
  ) {}

  @MessagePattern<string>('message.send.v1', { batch: { max: 500, concurrency: 4 } })
  async send(@Payload() deliveries: readonly Delivery<SendCommand>[]): Promise<void> {
    await reached('messages.received');
    const outcomes = await this.sender.send(
      deliveries.map(({ payload, correlationId }) => ({ ...payload, traceId: correlationId })),
    );
    await reached('messages.committed');
    const recipients = new Set(outcomes.flatMap(recipientsOf));
    // Looked up after the commit: users who connect later catch up with the message.
    const locating = this.push.locate([...recipients]);
    const locations = (await endsWithin(ONLINE_TIMEOUT_MS, locating)) ? await locating : undefined;
    await this.runner.finish(
      deliveries,
      outcomes.map((outcome) => (outcome instanceof ChatError ? outcome : toCommitted(outcome, locations))),
      locating,
    );
  }
}

/** Users to locate: recipients of the push, and the peer for `recipientOnline`. */
function recipientsOf(outcome: SendOutcome): readonly string[] {
  if (outcome instanceof ChatError) return [];
  return outcome.shouldPush ? outcome.audience : outcome.peer === undefined ? [] : [outcome.peer];
}

function toCommitted(
  { message, duplicate, shouldPush, audience, peer }: Sent,
  locations: UserLocations | undefined,
): Committed<object> {
  const recipientOnline = peer === undefined ? undefined : locations?.online(peer);
  const answer = recipientOnline === undefined ? { message, duplicate } : { message, duplicate, recipientOnline };
  return shouldPush ? { answer, events: [messageNew(audience, message)], created: message } : { answer, events: [] };
}
