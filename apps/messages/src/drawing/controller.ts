import { Controller, Inject } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import type { Delivery } from '@parley/broker';
import { ChatError, type RequestPayload } from '@parley/contracts';
import type { News } from '../commands/publisher.js';
import { Commands } from '../commands/runner.js';
import { drawLines, type DrawCommand } from './draw.js';
import { resetDrawing } from './reset.js';

/** The board of a conversation. */
@Controller()
export class DrawingController {
  constructor(@Inject(Commands) private readonly commands: Commands) {}

  @MessagePattern<string>('drawing.draw.v1', { batch: { max: 200, lanes: 4 } })
  async draw(@Payload() deliveries: readonly Delivery<DrawCommand>[]): Promise<void> {
    const outcomes = await drawLines(this.commands, deliveries);
    const news: News[] = [];
    for (const [at, outcome] of outcomes.entries()) {
      if (outcome instanceof ChatError) {
        deliveries[at]!.refuse(outcome);
        continue;
      }
      deliveries[at]!.reply({});
      news.push(...outcome);
    }
    await this.commands.announcer.tell(news);
  }

  @MessagePattern<string>('drawing.reset.v1')
  reset(@Ctx() delivery: Delivery<RequestPayload<'drawing.reset.v1'>>): Promise<void> {
    return this.commands.change(delivery, delivery.payload.input.conversationId, 'member', resetDrawing);
  }
}
