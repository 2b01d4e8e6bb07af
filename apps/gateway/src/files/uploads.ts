import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { ChatError, Id, limits, newId, type Attachment, type ErrorCode } from '@parley/contracts';
import { FileStore } from '@tus/file-store';
import { ERRORS, Server, type DataStore, type Upload } from '@tus/server';
import type { Request, Response as ExpressResponse } from 'express';
import { NodeRequest } from 'srvx/node';
import type { Session } from '../calls/client.js';
import { PARTS, type GatewayParts } from '../parts.js';
import { sendProblem } from '../http/problem.filter.js';
import { Files } from './files.js';
import { fileName } from './names.js';
import type { BucketUploads } from './s3.js';
import { filesDir, MissingFile, s3Config } from './store.js';

/** An upload that is not finished by then is given up. */
const EXPIRY_MS = 24 * 3_600_000;
const codes: Readonly<Record<number, ErrorCode>> = {
  403: 'forbidden',
  404: 'not_found',
  409: 'conflict',
  410: 'not_found',
  413: 'too_large',
  423: 'conflict',
};
/** What tells clients how far uploads reach, without a token. */
export const capabilities = Object.freeze({
  'Tus-Resumable': '1.0.0',
  'Tus-Version': '1.0.0',
  'Tus-Extension': 'creation,creation-with-upload,creation-defer-length,termination,expiration',
  'Tus-Max-Size': String(limits.uploadBytes),
});

type TusRequest = Parameters<NonNullable<Server['options']['onIncomingRequest']>>[0];
const nodeOf = (request: TusRequest): Request => request.runtime!.node!.req as unknown as Request;
const userOf = (request: Request): string => (request.user as Session).userId;

/**
 * Uploads in parts, as tus 1.0 has them. An upload is its creator's only, and its id becomes the attachment's when it is complete: the answer to its last part comes once the
 * attachment is recorded. Where that answer was lost, HEAD says the same; where recording failed, HEAD tries again.
 */
@Injectable()
export class Uploads {
  private serving: Promise<Server> | undefined;
  /** Where parts lie, unless it is a folder. */
  private bucket: BucketUploads | undefined;
  /** Attachments that are being made of complete uploads. */
  private readonly finishing = new Map<string, Promise<Attachment>>();
  /** What a hook refused, until the answer goes out. */
  private readonly refusals = new WeakMap<Request, Error>();

  constructor(
    @Inject(PARTS) private readonly parts: Pick<GatewayParts, 'broker' | 'config' | 'logger'>,
    @Inject(Files) private readonly files: Files,
  ) {}

  async handle(request: Request, response: ExpressResponse): Promise<void> {
    response.setHeader('Tus-Resumable', capabilities['Tus-Resumable']);
    const id = request.params['id'] as string | undefined;
    if (id !== undefined && !Id.safeParse(id).success) throw new ChatError('not_found', 'no such upload');
    if (
      !['GET', 'OPTIONS'].includes(request.method) &&
      request.headers['tus-resumable'] !== capabilities['Tus-Resumable']
    ) {
      response.setHeader('Tus-Version', capabilities['Tus-Version']);
      return sendProblem(response, 'invalid', 'Tus-Resumable: must be 1.0.0', { status: 412 });
    }
    demandHeaders(request);
    const tus = await this.server();
    const answer = await tus.handleWeb(new NodeRequest({ req: request as never, res: response as never }));
    const refusal = this.refusals.get(request);
    if (refusal) throw refusal;
    if (request.method === 'HEAD' && id !== undefined) return this.state(tus.datastore, request, response, id, answer);
    await send(response, answer);
    if (answer.ok) await this.cleared(tus.datastore, answer.headers.get('location')?.split('/').at(-1) ?? id);
  }

  /** Gives up what was begun and not finished. What was finished, and about which nobody asked again, is recorded, so that it is swept as any attachment that was never sent. */
  async expire(): Promise<void> {
    const tus = await this.server();
    await tus.cleanUpExpiredUploads();
    for await (const id of this.bucket?.left() ?? []) await this.settle(tus.datastore, id);
  }

  private async settle(store: DataStore, id: string): Promise<void> {
    try {
      const upload = await store.getUpload(id);
      // Not every store lists its multipart uploads, so some of those that expired are left.
      await (upload.offset === upload.size ? this.finish(store, upload) : store.remove(id));
    } catch (error) {
      if (error instanceof ChatError ? error.code === 'unavailable' : error !== ERRORS.FILE_NOT_FOUND) throw error;
    }
    await this.bucket!.forget(id);
  }

  private async state(
    store: DataStore,
    request: Request,
    response: ExpressResponse,
    id: string,
    answer: globalThis.Response,
  ): Promise<void> {
    const whole = answer.ok && answer.headers.get('upload-offset') === answer.headers.get('upload-length');
    // Another request may have finished it meanwhile.
    const upload = whole ? await store.getUpload(id).catch(undefinedWhereGone) : undefined;
    if (upload) {
      await this.finish(store, upload);
      await this.cleared(store, id);
    } else if (whole || !answer.ok) {
      // What is about to be an attachment is nowhere else any more.
      await this.finishing.get(id)?.catch(() => undefined);
      const done = await this.parts.broker
        .request('attachment.locate.v1', { userId: userOf(request), attachmentId: id })
        .catch((error: unknown) => {
          if (error instanceof ChatError && error.code === 'not_found') return undefined;
          throw error;
        });
      if (done) {
        response
          .set({
            'Cache-Control': 'no-store',
            'Upload-Offset': String(done.attachment.size),
            'Upload-Length': String(done.attachment.size),
          })
          .status(200)
          .end();
        return;
      }
      if (whole) throw new ChatError('not_found', 'no such upload');
    }
    await send(response, answer);
  }

  private server(): Promise<Server> {
    return (this.serving ??= this.open().catch((error: unknown) => {
      this.serving = undefined;
      throw error;
    }));
  }

  private async open(): Promise<Server> {
    const s3 = s3Config(this.parts.config);
    this.bucket = s3 && new (await import('./s3.js')).BucketUploads(s3, EXPIRY_MS);
    const datastore = this.bucket ?? (await this.folder());
    return new Server({
      path: '/api/v1/uploads',
      datastore,
      maxSize: limits.uploadBytes,
      relativeLocation: true,
      // Its bytes may be the attachment's already.
      disableTerminationForFinishedUploads: true,
      namingFunction: () => newId(),
      getFileIdFromRequest: (request) => nodeOf(request).params['id'] as string | undefined,
      onIncomingRequest: (request, id) => this.demandOwner(datastore, nodeOf(request), id),
      onUploadCreate: async (request, upload) => {
        const userId = userOf(nodeOf(request));
        if (upload.size === 0) throw new ChatError('invalid', 'the file is empty');
        await this.files.admit(userId, upload.size ?? 1);
        // Stores keep this in headers, where only ASCII fits.
        return {
          metadata: {
            filename: encodeURIComponent(
              fileName(upload.metadata?.['filename'] ?? upload.metadata?.['name'] ?? undefined),
            ),
            owner: userId,
          },
        };
      },
      onUploadFinish: async (_request, upload) => {
        await this.finish(datastore, upload);
        return {};
      },
      onResponseError: (request, error) => {
        if (error instanceof Error) this.refusals.set(nodeOf(request), error);
        return undefined;
      },
    });
  }

  private async folder(): Promise<DataStore> {
    const directory = join(filesDir(this.parts.config), 'uploads');
    // Before the store does it: where it cannot, it ends the process.
    await mkdir(directory, { recursive: true });
    return new FileStore({ directory, expirationPeriodInMilliseconds: EXPIRY_MS });
  }

  /** A stranger's upload is no upload. */
  private async demandOwner(store: DataStore, request: Request, id: string): Promise<void> {
    if (request.params['id'] === undefined) return;
    const { metadata } = await store.getUpload(id);
    if (metadata?.['owner'] !== userOf(request)) throw new ChatError('not_found', 'no such upload');
  }

  /** One attempt at a time. What can be no attachment is removed at once. */
  private finish(store: DataStore, upload: Upload): Promise<Attachment> {
    const { id } = upload;
    const attempt =
      this.finishing.get(id) ??
      this.record(upload)
        .catch(async (error: unknown) => {
          if (error instanceof ChatError && error.code !== 'unavailable') await store.remove(id);
          throw error;
        })
        .finally(() => this.finishing.delete(id));
    this.finishing.set(id, attempt);
    return attempt;
  }

  private record({ id, metadata, storage }: Upload): Promise<Attachment> {
    const [owner, name] = [metadata!['owner']!, decodeURIComponent(metadata!['filename']!)];
    if (!this.bucket) return this.files.keep(owner, { id, path: storage!.path, name });
    return this.files.withPlace(async (path) => {
      await this.files.fetch(id, path).catch((error: unknown) => {
        throw error instanceof MissingFile ? new ChatError('not_found', 'no such upload') : error;
      });
      return this.files.keep(owner, { id, path, name }, true);
    });
  }

  /** Of a complete upload only the attachment stays. */
  private async cleared(store: DataStore, id: string | undefined): Promise<void> {
    const upload = id === undefined ? undefined : await store.getUpload(id).catch(() => undefined);
    if (!upload || upload.offset !== upload.size) return;
    // In a bucket, the object itself is the attachment now.
    await (this.bucket ? this.bucket.forget(upload.id) : store.remove(upload.id));
  }
}

function undefinedWhereGone(error: unknown): undefined {
  if (error !== ERRORS.FILE_NOT_FOUND) throw error;
}

/** Refuses what tus's server would refuse with statuses that are not ours. */
function demandHeaders({ method, headers }: Request): void {
  if (method === 'POST' && headers['upload-concat'] !== undefined)
    throw new ChatError('invalid', 'Upload-Concat: not supported');
  if (method !== 'PATCH') return;
  if (headers['upload-offset'] === undefined) throw new ChatError('invalid', 'Upload-Offset: is missing');
  if (headers['content-type'] !== 'application/offset+octet-stream')
    throw new ChatError('unsupported_media', 'Content-Type: must be application/offset+octet-stream');
}

/** Passes tus's answer on; a refusal with its status, which tus clients go by, and as a problem. */
async function send(response: ExpressResponse, answer: globalThis.Response): Promise<void> {
  for (const [name, value] of answer.headers)
    if (!name.startsWith('access-control-') && name !== 'content-length') response.setHeader(name, value);
  if (answer.ok) return void response.status(answer.status).end(Buffer.from(await answer.arrayBuffer()));
  const code = codes[answer.status] ?? (answer.status < 500 ? 'invalid' : 'internal');
  sendProblem(response, code, (await answer.text()).trim(), { status: answer.status });
}
