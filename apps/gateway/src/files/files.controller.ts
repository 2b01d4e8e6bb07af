import { pipeline } from 'node:stream/promises';
import { All, Controller, Get, Post, Req, Res, UseGuards } from '@nestjs/common';
import { Broker } from '@parley/broker';
import { ChatError, Id, newId, type Attachment, type HttpRoute } from '@parley/contracts';
import { Logger, withTrace } from '@parley/service-kit';
import type { Request, Response } from 'express';
import { AccessTokens } from '../auth/access-tokens.js';
import { Access, JwtAuthGuard } from '../auth/jwt-auth.guard.js';
import type { Session } from '../auth/session.js';
import type { Client } from '../calls/client.js';
import { RateLimits } from '../calls/rate-limits.js';
import { GatewayConfig } from '../config.js';
import { clientOf, queryOf } from '../http/call-routes.js';
import { sendProblem, traceOf } from '../http/problem.filter.js';
import { Metrics, type FileCall } from '../metrics.js';
import { disposition, fileNameFor, rangeOf } from './file-headers.js';
import { Files } from './files.js';
import { receiveFile } from './multipart.js';
import { isDiskFull, MissingFile } from './store.js';
import { Uploads } from './uploads.js';

/** A client whose session the guard has found. */
type SessionClient = Client & { readonly session: Session };

/** Takes and sends files, which are too large for a call. */
@Controller('api/v1')
@UseGuards(JwtAuthGuard)
export class FilesController {
  constructor(
    private readonly broker: Broker,
    private readonly tokens: AccessTokens,
    private readonly config: GatewayConfig,
    private readonly files: Files,
    private readonly uploads: Uploads,
    private readonly limits: RateLimits,
    private readonly metrics: Metrics,
    private readonly logger: Logger,
  ) {}

  /** Takes a file in one piece. */
  @Post('attachments')
  create(@Req() request: Request, @Res() response: Response): Promise<void> {
    return this.handle('attachment.create', request, response, async ({ session }) => {
      response.status(201).json(await this.receive(session, request));
    });
  }

  /** The form around a file has some bytes, too: how many, only its end tells. */
  private async receive(session: Session, request: Request): Promise<Attachment> {
    const { LIMIT_ATTACHMENT_BYTES: max, LIMIT_PACKET_BYTES: formBytes } = this.config;
    const announced = Number(request.headers['content-length'] ?? max);
    if (announced > max + formBytes) throw new ChatError('too_large');
    const least = request.headers['content-length'] === undefined ? 1 : Math.max(1, announced - formBytes);
    const { userId } = session;
    const id = newId();
    const reserved = await this.files.reserve(session, id, least, Math.min(announced, max));
    try {
      return await this.files.withTemporaryFile(async (path) => {
        const name = await receiveFile(request, path, reserved);
        return this.files.keep(session, { id, path, name });
      });
    } catch (error) {
      await this.files.release(userId, id);
      throw error;
    }
  }

  @Get('attachments/:id')
  get(@Req() request: Request, @Res() response: Response): Promise<void> {
    return this.handle('attachment.get', request, response, ({ session }) => this.sendTo(session, request, response));
  }

  /** The same bytes, for whoever has the link that `attachment.link` made. */
  @Get('attachments/:id/content')
  @Access('open')
  async getLinked(@Req() request: Request, @Res() response: Response): Promise<void> {
    const { link } = queryOf({ query: { link: 'text' } }, request.originalUrl);
    const client = clientOf(request, this.config);
    const session = await this.tokens.verifyLink(link, idOf(request)).catch(async (error: unknown) => {
      await this.limits.admitRequest(client);
      throw error;
    });
    request.user = session;
    return this.handle('attachment.get', request, response, () => this.sendTo(session, request, response), {
      link: 'text',
    });
  }

  private async sendTo({ userId }: Session, request: Request, response: Response): Promise<void> {
    const attachmentId = idOf(request);
    const { attachment, key } = await this.broker.request('attachment.locate.v1', { userId, attachmentId });
    await this.send(request, response, attachment, key);
  }

  @All(['uploads', 'uploads/:id'])
  upload(@Req() request: Request, @Res() response: Response): Promise<void> {
    return this.handle('upload', request, response, () => this.uploads.handle(request, response));
  }

  /** Traces, limits and counts a request as calls are. */
  private async handle(
    call: FileCall,
    request: Request,
    response: Response,
    work: (client: SessionClient) => Promise<void>,
    query: HttpRoute['query'] = {},
  ): Promise<void> {
    const client = clientOf(request, this.config) as SessionClient;
    const stopClock = this.metrics.startCall(call, 'http');
    try {
      await withTrace({ ...traceOf(response), userId: client.session.userId }, async () => {
        await this.limits.admitRequest(client);
        queryOf({ query }, request.originalUrl);
        await work(client).catch((error: unknown) => this.refuseIfFull(error));
      });
      stopClock('ok');
    } catch (error) {
      stopClock(error instanceof ChatError ? error.code : 'internal');
      throw error;
    }
  }

  /** A full disk is no defect: the client tries again once there is room. */
  private refuseIfFull(error: unknown): never {
    if (!isDiskFull(error)) throw error;
    this.logger.error({ err: error }, 'the disk of FILES_DIR is full: files are refused until there is room');
    throw new ChatError('unavailable', 'The server has no room for files');
  }

  /** Sends a file. Its bytes never change, but its audience does: clients cache it and revalidate each time. */
  private async send(
    request: Request,
    response: Response,
    { id, name, mediaType, size }: Attachment,
    key: string,
  ): Promise<void> {
    const tag = `"${id}"`;
    response.set({
      ETag: tag,
      'Cache-Control': 'private, no-cache',
      Vary: 'Authorization, Origin',
      'Accept-Ranges': 'bytes',
    });
    if (matchesTag(request.headers['if-none-match'], tag)) return void response.status(304).end();
    const range = rangeOf(request.headers, size, tag);
    if (range === 'unsatisfiable') return sendUnsatisfiable(response, size);
    response.set({
      'Content-Type': mediaType,
      'Content-Disposition': disposition(mediaType, fileNameFor(mediaType, name)),
      'Content-Length': String(range ? range.end - range.start + 1 : size),
    });
    if (range) response.status(206).set('Content-Range', `bytes ${range.start}-${range.end}/${size}`);
    if (request.method === 'HEAD') return void response.end();
    const bytes = await (await this.files.store).read(key, range).catch((error: unknown) => {
      for (const header of response.getHeaderNames())
        if (header.startsWith('content-') && header !== 'content-security-policy') response.removeHeader(header);
      throw error instanceof MissingFile ? new ChatError('not_found', 'the file is gone') : error;
    });
    await pipeline(bytes, response).catch((error: unknown) => {
      // A client that goes away before the end is not a defect.
      if (!response.destroyed) this.logger.warn({ err: error, attachmentId: id }, 'a file was not sent completely');
    });
  }
}

/** The id in the address. Throws `invalid` when it is none. */
function idOf({ params: { id } }: Request): string {
  if (Id.safeParse(id).success) return id as string;
  throw new ChatError('invalid', 'id: must be an id', { details: [{ path: 'id', message: 'must be an id' }] });
}

const matchesTag = (header: string | undefined, tag: string): boolean =>
  (header ?? '').split(',').some((candidate) => [tag, `W/${tag}`, '*'].includes(candidate.trim()));

function sendUnsatisfiable(response: Response, size: number): void {
  response.set('Content-Range', `bytes */${size}`);
  sendProblem(response, 'invalid', 'the range lies outside the file', { status: 416 });
}
