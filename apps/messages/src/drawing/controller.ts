import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import type { Delivery } from '@parley/broker';
import type { RequestPayload } from '@parley/contracts';
import { CommandRunner } from '../commands/runner.js';
import { LineDrawer } from './draw.js';
import { changeLines, removeLines } from './own-lines.js';
import { resetDrawing } from './reset.js';

/** Commands on the board of a conversation. */
@Controller()
export class DrawingController {
  constructor(
    private readonly runner: CommandRunner,
    private readonly drawer: LineDrawer,
  ) {}

  @MessagePattern<string>('drawing.draw.v1', { batch: { max: 200, concurrency: 4 } })
  async draw(@Payload() deliveries: readonly Delivery<RequestPayload<'drawing.draw.v1'>>[]): Promise<void> {
    await this.runner.finish(deliveries, await this.drawer.draw(deliveries));
  }

  @MessagePattern<string>('drawing.change.v1')
  change(@Ctx() delivery: Delivery<RequestPayload<'drawing.change.v1'>>): Promise<void> {
    const { input } = delivery.payload;
    return this.runner.change(delivery, input.conversationId, 'member', (change) => changeLines(change, input));
  }

  @MessagePattern<string>('drawing.remove.v1')
  remove(@Ctx() delivery: Delivery<RequestPayload<'drawing.remove.v1'>>): Promise<void> {
    const { input } = delivery.payload;
    return this.runner.change(delivery, input.conversationId, 'member', (change) => removeLines(change, input));
  }

  @MessagePattern<string>('drawing.reset.v1')
  reset(@Ctx() delivery: Delivery<RequestPayload<'drawing.reset.v1'>>): Promise<void> {
    return this.runner.change(delivery, delivery.payload.input.conversationId, 'member', resetDrawing);
  }
}
