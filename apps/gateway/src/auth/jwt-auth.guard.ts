import { Injectable, type ExecutionContext } from '@nestjs/common';
import { AuthGuard } from '@nestjs/passport';
import { calls, type Call, type CallName } from '@parley/contracts';
import type { Request } from 'express';
import { refusalOf } from './jwt.strategy.js';

/** Lets a call through with a good token; an `optional` one also without any, an `open` one whatever token comes with it: whoever logs in may still have an old one. */
@Injectable()
export class SessionGuard extends AuthGuard() {
  override async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<Request>();
    const auth = (calls[context.getHandler().name as CallName] as Call | undefined)?.auth ?? 'session';
    if (auth === 'open' || (auth === 'optional' && request.headers.authorization === undefined)) return true;
    return (await super.canActivate(context)) as boolean;
  }

  override handleRequest<T>(error: unknown, user: T, info: unknown): T {
    if (!user) throw refusalOf(error, info);
    return user;
  }
}
