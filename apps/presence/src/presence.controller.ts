import { Controller, Inject } from '@nestjs/common';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { ChatError, type DomainEvent, type Presence, type RequestAnswer, type RequestPayload } from '@parley/contracts';
import { Unavailable } from '@parley/service-kit';
import { PARTS, type PresenceParts } from './parts.js';
import { Presences } from './presences.js';

/** Half of what a client's call may take. */
const VISIBLE_MS = 4_000;

interface Visible {
  readonly open: string[];
  readonly blocked: string[];
  inOrder(presence: readonly Presence[]): Presence[];
}
/** What a block shows: no more than for somebody who was never here. */
const offline = (userId: string): Presence => ({ userId, state: 'offline' });

@Controller()
export class PresenceController {
  constructor(
    @Inject(PARTS) private readonly parts: PresenceParts,
    @Inject(Presences) private readonly presences: Presences,
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
    const { open, blocked, inOrder } = await this.visible(caller.userId, input.userIds);
    return { items: inOrder([...(await this.presences.get(open)), ...blocked.map(offline)]) };
  }

  @MessagePattern<string>('presence.watching.v1')
  async watching(
    @Payload() { gatewayId, userId, add, remove }: RequestPayload<'presence.watching.v1'>,
  ): Promise<RequestAnswer<'presence.watching.v1'>> {
    const { open, blocked, inOrder } = await this.visible(userId, add);
    return {
      presence: inOrder([...(await this.presences.watch(gatewayId, open, remove)), ...blocked.map(offline)]),
      blocked,
    };
  }

  /** Those whose presence `userId` may see, and those of the visible who show as offline whatever they are. `inOrder` puts answers in the order asked for, each once. */
  private async visible(userId: string, wanted: readonly string[]): Promise<Visible> {
    const userIds = [...new Set(wanted)];
    const inOrder = (presence: readonly Presence[]) => {
      const byId = new Map(presence.map((one) => [one.userId, one]));
      return userIds.flatMap((one) => byId.get(one) ?? []);
    };
    if (userIds.length === 0) return { open: [], blocked: [], inOrder };
    try {
      const answer = await this.parts.broker.request(
        'history.visible.v1',
        { userId, userIds },
        { deadlineMs: VISIBLE_MS },
      );
      const blocked = new Set(answer.blocked);
      return {
        open: answer.userIds.filter((one) => !blocked.has(one)),
        blocked: answer.userIds.filter((one) => blocked.has(one)),
        inOrder,
      };
    } catch (error) {
      if (error instanceof ChatError && error.code === 'unavailable')
        throw new Unavailable('history does not say who is visible', { cause: error });
      throw error;
    }
  }
}
