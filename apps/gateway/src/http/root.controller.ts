import { Controller, Get, Req, Res } from '@nestjs/common';
import { ChatError } from '@parley/contracts';
import { Health } from '@parley/service-kit';
import type { Request, Response } from 'express';
import { VerificationKeys } from '../auth/verification-keys.js';
import { GatewayConfig, limitsOf } from '../config.js';
import { asyncapi } from '../documents/asyncapi.js';
import { openapi } from '../documents/openapi.js';
import { loadPageFiles } from '../documents/page-files.js';
import { page } from '../documents/page.js';

const pagePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

/** The public addresses at the root: health, metrics, keys and documents. */
@Controller()
export class RootController {
  /** The files of the page, once somebody has asked for one. */
  private pageFiles: ReturnType<typeof loadPageFiles> | undefined;
  /** The documents that are the same for everybody, once somebody has asked for one: making them takes a while. */
  private page: string | undefined;
  private openapiDocument: object | undefined;

  constructor(
    private readonly healthChecks: Health,
    private readonly keys: VerificationKeys,
    private readonly config: GatewayConfig,
  ) {}

  @Get('metrics')
  metrics(@Req() request: Request, @Res() response: Response): Promise<void> {
    if (!this.config.PUBLIC_METRICS) throw new ChatError('not_found', 'no such address');
    return this.health(request, response);
  }

  @Get(['health/live', 'health/ready'])
  async health(@Req() request: Request, @Res() response: Response): Promise<void> {
    const { status, type, body } = await this.healthChecks.answer(request.path);
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
    response.setHeader('content-security-policy', pagePolicy);
    response.type('html').send((this.page ??= page(limitsOf(this.config))));
  }

  @Get(['api/docs/style.css', 'api/docs/script.js', 'api/docs/socket.io.js'])
  async docsFile(@Req() request: Request, @Res() response: Response): Promise<void> {
    this.pageFiles ??= loadPageFiles();
    const { type, body } = (await this.pageFiles).get(request.path.split('/').at(-1)!)!;
    response.setHeader('cache-control', 'no-cache');
    response.type(type).send(body);
  }

  @Get('api/openapi.json')
  openapi(@Res() response: Response): void {
    response.json((this.openapiDocument ??= openapi(limitsOf(this.config), this.config.BASE_PATH)));
  }

  @Get('api/asyncapi.json')
  asyncapi(@Req() request: Request, @Res() response: Response): void {
    const { PUBLIC_URL, BASE_PATH } = this.config;
    const host = PUBLIC_URL === undefined ? (request.headers.host ?? 'localhost') : new URL(PUBLIC_URL).host;
    response.json(asyncapi(limitsOf(this.config), { host, basePath: BASE_PATH }));
  }
}
