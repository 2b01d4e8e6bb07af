import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern } from '@nestjs/microservices';
import { Broker, type Delivery } from '@parley/broker';
import type { RequestName, RequestPayload } from '@parley/contracts';
import { CommandRunner } from '../commands/runner.js';
import { BotOwners } from '../people/bot-owners.js';
import { usersNamedIn } from '../people/mentions.js';
import { changeMessage } from './change.js';
import { deleteMessage } from './delete.js';
import { editMessage } from './edit.js';
import { pinMessage, unpinMessage } from './pins.js';
import { addReaction, removeReaction } from './reactions.js';

type Command<N extends RequestName> = Delivery<RequestPayload<N>>;

/** Commands on stored messages: edit, delete, react, pin. */
@Controller()
export class MessagesController {
  constructor(
    private readonly runner: CommandRunner,
    private readonly broker: Broker,
    private readonly owners: BotOwners,
  ) {}

  @MessagePattern<string>('message.edit.v1')
  async edit(@Ctx() delivery: Command<'message.edit.v1'>): Promise<void> {
    const { body } = delivery.payload.input;
    const users = await usersNamedIn(this.broker, [body]);
    await changeMessage(this.runner, delivery, (change, row) => editMessage(change, row, body, users));
  }

  @MessagePattern<string>('message.delete.v1')
  delete(@Ctx() delivery: Command<'message.delete.v1'>): Promise<void> {
    return changeMessage(this.runner, delivery, deleteMessage);
  }

  @MessagePattern<string>('reaction.add.v1')
  async addReaction(@Ctx() delivery: Command<'reaction.add.v1'>): Promise<void> {
    const { caller, input } = delivery.payload;
    // A reaction gate counts people.
    await this.owners.learn([caller]);
    await changeMessage(this.runner, delivery, (change, row) => addReaction(change, row, input.emoji));
  }

  @MessagePattern<string>('reaction.remove.v1')
  removeReaction(@Ctx() delivery: Command<'reaction.remove.v1'>): Promise<void> {
    const { emoji } = delivery.payload.input;
    return changeMessage(this.runner, delivery, (change, row) => removeReaction(change, row, emoji));
  }

  @MessagePattern<string>('message.pin.v1')
  pin(@Ctx() delivery: Command<'message.pin.v1'>): Promise<void> {
    return changeMessage(this.runner, delivery, pinMessage);
  }

  @MessagePattern<string>('message.unpin.v1')
  unpin(@Ctx() delivery: Command<'message.unpin.v1'>): Promise<void> {
    return changeMessage(this.runner, delivery, unpinMessage);
  }
}
