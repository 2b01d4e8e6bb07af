import { Controller, Inject } from '@nestjs/common';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { ChatError, type DomainEvent, type RequestAnswer, type RequestPayload } from '@parley/contracts';
import { Unavailable } from '@parley/service-kit';
import { PARTS, type PresenceParts } from './parts.js';
import { Presences } from './presences.js';

/** Half of what a client's call may take. */
const VISIBLE_MS = 4_000;

@Controller()
export class PresenceController {
  constructor(@Inject(PARTS) private readonly parts: PresenceParts, @Inject(Presences) private readonly presences: Presences) {}

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
  async get(@Payload() { caller, input }: RequestPayload<'presence.get.v1'>): Promise<RequestAnswer<'presence.get.v1'>> {
    return { items: await this.presences.get(await this.visible(caller.userId, input.userIds)) };
  }

  @MessagePattern<string>('presence.watching.v1')
  async watching(@Payload() { gatewayId, userId, add, remove }: RequestPayload<'presence.watching.v1'>): Promise<RequestAnswer<'presence.watching.v1'>> {
    return { presence: await this.presences.watch(gatewayId, await this.visible(userId, add), remove) };
  }

  /** Those whose presence `userId` may see, in the order asked for, each once. */
  private async visible(userId: string, wanted: readonly string[]): Promise<string[]> {
    const userIds = [...new Set(wanted)];
    if (userIds.length === 0) return [];
    try {
      const answer = await this.parts.broker.request('history.visible.v1', { userId, userIds }, { deadlineMs: VISIBLE_MS });
      const visible = new Set(answer.userIds);
      return userIds.filter((one) => visible.has(one));
    } catch (error) {
      if (error instanceof ChatError && error.code === 'unavailable') throw new Unavailable('history does not say who is visible', { cause: error });
      throw error;
    }
  }
}
