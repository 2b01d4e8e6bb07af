import { mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { Broker } from '@parley/broker';
import { ChatError, Id, newId, type Attachment, type ErrorCode } from '@parley/contracts';
import { Unavailable } from '@parley/service-kit';
import { FileStore } from '@tus/file-store';
import { ERRORS, Server, type DataStore, type Upload } from '@tus/server';
import type { Request, Response as ExpressResponse } from 'express';
import { NodeRequest } from 'srvx/node';
import type { Session } from '../auth/session.js';
import { GatewayConfig } from '../config.js';
import { sendProblem } from '../http/problem.filter.js';
import { fileName } from './file-headers.js';
import { Files } from './files.js';
import { filesDir, s3Config } from './open-store.js';
import type { BucketUploads } from './s3-uploads.js';
import { isDiskFull, MissingFile } from './store.js';

/** The age at which an unfinished upload is given up. */
const EXPIRY_MS = 24 * 3_600_000;
const codes: Readonly<Record<number, ErrorCode>> = {
  403: 'forbidden',
  404: 'not_found',
  409: 'conflict',
  410: 'not_found',
  413: 'too_large',
  423: 'conflict',
};
const TUS_VERSION = '1.0.0';
/** The headers that tell clients, without a token, which parts of tus the gateway supports. */
export const capabilitiesOf = ({ LIMIT_UPLOAD_BYTES }: GatewayConfig) => ({
  'Tus-Resumable': TUS_VERSION,
  'Tus-Version': TUS_VERSION,
  'Tus-Extension': 'creation,creation-with-upload,creation-defer-length,termination,expiration',
  'Tus-Max-Size': String(LIMIT_UPLOAD_BYTES),
});

type TusRequest = Parameters<NonNullable<Server['options']['onIncomingRequest']>>[0];
const nodeRequestOf = (request: TusRequest): Request => request.runtime!.node!.req as unknown as Request;
const sessionOf = (request: Request): Session => request.user as Session;
const userOf = (request: Request): string => sessionOf(request).userId;
const noSuchUpload = () => new ChatError('not_found', 'no such upload');

/**
 * Uploads in parts, after tus 1.0. An upload belongs to its creator, and its id becomes the attachment's when it is complete: its last part is answered once the attachment is recorded. A client that lost
 * that answer gets it from HEAD; where recording failed, HEAD tries again.
 */
@Injectable()
export class Uploads {
  private opening: Promise<Server> | undefined;
  /** The store of parts; undefined means a folder. */
  private bucket: BucketUploads | undefined;
  /** Complete uploads that are being made attachments. */
  private readonly finishing = new Map<string, Promise<Attachment>>();
  /** Uploads that requests are creating. */
  private readonly created = new WeakMap<Request, string>();
  /** How large the upload of a request may become. */
  private readonly maxSizes = new WeakMap<Request, number>();
  /** The error of a hook, until the answer goes out. */
  private readonly refusals = new WeakMap<Request, Error>();

  constructor(
    private readonly broker: Broker,
    private readonly config: GatewayConfig,
    private readonly files: Files,
  ) {}

  async handle(request: Request, response: ExpressResponse): Promise<void> {
    response.setHeader('Tus-Resumable', TUS_VERSION);
    const id = request.params['id'] as string | undefined;
    if (id !== undefined && !Id.safeParse(id).success) throw noSuchUpload();
    if (!['GET', 'OPTIONS'].includes(request.method) && request.headers['tus-resumable'] !== TUS_VERSION) {
      response.setHeader('Tus-Version', TUS_VERSION);
      return sendProblem(response, 'invalid', `Tus-Resumable: must be ${TUS_VERSION}`, { status: 412 });
    }
    requireHeaders(request);
    const tus = await this.server();
    await this.requireRoom(request);
    const answer = await tus.handleWeb(new NodeRequest({ req: request as never, res: response as never }));
    const refusal = this.refusals.get(request);
    const created = this.created.get(request);
    // Nobody learned its id, and on a full disk its description may be half written.
    if (created !== undefined && refusal && !this.bucket && (refusal instanceof Unavailable || isDiskFull(refusal)))
      await tus.datastore.remove(created).catch(() => undefined);
    await this.releaseUnlessStored(tus.datastore, request, answer);
    if (refusal) throw isGone(refusal) ? noSuchUpload() : refusal;
    if (request.method === 'HEAD' && id !== undefined)
      return this.sendState(tus.datastore, request, response, id, answer);
    await send(response, answer);
    if (answer.ok) await this.removeFinished(tus.datastore, answer.headers.get('location')?.split('/').at(-1) ?? id);
  }

  /**
   * Removes unfinished uploads that have expired. A complete one about which its client did not ask again is recorded, so that it is swept like any attachment that was never sent.
   */
  async expire(): Promise<void> {
    const tus = await this.server();
    await tus.cleanUpExpiredUploads();
    for await (const id of this.bucket?.expired() ?? []) await this.settle(tus.datastore, id);
  }

  /** Not every S3 store lists its multipart uploads, so tus leaves some of those that have expired. */
  private async settle(store: DataStore, id: string): Promise<void> {
    try {
      const upload = await store.getUpload(id);
      await (upload.offset === upload.size ? this.finish(store, upload) : store.remove(id));
    } catch (error) {
      if (error instanceof ChatError ? error.code === 'unavailable' : !isGone(error)) throw error;
    }
    await this.bucket!.forget(id);
  }

  /** Ends the reservation of an upload that was given up, or not even created. */
  private async releaseUnlessStored(store: DataStore, request: Request, answer: globalThis.Response): Promise<void> {
    const id = request.method === 'DELETE' ? (request.params['id'] as string) : this.created.get(request);
    if (id === undefined || answer.ok !== (request.method === 'DELETE')) return;
    const isStored = await store.getUpload(id).then(
      () => true,
      (error: unknown) => !isGone(error),
    );
    if (!isStored) await this.files.release(userOf(request), id);
  }

  /** Handles HEAD: the offset of an upload. */
  private async sendState(
    store: DataStore,
    request: Request,
    response: ExpressResponse,
    id: string,
    answer: globalThis.Response,
  ): Promise<void> {
    const isComplete = answer.ok && answer.headers.get('upload-offset') === answer.headers.get('upload-length');
    const isRecorded = isComplete && (await this.finishUnlessGone(store, id));
    if (isRecorded) await this.removeFinished(store, id);
    else if (isComplete || !answer.ok) {
      // An upload that is becoming an attachment may be found in neither place.
      await this.finishing.get(id)?.catch(() => undefined);
      const attachment = await this.attachmentOf(id, request);
      if (attachment) {
        const size = String(attachment.size);
        response.set({ 'Cache-Control': 'no-store', 'Upload-Offset': size, 'Upload-Length': size }).status(200).end();
        return;
      }
      if (isComplete || codes[answer.status] === 'not_found') throw noSuchUpload();
    }
    await send(response, answer);
  }

  /** Returns false if another request, perhaps at another gateway, finished the upload and removed its parts. */
  private async finishUnlessGone(store: DataStore, id: string): Promise<boolean> {
    try {
      await this.finish(store, await store.getUpload(id));
      return true;
    } catch (error) {
      if (isGone(error)) return false;
      throw error;
    }
  }

  private async attachmentOf(id: string, request: Request): Promise<Attachment | undefined> {
    try {
      const located = await this.broker.request('attachment.locate.v1', { userId: userOf(request), attachmentId: id });
      return located.attachment;
    } catch (error) {
      if (error instanceof ChatError && error.code === 'not_found') return undefined;
      throw error;
    }
  }

  private server(): Promise<Server> {
    return (this.opening ??= this.open().catch((error: unknown) => {
      this.opening = undefined;
      throw error;
    }));
  }

  private async open(): Promise<Server> {
    const s3 = s3Config(this.config);
    this.bucket = s3 && new (await import('./s3-uploads.js')).BucketUploads(s3, EXPIRY_MS);
    const datastore = this.bucket ?? (await this.openFolder());
    return new Server({
      path: `${this.config.BASE_PATH}/api/v1/uploads`,
      datastore,
      maxSize: (request) => this.maxSizes.get(nodeRequestOf(request)) ?? this.config.LIMIT_UPLOAD_BYTES,
      relativeLocation: true,
      // The bytes of a finished upload may be the attachment's already.
      disableTerminationForFinishedUploads: true,
      namingFunction: () => newId(),
      getFileIdFromRequest: (request) => nodeRequestOf(request).params['id'] as string | undefined,
      onIncomingRequest: (request, id) => this.requireOwner(datastore, nodeRequestOf(request), id),
      onUploadCreate: async (request, upload) => {
        const { userId, ownerId } = sessionOf(nodeRequestOf(request));
        if (upload.size === 0) throw new ChatError('invalid', 'the file is empty');
        const reserved = await this.reserve(nodeRequestOf(request), upload);
        const name = fileName(upload.metadata?.['filename'] ?? upload.metadata?.['name'] ?? undefined);
        // Encoded, because stores keep metadata in headers, which take ASCII only.
        return {
          metadata: {
            filename: encodeURIComponent(name),
            owner: userId,
            ...(ownerId !== undefined && { person: ownerId }),
            reserved: String(reserved),
          },
        };
      },
      onUploadFinish: async (request, upload) => {
        await this.finish(datastore, upload).catch(async (error: unknown) => {
          // Another gateway may have finished it.
          if (!isGone(error) || !(await this.attachmentOf(upload.id, nodeRequestOf(request)))) throw error;
        });
        return {};
      },
      onResponseError: (request, error) => {
        // It hides why the bytes could not be written; the client continues at the offset that HEAD answers.
        const refusal =
          error === ERRORS.FILE_WRITE_ERROR ? new Unavailable('files: a part could not be written') : error;
        if (refusal instanceof Error) this.refusals.set(nodeRequestOf(request), refusal);
        return undefined;
      },
    });
  }

  private async openFolder(): Promise<DataStore> {
    const directory = join(filesDir(this.config), 'uploads');
    // FileStore would end the process where it cannot create the folder.
    await mkdir(directory, { recursive: true });
    return new FileStore({ directory, expirationPeriodInMilliseconds: EXPIRY_MS });
  }

  /** An upload that does not state its length reserves all that it may take. */
  private async reserve(request: Request, { id, size }: Upload): Promise<number> {
    const session = request.user as Session;
    if (size === undefined && session.kind === 'guest')
      throw new ChatError('forbidden', 'Guests state the length of an upload');
    this.created.set(request, id);
    const reserved = await this.files.reserve(session, id, size ?? 1, size ?? this.config.LIMIT_UPLOAD_BYTES);
    // tus limits a part that comes with its creation by the maximum of all uploads.
    const hasPart = request.headers['content-type'] !== undefined;
    if (size === undefined && hasPart && reserved < this.config.LIMIT_UPLOAD_BYTES)
      throw new ChatError('too_large', 'Your quota may not suffice: send the first part by itself');
    return reserved;
  }

  /** Refuses a part that the disk has no room for before its bytes are read, so that the client gets the answer. */
  private async requireRoom({ headers }: Request): Promise<void> {
    const bytes = Number(headers['content-length'] ?? 0);
    if (this.bucket || bytes === 0) return;
    const { bavail, bsize } = await statfs(filesDir(this.config));
    if (bavail * bsize < bytes) throw new ChatError('unavailable', 'The server has no room for files');
  }

  /** Answers `not_found` for somebody else's upload. */
  private async requireOwner(store: DataStore, request: Request, id: string): Promise<void> {
    if (request.params['id'] === undefined) return;
    const upload = await store.getUpload(id).catch((error: unknown) => {
      // After the end of an upload, HEAD tells of its attachment. For all else it is gone, in our words: tus has others.
      throw isGone(error) && request.method !== 'HEAD' ? noSuchUpload() : error;
    });
    if (upload.metadata?.['owner'] !== userOf(request)) throw noSuchUpload();
    // Uploads of earlier versions have no reservation.
    this.maxSizes.set(request, Number(upload.metadata['reserved'] ?? this.config.LIMIT_UPLOAD_BYTES));
  }

  /** Makes a complete upload an attachment, one attempt at a time. An upload that cannot become one is removed at once. */
  private finish(store: DataStore, upload: Upload): Promise<Attachment> {
    const { id } = upload;
    const attempt =
      this.finishing.get(id) ??
      this.record(upload)
        .catch(async (error: unknown) => {
          if (isRefusal(error)) {
            await store.remove(id).catch(ignoreGone);
            await this.files.release(upload.metadata!['owner']!, id);
          }
          throw error;
        })
        .finally(() => this.finishing.delete(id));
    this.finishing.set(id, attempt);
    return attempt;
  }

  private record({ id, metadata, storage }: Upload): Promise<Attachment> {
    const uploader = { userId: metadata!['owner']!, ownerId: metadata!['person'] ?? undefined };
    const name = decodeURIComponent(metadata!['filename']!);
    if (!this.bucket) return this.files.keep(uploader, { id, path: storage!.path, name }, 'may be repeated');
    return this.files.withTemporaryFile(async (path) => {
      await this.files.fetch(id, path);
      return this.files.keep(uploader, { id, path, name }, 'are stored');
    });
  }

  /** Removes a complete upload once its attachment is recorded. */
  private async removeFinished(store: DataStore, id: string | undefined): Promise<void> {
    const upload = id === undefined ? undefined : await store.getUpload(id).catch(() => undefined);
    if (!upload || upload.offset !== upload.size) return;
    // In a bucket, the object itself is the attachment now.
    await (this.bucket ? this.bucket.forget(upload.id) : store.remove(upload.id).catch(ignoreGone));
  }
}

/** Whether the upload, or its part of it that was asked for, does not exist. tus removes the file first and then its description. */
const isGone = (error: unknown): boolean =>
  error === ERRORS.FILE_NOT_FOUND || error === ERRORS.FILE_NO_LONGER_EXISTS || error instanceof MissingFile;

/** Whether the upload can never become an attachment. */
const isRefusal = (error: unknown): boolean =>
  error instanceof ChatError && error.code !== 'unavailable' && error.code !== 'rate_limited';

function ignoreGone(error: unknown): void {
  if (!isGone(error)) throw error;
}

/** Refuses requests that tus's server would refuse with a status that is not ours. */
function requireHeaders({ method, headers }: Request): void {
  if (method === 'POST' && headers['upload-concat'] !== undefined)
    throw new ChatError('invalid', 'Upload-Concat: not supported');
  if (method !== 'PATCH') return;
  if (headers['upload-offset'] === undefined) throw new ChatError('invalid', 'Upload-Offset: is missing');
  if (headers['content-type'] !== 'application/offset+octet-stream')
    throw new ChatError('unsupported_media', 'Content-Type: must be application/offset+octet-stream');
}

/** Passes tus's answer on. A refusal keeps its status, which tus clients interpret, and becomes a problem. */
async function send(response: ExpressResponse, answer: globalThis.Response): Promise<void> {
  for (const [name, value] of answer.headers)
    if (!name.startsWith('access-control-') && name !== 'content-length') response.setHeader(name, value);
  if (answer.ok) return void response.status(answer.status).end(Buffer.from(await answer.arrayBuffer()));
  const code = codes[answer.status] ?? (answer.status < 500 ? 'invalid' : 'internal');
  sendProblem(response, code, (await answer.text()).trim(), { status: answer.status });
}
