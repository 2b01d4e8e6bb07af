import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import type { RequestAnswer, RequestPayload } from '@parley/contracts';
import { Accounts } from './accounts.js';

@Controller()
export class AccountsController {
  constructor(private readonly accounts: Accounts) {}

  @MessagePattern<string>('auth.register.v1')
  register(
    @Payload() { caller, input }: RequestPayload<'auth.register.v1'>,
  ): Promise<RequestAnswer<'auth.register.v1'>> {
    return this.accounts.register(caller, input);
  }

  @MessagePattern<string>('auth.login.v1')
  login(@Payload() { caller, input }: RequestPayload<'auth.login.v1'>): Promise<RequestAnswer<'auth.login.v1'>> {
    return this.accounts.login(caller, input);
  }

  @MessagePattern<string>('auth.guest.v1')
  guest(@Payload() { caller, input }: RequestPayload<'auth.guest.v1'>): Promise<RequestAnswer<'auth.guest.v1'>> {
    return this.accounts.guest(caller, input);
  }

  @MessagePattern<string>('auth.password.v1')
  async password(
    @Payload() { caller, input }: RequestPayload<'auth.password.v1'>,
  ): Promise<RequestAnswer<'auth.password.v1'>> {
    await this.accounts.changePassword(caller, input);
    return {};
  }
}
