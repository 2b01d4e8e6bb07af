import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern } from '@nestjs/microservices';
import { Broker, type Delivery } from '@parley/broker';
import { newId, type RequestName, type RequestPayload } from '@parley/contracts';
import { changeConversation } from '../commands/change.js';
import { CommandRunner } from '../commands/runner.js';
import { Settings } from '../config.js';
import { ConversationCreator } from './create.js';
import { add, join, leave, liftBan, lookUpUser, remove, update } from './members.js';
import { deleteConversation, updateConversation } from './update.js';

type Command<N extends RequestName> = Delivery<RequestPayload<N>>;

/** Commands on conversations and their members. */
@Controller()
export class ConversationsController {
  constructor(
    private readonly runner: CommandRunner,
    private readonly creator: ConversationCreator,
    private readonly broker: Broker,
    private readonly settings: Settings,
  ) {}

  @MessagePattern<string>('conversation.create.v1')
  create(@Ctx() delivery: Command<'conversation.create.v1'>): Promise<void> {
    return this.runner.run(delivery, () => this.creator.create(delivery.payload));
  }

  @MessagePattern<string>('conversation.update.v1')
  update(@Ctx() delivery: Command<'conversation.update.v1'>): Promise<void> {
    const { input } = delivery.payload;
    return this.runner.change(delivery, input.conversationId, 'member', (change) => updateConversation(change, input));
  }

  @MessagePattern<string>('conversation.delete.v1')
  delete(@Ctx() delivery: Command<'conversation.delete.v1'>): Promise<void> {
    return this.runner.change(delivery, delivery.payload.input.conversationId, 'later', deleteConversation);
  }

  @MessagePattern<string>('conversation.join.v1')
  join(@Ctx() delivery: Command<'conversation.join.v1'>): Promise<void> {
    return this.runner.change(delivery, delivery.payload.input.conversationId, 'visible', (change) =>
      join(change, this.settings.membersPerGroup),
    );
  }

  @MessagePattern<string>('conversation.leave.v1')
  leave(@Ctx() delivery: Command<'conversation.leave.v1'>): Promise<void> {
    return this.runner.change(delivery, delivery.payload.input.conversationId, 'later', leave);
  }

  @MessagePattern<string>('member.add.v1')
  async addMember(@Ctx() delivery: Command<'member.add.v1'>): Promise<void> {
    const { input } = delivery.payload;
    const user = await lookUpUser(this.broker, input.userId);
    await this.runner.change(delivery, input.conversationId, 'member', (change) =>
      add(change, input, user, this.settings.membersPerGroup),
    );
  }

  @MessagePattern<string>('member.update.v1')
  updateMember(@Ctx() delivery: Command<'member.update.v1'>): Promise<void> {
    const { input } = delivery.payload;
    return this.runner.change(delivery, input.conversationId, 'member', (change) =>
      update(change, input, this.settings.membersPerGroup),
    );
  }

  @MessagePattern<string>('member.remove.v1')
  removeMember(@Ctx() delivery: Command<'member.remove.v1'>): Promise<void> {
    const { input } = delivery.payload;
    return this.runner.change(delivery, input.conversationId, 'member', (change) => remove(change, input));
  }

  /** Sent by `ExpiredBans`. Runs with the formerly banned user as the caller. */
  @MessagePattern<string>('member.return.v1')
  returnMember(@Ctx() delivery: Command<'member.return.v1'>): Promise<void> {
    const { conversationId, userId } = delivery.payload;
    const context = {
      caller: { requestId: newId(), userId, sessionId: newId(), kind: 'person' as const },
      redelivered: delivery.redelivered,
    };
    return this.runner.run(delivery, () => changeConversation(this.runner, conversationId, context, 'later', liftBan));
  }
}
