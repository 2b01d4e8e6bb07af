import { pipeline } from 'node:stream/promises';
import { All, Controller, Get, Inject, Post, Req, Res, UseGuards } from '@nestjs/common';
import { ChatError, Id, limits, newId, type Attachment } from '@parley/contracts';
import { withTrace } from '@parley/service-kit';
import type { Request, Response } from 'express';
import type { Client } from '../calls/client.js';
import { clientOf, queryOf } from '../http/call-routes.js';
import { Limits } from '../calls/limits.js';
import { Metrics, type FileCall } from '../metrics.js';
import { PARTS, type GatewayParts } from '../parts.js';
import { sendProblem, traceOf } from '../http/problem.filter.js';
import { SessionGuard } from '../auth/jwt-auth.guard.js';
import { Files } from './files.js';
import { receiveFile } from './multipart.js';
import { disposition } from './names.js';
import { rangeOf } from './range.js';
import { MissingFile } from './store.js';
import { Uploads } from './uploads.js';

/** Files in and out: what is too large for a call. */
@Controller('api/v1')
@UseGuards(SessionGuard)
export class FilesController {
  constructor(
    @Inject(PARTS) private readonly parts: GatewayParts,
    @Inject(Files) private readonly files: Files,
    @Inject(Uploads) private readonly uploads: Uploads,
    @Inject(Limits) private readonly limits: Limits,
    @Inject(Metrics) private readonly metrics: Metrics,
  ) {}

  /** The answer to a file in one piece. */
  @Post('attachments')
  attach(@Req() request: Request, @Res() response: Response): Promise<void> {
    return this.count('attachment.create', request, response, async ({ session }) => {
      const announced = Number(request.headers['content-length'] ?? 1);
      if (announced > limits.attachmentBytes + limits.packetBytes) throw new ChatError('too_large');
      const { userId } = session!;
      await this.files.admit(userId, Math.max(1, announced - limits.packetBytes));
      const attachment = await this.files.withPlace(async (path) => {
        const name = await receiveFile(request, path, limits.attachmentBytes);
        return this.files.keep(userId, { id: newId(), path, name });
      });
      response.status(201).json(attachment);
    });
  }

  @Get('attachments/:id')
  fetch(@Req() request: Request, @Res() response: Response): Promise<void> {
    return this.count('attachment.get', request, response, async ({ session }) => {
      const attachmentId = request.params['id'];
      if (!Id.safeParse(attachmentId).success)
        throw new ChatError('invalid', 'id: must be an id', { details: [{ path: 'id', message: 'must be an id' }] });
      const { attachment, key } = await this.parts.broker.request('attachment.locate.v1', {
        userId: session!.userId,
        attachmentId: attachmentId as string,
      });
      await this.send(request, response, attachment, key);
    });
  }

  @All(['uploads', 'uploads/:id'])
  upload(@Req() request: Request, @Res() response: Response): Promise<void> {
    return this.count('upload', request, response, () => this.uploads.handle(request, response));
  }

  private async count(
    call: FileCall,
    request: Request,
    response: Response,
    work: (client: Client) => Promise<void>,
  ): Promise<void> {
    const client = clientOf(this.parts, request);
    const ended = this.metrics.called(call, 'http');
    try {
      await withTrace({ ...traceOf(response), userId: client.session!.userId }, async () => {
        await this.limits.request(client);
        queryOf({}, request.originalUrl);
        await work(client);
      });
      ended('ok');
    } catch (error) {
      ended(error instanceof ChatError ? error.code : 'internal');
      throw error;
    }
  }

  /** The bytes never change, but who may see them does: a client keeps them, and asks each time. */
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
    if (matches(request.headers['if-none-match'], tag)) return void response.status(304).end();
    const range = rangeOf(request.headers, size, tag);
    if (range === 'unsatisfiable') return outside(response, size);
    response.set({
      'Content-Type': mediaType,
      'Content-Disposition': disposition(mediaType, name),
      'Content-Length': String(range ? range.end - range.start + 1 : size),
    });
    if (range) response.status(206).set('Content-Range', `bytes ${range.start}-${range.end}/${size}`);
    if (request.method === 'HEAD') return void response.end();
    const bytes = await (await this.files.store).read(key, range).catch((error: unknown) => {
      for (const name of response.getHeaderNames())
        if (name.startsWith('content-') && name !== 'content-security-policy') response.removeHeader(name);
      throw error instanceof MissingFile ? new ChatError('not_found', 'the file is gone') : error;
    });
    // Who goes away before the end is no defect.
    await pipeline(bytes, response).catch(
      (error: unknown) =>
        void (
          response.destroyed ||
          this.parts.logger.warn({ err: error, attachmentId: id }, 'a file was not sent to its end')
        ),
    );
  }
}

const matches = (header: string | undefined, tag: string): boolean =>
  (header ?? '').split(',').some((one) => [tag, `W/${tag}`, '*'].includes(one.trim()));

function outside(response: Response, size: number): void {
  response.set('Content-Range', `bytes */${size}`);
  sendProblem(response, 'invalid', 'the range lies outside the file', { status: 416 });
}
