import { Controller } from '@nestjs/common';
import { Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import type { Delivery } from '@parley/broker';
import type { DomainEvent, RequestAnswer, RequestPayload } from '@parley/contracts';
import { Database } from '@parley/store';
import { searchMessages } from './search.js';
import { TextIndex } from './text-index.js';

/** Search, and the events that keep its index up to date. */
@Controller()
export class SearchController {
  constructor(
    private readonly database: Database,
    private readonly index: TextIndex,
  ) {}

  @MessagePattern<string>('message.search.v1')
  search(
    @Ctx() { payload: { caller, input }, deadline }: Delivery<RequestPayload<'message.search.v1'>>,
  ): Promise<RequestAnswer<'message.search.v1'>> {
    return searchMessages(this.database, caller.userId, input, deadline);
  }

  @EventPattern<string>('message.created.v1')
  messageCreated(@Payload() { messages }: DomainEvent<'message.created.v1'>): Promise<void> {
    return this.index.add(messages.filter(({ type }) => type !== 'system'));
  }

  @EventPattern<string>('message.updated.v1')
  messageUpdated(@Payload() { message }: DomainEvent<'message.updated.v1'>): Promise<void> {
    return this.index.add([message]);
  }

  @EventPattern<string>('conversation.deleted.v1')
  conversationDeleted(@Payload() { conversationId }: DomainEvent<'conversation.deleted.v1'>): Promise<void> {
    return this.index.drop(conversationId);
  }
}
