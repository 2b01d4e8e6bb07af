import type { Attachment } from '#contracts';
import { backoffMs, pause, retryTemporary } from './retry.js';
import { ParleyError } from './errors.js';
import type { RequestOptions } from './connection/http.js';
import type { ClientStorage } from './storage.js';
import type { UploadOptions } from './types.js';

/** A larger file is sent in parts, which can be resumed. */
const MAX_WHOLE_BYTES = 4 * 1024 * 1024;
const PART_BYTES = 4 * 1024 * 1024;
/** Parts shrink down to this size where a proxy refuses larger bodies, or the connection keeps failing. */
const MIN_PART_BYTES = 64 * 1024;
const PART_TIMEOUT_MS = 120_000;
/** Retries in a row without progress. */
const MAX_RETRIES = 8;
const KEY_PREFIX = 'upload/';
const tusHeaders = { 'tus-resumable': '1.0.0' };

/** Data that can be uploaded. The length of a stream need not be known; it is never whole in memory. */
export type Uploadable = Blob | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;

/** An upload that the server has. */
interface Resumed {
  readonly id: string;
  readonly offset: number;
  readonly isComplete?: boolean;
}

type Request = (method: string, path: string, options?: RequestOptions) => Promise<Response>;

/** Data that is read part by part. */
interface Source {
  /** Undefined for a stream. */
  readonly size: number | undefined;
  /**
   * The part that begins at `offset`, of at most `maxBytes`. `last`: nothing follows. Of a stream, only the newest
   * {@link PART_BYTES} can be read again, from any offset within them.
   */
  part(offset: number, maxBytes: number): Promise<{ bytes: Blob | Uint8Array<ArrayBuffer>; last: boolean }>;
}

/**
 * Uploads files: small ones in one request, others in parts (tus 1.0). An interrupted upload resumes where it stopped,
 * also after a reload, when the same file is uploaded again.
 */
export class Uploader {
  /** The size of parts. It only shrinks. */
  private partBytes = PART_BYTES;

  constructor(
    private readonly request: Request,
    private readonly storage: ClientStorage,
    /** The server's limit of files in one request, once it is known. */
    private readonly attachmentBytes: () => number | undefined = () => undefined,
  ) {}

  /** Resolves with the attachment, which can then be sent. Rejects with a ParleyError, or with the signal's reason. */
  async upload(data: Uploadable, options: UploadOptions = {}): Promise<Attachment> {
    options.signal?.throwIfAborted();
    const blob = data instanceof Uint8Array ? new Blob([data]) : data;
    const name = options.name ?? (isFile(blob) ? blob.name : 'file');
    if (
      blob instanceof Blob &&
      blob.size <= Math.min(MAX_WHOLE_BYTES, this.partBytes, this.attachmentBytes() ?? Infinity)
    ) {
      try {
        return await this.whole(blob, name, options);
      } catch (error) {
        if (!isRefusedByProxy(error) || !this.shrinkParts(blob.size)) throw error;
      }
    }
    const source = blob instanceof Blob ? blobSource(blob) : streamSource(blob);
    return this.parts(source, name, blob instanceof Blob ? fingerprint(blob, name) : undefined, options);
  }

  /** Forgets interrupted uploads: their keys in the storage have the names of files. */
  async clear(): Promise<void> {
    for (const [key] of await this.storage.entries(KEY_PREFIX)) await this.storage.delete(key);
  }

  /** A proxy took no body of this size. Returns whether a smaller one may be tried. */
  private shrinkParts(refusedBytes: number): boolean {
    if (refusedBytes <= MIN_PART_BYTES) return false;
    this.partBytes = Math.max(MIN_PART_BYTES, Math.floor(Math.min(refusedBytes, this.partBytes) / 2));
    return true;
  }

  private async whole(blob: Blob, name: string, { onProgress, signal }: UploadOptions): Promise<Attachment> {
    const form = new FormData();
    form.append('file', blob, name);
    onProgress?.(0, blob.size);
    const response = await this.request('POST', '/attachments', {
      body: form,
      timeoutMs: PART_TIMEOUT_MS,
      ...(signal && { signal }),
    });
    onProgress?.(blob.size, blob.size);
    return (await response.json()) as Attachment;
  }

  private async parts(
    source: Source,
    name: string,
    key: string | undefined,
    options: UploadOptions,
  ): Promise<Attachment> {
    const { signal } = options;
    let id: string | undefined;
    try {
      const upload = (await this.resumable(key, signal)) ?? { id: await this.create(source, name, signal), offset: 0 };
      id = upload.id;
      if (key !== undefined) await this.storage.set(key, id).catch(() => undefined);
      await this.send(source, upload, options);
      const attachment = await this.describe(id, name, signal);
      if (key !== undefined) await this.storage.delete(key).catch(() => undefined);
      return attachment;
    } catch (error) {
      if (signal?.aborted || (error instanceof ParleyError && !error.temporary)) await this.forget(id, key);
      throw error;
    }
  }

  private async create(source: Source, name: string, signal: AbortSignal | undefined): Promise<string> {
    const length: Record<string, string> =
      source.size === undefined ? { 'upload-defer-length': '1' } : { 'upload-length': String(source.size) };
    const headers = { ...tusHeaders, ...length, 'upload-metadata': `filename ${base64(name)}` };
    const response = await persist(
      () => this.request('POST', '/uploads', { headers, ...(signal && { signal }) }),
      signal,
    );
    const id = response.headers.get('location')?.split('/').at(-1);
    if (!id) throw new ParleyError('internal', 'the server did not tell where to upload');
    return id;
  }

  /** An earlier upload of the same file, if the server still has it. */
  private async resumable(key: string | undefined, signal: AbortSignal | undefined): Promise<Resumed | undefined> {
    const id = key === undefined ? undefined : await this.storage.get(key).catch(() => undefined);
    if (typeof id !== 'string') return undefined;
    try {
      return { id, ...(await persist(() => this.state(id, signal), signal)) };
    } catch (error) {
      if (!(error instanceof ParleyError) || error.temporary) throw error;
      return undefined;
    }
  }

  /** Sends the remaining parts. */
  private async send(
    source: Source,
    { id, offset: start, isComplete: wasComplete = false }: Resumed,
    { onProgress, signal }: UploadOptions,
  ): Promise<void> {
    let offset = start;
    let isComplete = wasComplete;
    let maxBytes = this.partBytes;
    let length = 0;
    onProgress?.(offset, source.size);
    for (let retries = 0; !isComplete && (source.size === undefined || offset < source.size);) {
      try {
        const { bytes, last } = await source.part(offset, maxBytes);
        length = bytes instanceof Blob ? bytes.size : bytes.length;
        const end = offset + length;
        const total: Record<string, string> = source.size === undefined && last ? { 'upload-length': String(end) } : {};
        const headers = {
          ...tusHeaders,
          ...total,
          'upload-offset': String(offset),
          'content-type': 'application/offset+octet-stream',
        };
        const response = await this.request('PATCH', `/uploads/${id}`, {
          headers,
          body: bytes,
          timeoutMs: PART_TIMEOUT_MS,
          ...(signal && { signal }),
        });
        offset = Number(response.headers.get('upload-offset'));
        retries = 0;
        maxBytes = Math.min(this.partBytes, maxBytes * 2);
        onProgress?.(offset, source.size);
        if (last && offset === end) break;
      } catch (error) {
        signal?.throwIfAborted();
        if (isRefusedByProxy(error) && this.shrinkParts(length)) {
          maxBytes = this.partBytes;
          continue;
        }
        // Conflict: after a lost answer the server has another offset, or it is still writing the part before.
        if (!(error instanceof ParleyError) || !(error.temporary || error.code === 'conflict')) throw error;
        if (++retries > MAX_RETRIES) throw error;
        // A proxy may close the connection instead of refusing a large body, and a slow line carries small parts only.
        if (retries > 1) maxBytes = Math.max(MIN_PART_BYTES, Math.floor(maxBytes / 2));
        await pause(Math.max(error.retryAfterMs ?? 0, backoffMs(retries)), signal);
        const state = await this.state(id, signal).catch((caught: unknown) => {
          if (caught instanceof ParleyError && caught.temporary) return { offset, isComplete };
          throw caught;
        });
        if (state.offset > offset) retries = 0;
        ({ offset, isComplete } = state);
      }
    }
  }

  /** A complete upload may be smaller than what was sent, because pictures are stored without metadata. */
  private async state(id: string, signal: AbortSignal | undefined): Promise<{ offset: number; isComplete: boolean }> {
    const { headers } = await this.request('HEAD', `/uploads/${id}`, {
      headers: tusHeaders,
      ...(signal && { signal }),
    });
    const [offset, length] = [headers.get('upload-offset'), headers.get('upload-length')];
    return { offset: Number(offset), isComplete: offset === length };
  }

  /** The finished attachment. The dimensions of pictures and previews are in the message that carries it. */
  private async describe(id: string, name: string, signal: AbortSignal | undefined): Promise<Attachment> {
    const { headers } = await persist(() => this.request('HEAD', `/attachments/${id}`, signal && { signal }), signal);
    return {
      id,
      name: savedName(headers.get('content-disposition')) ?? name,
      size: Number(headers.get('content-length')),
      mediaType: headers.get('content-type') ?? 'application/octet-stream',
      url: `/api/v1/attachments/${id}`,
    };
  }

  private async forget(id: string | undefined, key: string | undefined): Promise<void> {
    if (key !== undefined) await this.storage.delete(key).catch(() => undefined);
    if (id !== undefined)
      await this.request('DELETE', `/uploads/${id}`, { headers: tusHeaders }).catch(() => undefined);
  }
}

/** Whether a proxy in front of the server refused the size of a body: refusals of the server have a trace id. */
const isRefusedByProxy = (error: unknown): boolean =>
  error instanceof ParleyError && error.code === 'too_large' && error.traceId === undefined;

/** The name under which the server keeps a file: one that an operating system would run gets another ending. */
function savedName(disposition: string | null): string | undefined {
  const encoded = disposition?.split("filename*=UTF-8''")[1];
  return encoded === undefined ? undefined : decodeURIComponent(encoded);
}

const base64 = (text: string): string => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

const fingerprint = (blob: Blob, name: string): string =>
  `${KEY_PREFIX}${name}/${blob.type}/${blob.size}/${isFile(blob) ? blob.lastModified : ''}`;

/** Retries while the server is unavailable. */
const persist = <T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> =>
  retryTemporary(work, { signal, maxAttempts: MAX_RETRIES + 1 });

/** Node 18 has no global `File`. */
const isFile = (data: unknown): data is File => typeof File === 'function' && data instanceof File;

const blobSource = (blob: Blob): Source => ({
  size: blob.size,
  part: async (offset, maxBytes) => ({
    bytes: blob.slice(offset, offset + maxBytes),
    last: offset + maxBytes >= blob.size,
  }),
});

function streamSource(stream: ReadableStream<Uint8Array>): Source {
  const reader = stream.getReader();
  let partOffset = 0;
  let part = new Uint8Array(0);
  /** Bytes that were read beyond the part. */
  let rest = new Uint8Array(0);
  let ended = false;
  const readNextPart = async () => {
    const chunks: Uint8Array[] = [rest];
    let length = rest.length;
    while (length <= PART_BYTES && !ended) {
      const { done, value } = await reader.read();
      if (done) ended = true;
      else {
        chunks.push(value);
        length += value.length;
      }
    }
    const bytes = new Uint8Array(length);
    let end = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, end);
      end += chunk.length;
    }
    partOffset += part.length;
    [part, rest] = [bytes.slice(0, PART_BYTES), bytes.slice(PART_BYTES)];
  };
  const isLast = () => ended && rest.length === 0;
  return {
    size: undefined,
    async part(offset, maxBytes) {
      if (offset >= partOffset + part.length && !isLast()) await readNextPart();
      if (offset < partOffset || offset > partOffset + part.length)
        throw new ParleyError('conflict', 'the server lost a part of the stream');
      const start = offset - partOffset;
      const bytes = part.subarray(start, start + maxBytes);
      return { bytes, last: isLast() && start + bytes.length === part.length };
    },
  };
}
