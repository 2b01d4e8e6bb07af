import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import type { RequestAnswer, RequestPayload } from '@parley/contracts';
import { Preferences } from './preferences.js';

/** A member's private settings. */
@Controller()
export class PreferencesController {
  constructor(private readonly preferences: Preferences) {}

  @MessagePattern<string>('conversation.me.v1')
  set(
    @Payload() { caller, input }: RequestPayload<'conversation.me.v1'>,
  ): Promise<RequestAnswer<'conversation.me.v1'>> {
    return this.preferences.set(caller, input);
  }
}
