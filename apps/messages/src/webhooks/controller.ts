import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import type { Delivery } from '@parley/broker';
import { ChatError, type RequestAnswer, type RequestPayload } from '@parley/contracts';
import { Webhooks } from './webhooks.js';

/** Commands and queries about webhooks. */
@Controller()
export class WebhooksController {
  constructor(private readonly webhooks: Webhooks) {}

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

  /** Sent by auth when a user changes the password and ends bots and webhooks. */
  @MessagePattern<string>('webhook.purge.v1')
  async purge(@Payload() payload: RequestPayload<'webhook.purge.v1'>): Promise<RequestAnswer<'webhook.purge.v1'>> {
    await this.webhooks.purge(payload);
    return {};
  }

  @MessagePattern<string>('webhook.deliveries.v1')
  listDeliveries(
    @Payload() { caller, input }: RequestPayload<'webhook.deliveries.v1'>,
  ): Promise<RequestAnswer<'webhook.deliveries.v1'>> {
    return this.webhooks.deliveries(caller, input);
  }
}
