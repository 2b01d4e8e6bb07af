import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { ChatError, type RequestAnswer, type RequestPayload } from '@parley/contracts';
import { Sessions } from './sessions.js';
import { SigningKeys } from './signing-keys.js';

/** Sessions, and the keys and revocations by which gateways check their access tokens. */
@Controller()
export class SessionsController {
  constructor(
    private readonly sessions: Sessions,
    private readonly keys: SigningKeys,
  ) {}

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

  @MessagePattern<string>('auth.keys.v1')
  async publicKeys(): Promise<RequestAnswer<'auth.keys.v1'>> {
    return { keys: await this.keys.published() };
  }

  @MessagePattern<string>('auth.file-token.v1')
  fileToken(@Payload() request: RequestPayload<'auth.file-token.v1'>): Promise<RequestAnswer<'auth.file-token.v1'>> {
    return this.sessions.fileToken(request);
  }

  @MessagePattern<string>('auth.revocations.v1')
  revocations(): Promise<RequestAnswer<'auth.revocations.v1'>> {
    return this.sessions.revocations();
  }
}
