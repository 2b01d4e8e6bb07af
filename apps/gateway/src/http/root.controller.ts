import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { asyncapi } from '../documents/asyncapi.js';
import { openapi } from '../documents/openapi.js';
import { page } from '../documents/page.js';
import { PARTS, type GatewayParts } from '../parts.js';
import { SigningKeys } from '../auth/signing-keys.js';

/** What is open to everybody at the root: health, metrics, keys and documents. */
@Controller()
export class RootController {
  constructor(
    @Inject(PARTS) private readonly parts: GatewayParts,
    @Inject(SigningKeys) private readonly keys: SigningKeys,
  ) {}

  @Get(['health/live', 'health/ready', 'metrics'])
  async health(@Req() request: Request, @Res() response: Response): Promise<void> {
    const { status, type, body } = await this.parts.health.answer(request.path);
    response.status(status).setHeader('content-type', type);
    response.send(body);
  }

  @Get('.well-known/jwks.json')
  async jwks(@Res() response: Response): Promise<void> {
    const keys = await this.keys.published();
    response.setHeader('cache-control', 'public, max-age=60');
    response.json(keys);
  }

  @Get('api/docs')
  docs(@Res() response: Response): void {
    response.setHeader(
      'content-security-policy',
      "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    );
    response.type('html').send(page());
  }

  @Get('api/openapi.json')
  openapi(@Res() response: Response): void {
    response.json(openapi());
  }

  @Get('api/asyncapi.json')
  asyncapi(@Res() response: Response): void {
    response.json(asyncapi());
  }
}
