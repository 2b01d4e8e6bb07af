import { Controller, Inject } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import type { Delivery } from '@parley/broker';
import { newId, type RequestName, type RequestPayload } from '@parley/contracts';
import { changeConversation, commandOf } from '../commands/change.js';
import { Commands } from '../commands/runner.js';
import { deleteConversation, updateConversation } from './update.js';
import { add, askFor, join, leave, liftBan, remove, update } from './members.js';
import { addBlock, addContact, removeBlock, removeContact } from '../people/people.js';

type Request<N extends RequestName> = Delivery<RequestPayload<N>>;

/** What conversations are and who is in them; whom people know and block. */
@Controller()
export class ConversationsController {
  constructor(@Inject(Commands) private readonly commands: Commands) {}

  @MessagePattern<string>('conversation.update.v1')
  update(
    @Payload() { input }: RequestPayload<'conversation.update.v1'>,
    @Ctx() delivery: Request<'conversation.update.v1'>,
  ): Promise<void> {
    return this.commands.change(delivery, input.conversationId, 'member', (change) =>
      updateConversation(change, input),
    );
  }

  @MessagePattern<string>('conversation.delete.v1')
  delete(
    @Payload() { input }: RequestPayload<'conversation.delete.v1'>,
    @Ctx() delivery: Request<'conversation.delete.v1'>,
  ): Promise<void> {
    return this.commands.change(delivery, input.conversationId, 'unchecked', deleteConversation);
  }

  @MessagePattern<string>('conversation.join.v1')
  join(
    @Payload() { input }: RequestPayload<'conversation.join.v1'>,
    @Ctx() delivery: Request<'conversation.join.v1'>,
  ): Promise<void> {
    return this.commands.change(delivery, input.conversationId, 'visible', join);
  }

  @MessagePattern<string>('conversation.leave.v1')
  leave(
    @Payload() { input }: RequestPayload<'conversation.leave.v1'>,
    @Ctx() delivery: Request<'conversation.leave.v1'>,
  ): Promise<void> {
    return this.commands.change(delivery, input.conversationId, 'unchecked', leave);
  }

  @MessagePattern<string>('member.add.v1')
  async addMember(
    @Payload() { input }: RequestPayload<'member.add.v1'>,
    @Ctx() delivery: Request<'member.add.v1'>,
  ): Promise<void> {
    const asked = await askFor(this.commands.broker, input.userId);
    await this.commands.change(delivery, input.conversationId, 'member', (change) => add(change, input, asked));
  }

  @MessagePattern<string>('member.update.v1')
  updateMember(
    @Payload() { input }: RequestPayload<'member.update.v1'>,
    @Ctx() delivery: Request<'member.update.v1'>,
  ): Promise<void> {
    return this.commands.change(delivery, input.conversationId, 'member', (change) => update(change, input));
  }

  @MessagePattern<string>('member.remove.v1')
  removeMember(
    @Payload() { input }: RequestPayload<'member.remove.v1'>,
    @Ctx() delivery: Request<'member.remove.v1'>,
  ): Promise<void> {
    return this.commands.change(delivery, input.conversationId, 'member', (change) => remove(change, input));
  }

  /** As if the one who is back had asked. */
  @MessagePattern<string>('member.return.v1')
  returnMember(
    @Payload() { conversationId, userId }: RequestPayload<'member.return.v1'>,
    @Ctx() delivery: Request<'member.return.v1'>,
  ): Promise<void> {
    const command = {
      caller: { requestId: newId(), userId, sessionId: newId(), kind: 'person' as const },
      redelivered: delivery.redelivered,
    };
    return this.commands.carryOut(delivery, () =>
      changeConversation(this.commands, conversationId, command, 'unchecked', liftBan),
    );
  }

  @MessagePattern<string>('contact.add.v1')
  addContact(
    @Payload() { input }: RequestPayload<'contact.add.v1'>,
    @Ctx() delivery: Request<'contact.add.v1'>,
  ): Promise<void> {
    return this.commands.carryOut(delivery, () => addContact(this.commands, commandOf(delivery), input.userId));
  }

  @MessagePattern<string>('contact.remove.v1')
  removeContact(
    @Payload() { input }: RequestPayload<'contact.remove.v1'>,
    @Ctx() delivery: Request<'contact.remove.v1'>,
  ): Promise<void> {
    return this.commands.carryOut(delivery, () => removeContact(this.commands, commandOf(delivery), input.userId));
  }

  @MessagePattern<string>('block.add.v1')
  addBlock(
    @Payload() { input }: RequestPayload<'block.add.v1'>,
    @Ctx() delivery: Request<'block.add.v1'>,
  ): Promise<void> {
    return this.commands.carryOut(delivery, () => addBlock(this.commands, commandOf(delivery), input.userId));
  }

  @MessagePattern<string>('block.remove.v1')
  removeBlock(
    @Payload() { input }: RequestPayload<'block.remove.v1'>,
    @Ctx() delivery: Request<'block.remove.v1'>,
  ): Promise<void> {
    return this.commands.carryOut(delivery, () => removeBlock(this.commands, commandOf(delivery), input.userId));
  }
}
