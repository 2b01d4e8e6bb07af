import { createWriteStream } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Inject, Injectable } from '@nestjs/common';
import { ChatError, newId, type Attachment, type StoredAttachment } from '@parley/contracts';
import { PARTS, type GatewayParts } from '../parts.js';
import { previewPath, recognise, type Thumbnail } from './content.js';
import { filesDir, openStore, type FileStore } from './store.js';

/** Files that one sweep removes, and how many at a time. */
const SWEPT = 500;
const AT_ONCE = 8;
/** What a crash left lies so long. */
const LEFT_MS = 24 * 3_600_000;

/** A file that arrived. */
export interface Arrived {
  readonly id: string;
  /** On this machine; stays the caller's. */
  readonly path: string;
  readonly name: string;
}

/** The bytes of attachments, from their arrival to their end. */
@Injectable()
export class Files {
  private opened: Promise<FileStore> | undefined;

  constructor(@Inject(PARTS) private readonly parts: Pick<GatewayParts, 'broker' | 'config' | 'logger'>) {}

  get store(): Promise<FileStore> {
    return (this.opened ??= openStore(this.parts.config));
  }
  private get incoming(): string {
    return join(filesDir(this.parts.config), 'incoming');
  }

  /** Gives `work` a place for a file on this machine, and removes what is there afterwards. */
  async withPlace<T>(work: (path: string) => Promise<T>): Promise<T> {
    await mkdir(this.incoming, { recursive: true });
    const path = join(this.incoming, newId());
    try {
      return await work(path);
    } finally {
      await rm(path, { force: true });
    }
  }

  /** Writes stored bytes to a local file. */
  async fetch(key: string, path: string): Promise<void> {
    await pipeline(await (await this.store).read(key), createWriteStream(path));
  }

  /** Refuses with `too_large` before anything is received. */
  async admit(userId: string, bytes: number): Promise<void> {
    await this.parts.broker.request('attachment.admit.v1', { userId, bytes });
  }

  /**
   * Makes a file an attachment: recognises it, stores its bytes unless they are `there` already, and has it recorded. Repeating it under the same id is harmless. Whatever goes
   * wrong, nothing of it stays but what was there.
   */
  async keep(userId: string, { id, path, name }: Arrived, there = false): Promise<Attachment> {
    const { size } = await stat(path);
    if (size === 0) throw new ChatError('invalid', 'the file is empty');
    try {
      const { thumbnail, ...content } = await recognise(path, name);
      return await this.record(userId, { id, key: id, name, size, ...content }, there ? undefined : path, thumbnail);
    } finally {
      await rm(previewPath(path), { force: true });
    }
  }

  private async record(
    userId: string,
    stored: StoredAttachment,
    path: string | undefined,
    thumbnail: Thumbnail | undefined,
  ): Promise<Attachment> {
    const store = await this.store;
    const preview = thumbnail && previewOf(thumbnail);
    const ours = [
      ...(path === undefined ? [] : [{ ...stored, from: path }]),
      ...(preview ? [{ ...preview, from: thumbnail.path }] : []),
    ];
    try {
      for (const { key, from, mediaType } of ours) await store.put(key, from, mediaType);
      const { attachment } = await this.parts.broker.request('attachment.record.v1', {
        userId,
        stored,
        ...(preview && { thumbnail: preview }),
      });
      // An earlier attempt was recorded with a preview of its own.
      if (preview && attachment.thumbnailId !== preview.id) await store.remove(preview.key);
      return attachment;
    } catch (error) {
      for (const { key } of ours)
        await store
          .remove(key)
          .catch((err: unknown) =>
            this.parts.logger.warn({ err, key }, 'a file that nobody needs could not be removed'),
          );
      throw error;
    }
  }

  /** Removes the bytes of attachments that nobody can see any more, and what crashes left. */
  async sweep(): Promise<void> {
    const { dropped } = await this.parts.broker.request('attachment.sweep.v1', { limit: SWEPT });
    const store = await this.store;
    const queue = dropped.values();
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (const { key } of queue) await store.remove(key);
      }),
    );
    if (dropped.length > 0)
      await this.parts.broker.request('attachment.forget.v1', { ids: dropped.map(({ id }) => id) });
    await this.clear();
  }

  private async clear(): Promise<void> {
    for (const left of await readdir(this.incoming).catch(() => [])) {
      const path = join(this.incoming, left);
      const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Infinity }));
      if (mtimeMs < Date.now() - LEFT_MS) await rm(path, { force: true });
    }
  }
}

function previewOf({ size, width, height }: Thumbnail): StoredAttachment {
  const id = newId();
  return { id, key: id, name: 'preview.webp', mediaType: 'image/webp', size, width, height };
}
