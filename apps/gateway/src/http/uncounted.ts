/** Rates of what is no call: whatever the guard of calls and the dispatcher do not see. */
import { All, Controller, Req } from '@nestjs/common';
import { ChatError } from '@parley/contracts';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { clientAddress } from '../calls/client.js';
import { RateLimits } from '../calls/rate-limits.js';
import { GatewayConfig } from '../config.js';

/** Calls have rates of their own, and probes must not be refused. */
const COUNTED_ELSEWHERE = /^\/(?:api\/v1|health)(?:\/|$)/i;

/** Express middleware: counts pages, their files, documents and unknown addresses per address. */
export const limitPages =
  (limits: RateLimits, { TRUST_PROXY }: GatewayConfig): RequestHandler =>
  (request: Request, _response: Response, next: NextFunction): void => {
    if (COUNTED_ELSEWHERE.test(request.path)) return next();
    limits.admitPage(clientAddress(request, TRUST_PROXY)).then(() => next(), next);
  };

/** Answers addresses below those of the calls that no call has, and counts them as requests without a token. */
@Controller('api/v1')
export class UnknownCallController {
  constructor(
    private readonly limits: RateLimits,
    private readonly config: GatewayConfig,
  ) {}

  @All('{*path}')
  async refuse(@Req() request: Request): Promise<never> {
    await this.limits.admitRequest({ address: clientAddress(request, this.config.TRUST_PROXY) });
    throw new ChatError('not_found', 'no such address');
  }
}
