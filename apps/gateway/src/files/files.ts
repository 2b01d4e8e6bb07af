import { createWriteStream } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Injectable } from '@nestjs/common';
import { Broker } from '@parley/broker';
import { ChatError, newId, type Attachment, type StoredAttachment } from '@parley/contracts';
import { Logger } from '@parley/service-kit';
import { GatewayConfig } from '../config.js';
import { previewPath, recognise, type Thumbnail } from './content.js';
import { filesDir, openStore } from './open-store.js';
import { missingFile, type FileStore } from './store.js';

/** Files that one sweep removes. */
const SWEEP_LIMIT = 500;
const CONCURRENT_REMOVALS = 8;
/** The age at which a file that a crash left behind is removed. */
const LEFTOVER_AGE_MS = 24 * 3_600_000;

/** A file that has arrived. */
export interface ReceivedFile {
  readonly id: string;
  /** On this machine. The caller removes it. */
  readonly path: string;
  readonly name: string;
}

/** The bytes of attachments, from their arrival to their removal. */
@Injectable()
export class Files {
  private opened: Promise<FileStore> | undefined;

  constructor(
    private readonly broker: Broker,
    private readonly config: GatewayConfig,
    private readonly logger: Logger,
  ) {}

  get store(): Promise<FileStore> {
    return (this.opened ??= openStore(this.config));
  }
  private get incomingDir(): string {
    return join(filesDir(this.config), 'incoming');
  }

  /** Gives `work` the path of a temporary file and removes that file afterwards. */
  async withTemporaryFile<T>(work: (path: string) => Promise<T>): Promise<T> {
    await mkdir(this.incomingDir, { recursive: true });
    const path = join(this.incomingDir, newId());
    try {
      return await work(path);
    } finally {
      await rm(path, { force: true });
    }
  }

  /** Copies a stored file to a local one. */
  async fetch(key: string, path: string): Promise<void> {
    await pipeline(await (await this.store).read(key), createWriteStream(path));
  }

  /** Rejects with `too_large` if the user may not store this many more bytes. */
  async admit(userId: string, bytes: number): Promise<void> {
    await this.broker.request('attachment.admit.v1', { userId, bytes });
  }

  /**
   * Makes a file an attachment: recognises its content, stores its bytes unless it `'is stored'` already, and has it recorded. A failure rolls back completely, except that bytes of a file that
   * `'may be repeated'` stay unless the attachment was refused: another attempt, perhaps at another gateway, may have recorded them. Repeating it under the same id is harmless. Rejects with
   * {@link MissingFile} if there is no file at `path`.
   */
  async keep(userId: string, file: ReceivedFile, kept?: 'is stored' | 'may be repeated'): Promise<Attachment> {
    const { id, path, name } = file;
    const { size } = await stat(path).catch(missingFile);
    if (size === 0) throw new ChatError('invalid', 'the file is empty');
    try {
      const { thumbnail, ...content } = await recognise(path, name);
      const stored = { id, key: id, name, size, ...content };
      return await this.record(userId, stored, kept, path, thumbnail);
    } finally {
      await rm(previewPath(path), { force: true });
    }
  }

  private async record(
    userId: string,
    stored: StoredAttachment,
    kept: 'is stored' | 'may be repeated' | undefined,
    path: string,
    thumbnail: Thumbnail | undefined,
  ): Promise<Attachment> {
    const store = await this.store;
    const preview = thumbnail && previewOf(thumbnail);
    const added = [
      ...(kept === 'is stored' ? [] : [{ ...stored, from: path }]),
      ...(preview ? [{ ...preview, from: thumbnail.path }] : []),
    ];
    try {
      for (const { key, from, mediaType } of added) await store.put(key, from, mediaType);
      const { attachment } = await this.broker.request('attachment.record.v1', {
        userId,
        stored,
        ...(preview && { thumbnail: preview }),
      });
      // An earlier attempt may have been recorded, with a preview of its own.
      if (preview && attachment.thumbnailId !== preview.id) await store.remove(preview.key);
      return attachment;
    } catch (error) {
      const isRefused = error instanceof ChatError && error.code !== 'unavailable';
      for (const { key } of added) {
        if (key === stored.key && kept === 'may be repeated' && !isRefused) continue;
        await store
          .remove(key)
          .catch((err: unknown) => this.logger.warn({ err, key }, 'the file of a failed upload could not be removed'));
      }
      throw error;
    }
  }

  /** Removes the bytes of attachments that nobody can see any more, and files that crashes left behind. */
  async sweep(): Promise<void> {
    const { dropped } = await this.broker.request('attachment.sweep.v1', { limit: SWEEP_LIMIT });
    const store = await this.store;
    const queue = dropped.values();
    await Promise.all(
      Array.from({ length: CONCURRENT_REMOVALS }, async () => {
        for (const { key } of queue) await store.remove(key);
      }),
    );
    if (dropped.length > 0) await this.broker.request('attachment.forget.v1', { ids: dropped.map(({ id }) => id) });
    await this.removeLeftovers();
  }

  private async removeLeftovers(): Promise<void> {
    for (const name of await readdir(this.incomingDir).catch(() => [])) {
      const path = join(this.incomingDir, name);
      const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Infinity }));
      if (mtimeMs < Date.now() - LEFTOVER_AGE_MS) await rm(path, { force: true });
    }
  }
}

function previewOf({ size, width, height }: Thumbnail): StoredAttachment {
  const id = newId();
  return { id, key: id, name: 'preview.webp', mediaType: 'image/webp', size, width, height };
}
