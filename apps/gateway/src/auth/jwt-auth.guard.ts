import { Injectable, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import { ChatError, type Call } from '@parley/contracts';
import { Unavailable } from '@parley/service-kit';
import type { Request } from 'express';
import { clientAddress } from '../calls/client.js';
import { RateLimits } from '../calls/rate-limits.js';
import { GatewayConfig } from '../config.js';
import { JwtStrategy } from './jwt.strategy.js';

/** The route's authentication: the `auth` of its call. Default: a session is required. */
export const Access = Reflector.createDecorator<Call['auth']>();

/**
 * Counts requests without a valid token by their address. Lets a request through with a valid token. An `optional` call
 * also passes without any token, an `open` one with any token, because a client that logs in may still have an old one.
 *
 * The strategy is passed as an object, not by the name `jwt`: Passport keeps names in one registry per process, and a
 * process may hold several gateways (ADR 28).
 */
@Injectable()
export class JwtAuthGuard extends AuthGuard() {
  constructor(
    strategy: JwtStrategy,
    private readonly reflector: Reflector,
    private readonly config: GatewayConfig,
    private readonly limits: RateLimits,
  ) {
    super({ defaultStrategy: strategy });
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<Request>();
    const access = this.reflector.get(Access, context.getHandler()) ?? 'session';
    if (access === 'open' || (access === 'optional' && request.headers.authorization === undefined)) return true;
    try {
      return (await super.canActivate(context)) as boolean;
    } catch (error) {
      await this.limits.admitRequest({ address: clientAddress(request, this.config.TRUST_PROXY) });
      throw error;
    }
  }

  /** `info`: the reason why the strategy refused a token. */
  override handleRequest<T>(error: unknown, user: T, info: unknown): T {
    if (user) return user;
    if (error) throw error;
    throw info instanceof ChatError || info instanceof Unavailable ? info : new ChatError('unauthenticated');
  }
}
