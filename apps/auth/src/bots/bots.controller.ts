import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import type { RequestAnswer, RequestPayload } from '@parley/contracts';
import { Bots } from './bots.js';

/** Bots and their tokens. */
@Controller()
export class BotsController {
  constructor(private readonly bots: Bots) {}

  @MessagePattern<string>('bot.create.v1')
  create(@Payload() { caller, input }: RequestPayload<'bot.create.v1'>): Promise<RequestAnswer<'bot.create.v1'>> {
    return this.bots.create(caller, input);
  }

  @MessagePattern<string>('bot.list.v1')
  list(@Payload() { caller, input }: RequestPayload<'bot.list.v1'>): Promise<RequestAnswer<'bot.list.v1'>> {
    return this.bots.list(caller, input);
  }

  @MessagePattern<string>('bot.token.v1')
  renewToken(@Payload() { caller, input }: RequestPayload<'bot.token.v1'>): Promise<RequestAnswer<'bot.token.v1'>> {
    return this.bots.renewToken(caller, input);
  }

  @MessagePattern<string>('bot.delete.v1')
  async delete(@Payload() { caller, input }: RequestPayload<'bot.delete.v1'>): Promise<RequestAnswer<'bot.delete.v1'>> {
    await this.bots.delete(caller, input);
    return {};
  }

  @MessagePattern<string>('auth.bot.v1')
  verify(@Payload() { token }: RequestPayload<'auth.bot.v1'>): Promise<RequestAnswer<'auth.bot.v1'>> {
    return this.bots.verify(token);
  }
}
