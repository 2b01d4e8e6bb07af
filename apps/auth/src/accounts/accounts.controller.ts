import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { ChatError, type RequestAnswer, type RequestPayload } from '@parley/contracts';
import { Accounts } from './accounts.js';
import { Sessions } from '../sessions/sessions.js';
import { SigningKeys } from '../sessions/signing-keys.js';

/** Accounts and sessions. */
@Controller()
export class AuthController {
  constructor(
    @Inject(Accounts) private readonly accounts: Accounts,
    @Inject(Sessions) private readonly sessions: Sessions,
    @Inject(SigningKeys) private readonly keys: SigningKeys,
  ) {}

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

  @MessagePattern<string>('auth.refresh.v1')
  refresh(@Payload() { caller, input }: RequestPayload<'auth.refresh.v1'>): Promise<RequestAnswer<'auth.refresh.v1'>> {
    return this.sessions.refresh(caller, input.refreshToken);
  }

  @MessagePattern<string>('auth.logout.v1')
  async logout(@Payload() { caller }: RequestPayload<'auth.logout.v1'>): Promise<RequestAnswer<'auth.logout.v1'>> {
    await this.sessions.end(caller.userId, [caller.sessionId], 'logout');
    return {};
  }

  @MessagePattern<string>('auth.sessions.v1')
  list(@Payload() { caller, input }: RequestPayload<'auth.sessions.v1'>): Promise<RequestAnswer<'auth.sessions.v1'>> {
    return this.sessions.list(caller, input);
  }

  @MessagePattern<string>('auth.end.v1')
  async end(@Payload() { caller, input }: RequestPayload<'auth.end.v1'>): Promise<RequestAnswer<'auth.end.v1'>> {
    const ended = await this.sessions.end(caller.userId, [input.sessionId], 'ended');
    if (ended.length === 0) throw new ChatError('not_found');
    return {};
  }

  @MessagePattern<string>('auth.password.v1')
  async password(
    @Payload() { caller, input }: RequestPayload<'auth.password.v1'>,
  ): Promise<RequestAnswer<'auth.password.v1'>> {
    await this.accounts.changePassword(caller, input);
    return {};
  }

  @MessagePattern<string>('auth.keys.v1')
  async publicKeys(): Promise<RequestAnswer<'auth.keys.v1'>> {
    return { keys: await this.keys.published() };
  }

  @MessagePattern<string>('auth.revocations.v1')
  async revocations(): Promise<RequestAnswer<'auth.revocations.v1'>> {
    return this.sessions.revocations();
  }
}
