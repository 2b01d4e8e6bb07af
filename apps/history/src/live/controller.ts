import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import type { RequestAnswer, RequestPayload } from '@parley/contracts';
import { Live } from './live.js';

/** Events that are passed on to members and stored nowhere. */
@Controller()
export class LiveController {
  constructor(private readonly live: Live) {}

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
