import { Controller } from '@nestjs/common';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import type { DomainEvent, RequestAnswer, RequestPayload } from '@parley/contracts';
import { Presences } from './presences.js';
import { Visibility } from './visibility.js';

@Controller()
export class PresenceController {
  constructor(
    private readonly presences: Presences,
    private readonly visibility: Visibility,
  ) {}

  @EventPattern<string>('connection.opened.v1')
  opened(@Payload() event: DomainEvent<'connection.opened.v1'>): Promise<void> {
    return this.presences.opened(event);
  }

  @EventPattern<string>('connection.closed.v1')
  closed(@Payload() event: DomainEvent<'connection.closed.v1'>): Promise<void> {
    return this.presences.closed(event);
  }

  @EventPattern<string>('connections.renewed.v1')
  renewed(@Payload() event: DomainEvent<'connections.renewed.v1'>): Promise<void> {
    return this.presences.renewed(event);
  }

  @MessagePattern<string>('presence.get.v1')
  async get(
    @Payload() { caller, input }: RequestPayload<'presence.get.v1'>,
  ): Promise<RequestAnswer<'presence.get.v1'>> {
    const users = await this.visibility.of(caller.userId, input.userIds);
    return { items: users.answer(await this.presences.get(users.open)) };
  }

  @MessagePattern<string>('presence.watching.v1')
  async watching(
    @Payload() { gatewayId, userId, add, remove }: RequestPayload<'presence.watching.v1'>,
  ): Promise<RequestAnswer<'presence.watching.v1'>> {
    const users = await this.visibility.of(userId, add);
    const presences = await this.presences.watch(gatewayId, users.open, remove);
    return { presence: users.answer(presences), blocked: [...users.blocked] };
  }
}
