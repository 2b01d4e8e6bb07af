import { Controller, Inject } from '@nestjs/common';
import { Ctx, MessagePattern } from '@nestjs/microservices';
import type { Delivery } from '@parley/broker';
import type { RequestName, RequestPayload } from '@parley/contracts';
import { changeMessage } from './change.js';
import { Commands } from '../commands/runner.js';
import { deleteMessage } from './delete.js';
import { editMessage } from './edit.js';
import { namesOf } from '../people/mentions.js';
import { pinMessage, unpinMessage } from './pins.js';
import { addReaction, removeReaction } from './reactions.js';

type Asked<N extends RequestName> = Delivery<RequestPayload<N>>;

/** What becomes of a message after it was sent. */
@Controller()
export class MessageController {
  constructor(@Inject(Commands) private readonly commands: Commands) {}

  @MessagePattern<string>('message.edit.v1')
  async edit(@Ctx() delivery: Asked<'message.edit.v1'>): Promise<void> {
    const { body } = delivery.payload.input;
    const names = await namesOf(this.commands.broker, [body]);
    await changeMessage(this.commands, delivery, (change, row) => editMessage(change, row, body, names));
  }

  @MessagePattern<string>('message.delete.v1')
  delete(@Ctx() delivery: Asked<'message.delete.v1'>): Promise<void> {
    return changeMessage(this.commands, delivery, deleteMessage);
  }

  @MessagePattern<string>('reaction.add.v1')
  react(@Ctx() delivery: Asked<'reaction.add.v1'>): Promise<void> {
    return changeMessage(this.commands, delivery, (change, row) =>
      addReaction(change, row, delivery.payload.input.emoji),
    );
  }

  @MessagePattern<string>('reaction.remove.v1')
  takeBack(@Ctx() delivery: Asked<'reaction.remove.v1'>): Promise<void> {
    return changeMessage(this.commands, delivery, (change, row) =>
      removeReaction(change, row, delivery.payload.input.emoji),
    );
  }

  @MessagePattern<string>('message.pin.v1')
  pin(@Ctx() delivery: Asked<'message.pin.v1'>): Promise<void> {
    return changeMessage(this.commands, delivery, pinMessage);
  }

  @MessagePattern<string>('message.unpin.v1')
  unpin(@Ctx() delivery: Asked<'message.unpin.v1'>): Promise<void> {
    return changeMessage(this.commands, delivery, unpinMessage);
  }
}
