import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import type { Broker } from '@parley/broker';
import { Audience } from '@parley/chat';
import type { RequestAnswer, RequestPayload } from '@parley/contracts';
import type { Push } from '@parley/realtime';
import type { Database } from '@parley/store';
import { Live } from '../live/live.js';
import { listPeople, visibleTo } from './people.js';
import { setPreferences } from '../preferences/preferences.js';
import { BROKER, DATABASE, PUSH } from '../tokens.js';

/** What concerns one user among others: their settings and lists, whom they see, and what they tell without its being kept. */
@Controller()
export class PersonalController {
  private readonly live: Live;

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(BROKER) private readonly broker: Broker,
    @Inject(PUSH) private readonly push: Push,
  ) {
    this.live = new Live(database, push, new Audience());
  }

  @MessagePattern<string>('conversation.me.v1')
  me(@Payload() { caller, input }: RequestPayload<'conversation.me.v1'>): Promise<RequestAnswer<'conversation.me.v1'>> {
    return setPreferences(this.database, this.push, caller, input);
  }

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

  @MessagePattern<string>('history.typing.v1')
  async typing(@Payload() payload: RequestPayload<'history.typing.v1'>): Promise<RequestAnswer<'history.typing.v1'>> {
    await this.live.type(payload);
    return {};
  }

  @MessagePattern<string>('peer.signal.v1')
  signal(@Payload() { caller, input }: RequestPayload<'peer.signal.v1'>): Promise<RequestAnswer<'peer.signal.v1'>> {
    return this.live.signal(caller, input);
  }
}
