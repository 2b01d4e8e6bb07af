import { Controller, Inject } from '@nestjs/common';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import type { DomainEvent, RequestAnswer, RequestPayload } from '@parley/contracts';
import type { Database } from '@parley/store';
import { searchMessages } from './search.js';
import { TextIndex } from './text-index.js';
import { DATABASE } from '../tokens.js';

/** Search, and what keeps its index: the events of the messages service. */
@Controller()
export class SearchController {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(TextIndex) private readonly index: TextIndex,
  ) {}

  @MessagePattern<string>('message.search.v1')
  search(
    @Payload() { caller, input }: RequestPayload<'message.search.v1'>,
  ): Promise<RequestAnswer<'message.search.v1'>> {
    return searchMessages(this.database, caller.userId, input);
  }

  @EventPattern<string>('message.created.v1')
  created(@Payload() { messages }: DomainEvent<'message.created.v1'>): Promise<void> {
    return this.index.add(...messages.filter(({ type }) => type !== 'system'));
  }

  @EventPattern<string>('message.updated.v1')
  updated(@Payload() { message }: DomainEvent<'message.updated.v1'>): Promise<void> {
    return this.index.add(message);
  }

  @EventPattern<string>('conversation.deleted.v1')
  deleted(@Payload() { conversationId }: DomainEvent<'conversation.deleted.v1'>): Promise<void> {
    return this.index.drop(conversationId);
  }
}
