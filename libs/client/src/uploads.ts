import type { Attachment } from '@parley/contracts';
import { backoffMs, pause } from './retry.js';
import { ParleyError } from './errors.js';
import type { RequestOptions } from './connection/http.js';
import type { ClientStorage } from './storage.js';
import type { UploadOptions } from './types.js';

/** What is larger goes in parts, and is resumed. */
const WHOLE_BYTES = 4 * 1024 * 1024;
const PART_BYTES = 4 * 1024 * 1024;
const PART_MS = 120_000;
/** Attempts in a row that got no further. */
const MOST_ATTEMPTS = 8;
const tus = { 'tus-resumable': '1.0.0' };

/** What can be uploaded. Of a stream the length need not be known; it is never whole in memory. */
export type Uploadable = Blob | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;

type Request = (method: string, path: string, options?: RequestOptions) => Promise<Response>;

/** The bytes from an offset on, part by part. */
interface Source {
  readonly size: number | undefined;
  /** The part that begins at `offset`; `last` when nothing follows. Only the newest part can be asked for again, or a part of it. */
  part(offset: number): Promise<{ bytes: Blob | Uint8Array<ArrayBuffer>; last: boolean }>;
}

/** Files to the server: small ones in one request, others in parts (tus 1.0), which go on where they stopped, also after a reload when the same file is uploaded again. */
export class Uploads {
  constructor(
    private readonly request: Request,
    private readonly storage: ClientStorage,
  ) {}

  /** Resolves with the attachment, which can be sent then. Rejects with a ParleyError, or with the signal's reason. */
  async upload(data: Uploadable, options: UploadOptions = {}): Promise<Attachment> {
    options.signal?.throwIfAborted();
    const blob = data instanceof Uint8Array ? new Blob([data]) : data;
    const name = options.name ?? (blob instanceof File ? blob.name : 'file');
    if (blob instanceof Blob && blob.size <= WHOLE_BYTES) return this.whole(blob, name, options);
    const source = blob instanceof Blob ? blobSource(blob) : streamSource(blob);
    return this.parts(source, name, blob instanceof Blob ? fingerprint(blob, name) : undefined, options);
  }

  private async whole(blob: Blob, name: string, { onProgress, signal }: UploadOptions): Promise<Attachment> {
    const form = new FormData();
    form.append('file', blob, name);
    onProgress?.(0, blob.size);
    const response = await this.request('POST', '/attachments', {
      body: form,
      timeoutMs: PART_MS,
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
      const begun = (await this.resumable(key, signal)) ?? { id: await this.create(source, name, signal), offset: 0 };
      id = begun.id;
      if (key !== undefined) await this.storage.set(key, id).catch(() => undefined);
      const size = await this.send(source, begun, options);
      const attachment = await this.describe(id, name, size, signal);
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
    const headers = { ...tus, ...length, 'upload-metadata': `filename ${base64(name)}` };
    const response = await persist(
      () => this.request('POST', '/uploads', { headers, ...(signal && { signal }) }),
      signal,
    );
    const id = response.headers.get('location')?.split('/').at(-1);
    if (!id) throw new ParleyError('internal', 'the server named no upload');
    return id;
  }

  /** The upload of the same file that was begun earlier, if the server still has it. */
  private async resumable(
    key: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<{ id: string; offset: number } | undefined> {
    const id = key === undefined ? undefined : await this.storage.get(key).catch(() => undefined);
    if (typeof id !== 'string') return undefined;
    try {
      return { id, offset: await persist(() => this.offset(id, signal), signal) };
    } catch (error) {
      if (!(error instanceof ParleyError) || error.temporary) throw error;
      return undefined;
    }
  }

  /** Sends what is missing; answers the whole size. */
  private async send(
    source: Source,
    begun: { id: string; offset: number },
    { onProgress, signal }: UploadOptions,
  ): Promise<number> {
    const { id } = begun;
    let { offset } = begun;
    onProgress?.(offset, source.size);
    for (let failed = 0; source.size === undefined || offset < source.size;) {
      try {
        const { bytes, last } = await source.part(offset);
        const end = offset + (bytes instanceof Blob ? bytes.size : bytes.length);
        const length: Record<string, string> =
          source.size === undefined && last ? { 'upload-length': String(end) } : {};
        const headers = {
          ...tus,
          ...length,
          'upload-offset': String(offset),
          'content-type': 'application/offset+octet-stream',
        };
        const response = await this.request('PATCH', `/uploads/${id}`, {
          headers,
          body: bytes,
          timeoutMs: PART_MS,
          ...(signal && { signal }),
        });
        offset = Number(response.headers.get('upload-offset'));
        failed = 0;
        onProgress?.(offset, source.size);
        if (last && offset === end) break;
      } catch (error) {
        signal?.throwIfAborted();
        // 409: another offset than the server's, after an answer that was lost; 423: the part before is still being written.
        if (
          !(error instanceof ParleyError) ||
          !(error.temporary || error.code === 'conflict') ||
          ++failed > MOST_ATTEMPTS
        )
          throw error;
        await pause(Math.max(error.retryAfterMs ?? 0, backoffMs(failed)), signal);
        const known = await this.offset(id, signal).catch((caught: unknown) => {
          if (caught instanceof ParleyError && caught.temporary) return offset;
          throw caught;
        });
        if (known > offset) failed = 0;
        offset = known;
      }
    }
    return offset;
  }

  private async offset(id: string, signal: AbortSignal | undefined): Promise<number> {
    const { headers } = await this.request('HEAD', `/uploads/${id}`, { headers: tus, ...(signal && { signal }) });
    return Number(headers.get('upload-offset'));
  }

  /** What the server made of it. Sizes of pictures and previews are in the message that carries it. */
  private async describe(id: string, name: string, size: number, signal: AbortSignal | undefined): Promise<Attachment> {
    const { headers } = await persist(() => this.request('HEAD', `/attachments/${id}`, signal && { signal }), signal);
    return {
      id,
      name,
      size,
      mediaType: headers.get('content-type') ?? 'application/octet-stream',
      url: `/api/v1/attachments/${id}`,
    };
  }

  private async forget(id: string | undefined, key: string | undefined): Promise<void> {
    if (key !== undefined) await this.storage.delete(key).catch(() => undefined);
    if (id !== undefined) await this.request('DELETE', `/uploads/${id}`, { headers: tus }).catch(() => undefined);
  }
}

const base64 = (text: string): string => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

const fingerprint = (blob: Blob, name: string): string =>
  `upload/${name}/${blob.type}/${blob.size}/${blob instanceof File ? blob.lastModified : ''}`;

/** Tries again while the server is away. */
async function persist<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ParleyError) || !error.temporary || attempt >= MOST_ATTEMPTS) throw error;
      await pause(Math.max(error.retryAfterMs ?? 0, backoffMs(attempt)), signal);
    }
  }
}

const blobSource = (blob: Blob): Source => ({
  size: blob.size,
  part: async (offset) => ({ bytes: blob.slice(offset, offset + PART_BYTES), last: offset + PART_BYTES >= blob.size }),
});

function streamSource(stream: ReadableStream<Uint8Array>): Source {
  const reader = stream.getReader();
  let from = 0;
  let part = new Uint8Array(0);
  let rest = new Uint8Array(0);
  let ended = false;
  const read = async () => {
    const chunks = [rest];
    let length = rest.length;
    while (length <= PART_BYTES && !ended) {
      const { done, value } = await reader.read();
      if (done) ended = true;
      else length += chunks.push(value as Uint8Array<ArrayBuffer>) && value.length;
    }
    const all = new Uint8Array(length);
    let at = 0;
    for (const chunk of chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    from += part.length;
    [part, rest] = [all.slice(0, PART_BYTES), all.slice(PART_BYTES)];
  };
  return {
    size: undefined,
    async part(offset) {
      if (offset >= from + part.length && !(ended && rest.length === 0)) await read();
      if (offset < from || offset > from + part.length)
        throw new ParleyError('conflict', 'the server lost a part of the stream');
      return { bytes: part.subarray(offset - from), last: ended && rest.length === 0 };
    },
  };
}
