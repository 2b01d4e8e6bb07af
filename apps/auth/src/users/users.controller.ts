import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import type { RequestAnswer, RequestPayload } from '@parley/contracts';
import { Users } from './users.js';

@Controller()
export class UsersController {
  constructor(private readonly users: Users) {}

  @MessagePattern<string>('user.me.v1')
  async me(@Payload() { caller }: RequestPayload<'user.me.v1'>): Promise<RequestAnswer<'user.me.v1'>> {
    return { user: await this.users.me(caller) };
  }

  @MessagePattern<string>('user.update.v1')
  async update(
    @Payload() { caller, input }: RequestPayload<'user.update.v1'>,
  ): Promise<RequestAnswer<'user.update.v1'>> {
    return { user: await this.users.update(caller, input) };
  }

  @MessagePattern<string>('user.list.v1')
  list(@Payload() { input }: RequestPayload<'user.list.v1'>): Promise<RequestAnswer<'user.list.v1'>> {
    return this.users.list(input);
  }

  @MessagePattern<string>('user.get.v1')
  async get(@Payload() { input }: RequestPayload<'user.get.v1'>): Promise<RequestAnswer<'user.get.v1'>> {
    return { user: await this.users.get(input.userId) };
  }

  @MessagePattern<string>('users.known.v1')
  async byIds(@Payload() { userIds }: RequestPayload<'users.known.v1'>): Promise<RequestAnswer<'users.known.v1'>> {
    return { users: await this.users.byIds(userIds) };
  }

  @MessagePattern<string>('users.named.v1')
  async byUsernames(
    @Payload() { usernames }: RequestPayload<'users.named.v1'>,
  ): Promise<RequestAnswer<'users.named.v1'>> {
    return { users: await this.users.byUsernames(usernames) };
  }
}
