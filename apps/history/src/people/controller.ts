import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { Broker } from '@parley/broker';
import type { RequestAnswer, RequestPayload } from '@parley/contracts';
import { Database } from '@parley/store';
import { listPeople, visibleTo } from './people.js';

/** Contacts, blocks, and visibility of presence. */
@Controller()
export class PeopleController {
  constructor(
    private readonly database: Database,
    private readonly broker: Broker,
  ) {}

  @MessagePattern<string>('contact.list.v1')
  contacts(@Payload() { caller, input }: RequestPayload<'contact.list.v1'>): Promise<RequestAnswer<'contact.list.v1'>> {
    return listPeople(this.database, this.broker, 'contacts', caller.userId, input);
  }

  @MessagePattern<string>('block.list.v1')
  blocks(@Payload() { caller, input }: RequestPayload<'block.list.v1'>): Promise<RequestAnswer<'block.list.v1'>> {
    return listPeople(this.database, this.broker, 'blocks', caller.userId, input);
  }

  @MessagePattern<string>('history.visible.v1')
  visible(
    @Payload() { userId, userIds }: RequestPayload<'history.visible.v1'>,
  ): Promise<RequestAnswer<'history.visible.v1'>> {
    return visibleTo(this.database, userId, userIds);
  }
}
