import { Controller } from '@nestjs/common';
import { Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import type { Delivery } from '@parley/broker';
import { ChatError, type DomainEvent, type RequestAnswer, type RequestPayload } from '@parley/contracts';
import { Deliveries } from './deliveries.js';
import { Webhooks } from './webhooks.js';

/** Commands and queries about webhooks, and the events that are delivered to them. `Deliveries` are deliveries to webhooks; `Delivery` is the broker's. */
@Controller()
export class WebhooksController {
  constructor(
    private readonly webhooks: Webhooks,
    private readonly deliveries: Deliveries,
  ) {}

  @MessagePattern<string>('webhook.create.v1')
  async create(
    @Payload() { caller, input }: RequestPayload<'webhook.create.v1'>,
  ): Promise<RequestAnswer<'webhook.create.v1'>> {
    return { webhook: await this.webhooks.create(caller, input) };
  }

  @MessagePattern<string>('webhook.list.v1')
  list(@Payload() { caller, input }: RequestPayload<'webhook.list.v1'>): Promise<RequestAnswer<'webhook.list.v1'>> {
    return this.webhooks.list(caller, input);
  }

  @MessagePattern<string>('webhook.update.v1')
  async update(
    @Payload() { caller, input }: RequestPayload<'webhook.update.v1'>,
  ): Promise<RequestAnswer<'webhook.update.v1'>> {
    return { webhook: await this.webhooks.update(caller, input) };
  }

  @MessagePattern<string>('webhook.delete.v1')
  async remove(
    @Payload() { caller, input }: RequestPayload<'webhook.delete.v1'>,
    @Ctx() { redelivered }: Delivery,
  ): Promise<RequestAnswer<'webhook.delete.v1'>> {
    await this.webhooks.remove(caller, input).catch((error: unknown) => {
      // An earlier attempt of the command may have deleted it.
      if (!redelivered || !(error instanceof ChatError) || error.code !== 'not_found') throw error;
    });
    return {};
  }

  @MessagePattern<string>('webhook.deliveries.v1')
  listDeliveries(
    @Payload() { caller, input }: RequestPayload<'webhook.deliveries.v1'>,
  ): Promise<RequestAnswer<'webhook.deliveries.v1'>> {
    return this.webhooks.deliveries(caller, input);
  }

  @EventPattern<string>('message.created.v1')
  async messageCreated(@Payload() { messages }: DomainEvent<'message.created.v1'>): Promise<void> {
    // Together, so that they share one query.
    await Promise.all(
      messages.map((message) =>
        this.deliveries.add({
          conversationId: message.conversationId,
          event: 'message.created',
          key: `created:${message.id}`,
          data: { message },
        }),
      ),
    );
  }

  @EventPattern<string>('message.updated.v1')
  messageUpdated(@Payload() { message }: DomainEvent<'message.updated.v1'>): Promise<void> {
    return this.deliveries.add({
      conversationId: message.conversationId,
      event: 'message.updated',
      key: `updated:${message.id}:${message.rev}`,
      data: { message },
    });
  }

  @EventPattern<string>('member.changed.v1')
  memberChanged(@Payload() change: DomainEvent<'member.changed.v1'>): Promise<void> {
    const userId = 'member' in change ? change.member.userId : change.userId;
    return this.deliveries.add({
      conversationId: change.conversationId,
      event: 'member.changed',
      key: `member:${userId}:${change.rev}`,
      data: change,
    });
  }

  @EventPattern<string>('conversation.updated.v1')
  conversationUpdated(@Payload() { conversation }: DomainEvent<'conversation.updated.v1'>): Promise<void> {
    return this.deliveries.add({
      conversationId: conversation.id,
      event: 'conversation.updated',
      key: `conversation:${conversation.rev}`,
      data: { conversation },
    });
  }
}
