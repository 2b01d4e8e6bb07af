import { createWriteStream } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Injectable } from '@nestjs/common';
import { Broker } from '@parley/broker';
import { ChatError, newId, type Attachment, type StoredAttachment } from '@parley/contracts';
import { Logger, makeFolderPrivate } from '@parley/service-kit';
import type { Session } from '../auth/session.js';
import { GatewayConfig } from '../config.js';
import { fileNameFor } from './file-headers.js';
import { filesDir, openStore } from './open-store.js';
import {
  cleanPath,
  previewPath,
  UNKNOWN,
  writtenPaths,
  type Content,
  type Request,
  type Thumbnail,
} from './sandbox/exchange.js';
import { Sandbox } from './sandbox/sandbox.js';
import { missingFile, type FileStore } from './store.js';

/** Files that one sweep removes. */
const SWEEP_LIMIT = 500;
const CONCURRENT_REMOVALS = 8;
/** The age at which a file that a crash left behind is removed. */
const LEFTOVER_AGE_MS = 24 * 3_600_000;

/** The user whose file it is; for a bot with its owner, as whom it takes its turn. */
export type Uploader = Pick<Session, 'userId' | 'ownerId'>;

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
    private readonly sandbox: Sandbox,
    private readonly logger: Logger,
  ) {}

  get store(): Promise<FileStore> {
    return (this.opened ??= openStore(this.config));
  }
  private get incomingDir(): string {
    return join(filesDir(this.config), 'incoming');
  }

  /** Takes the rights of other users of this machine away from the files of this gateway. */
  async makePrivate(): Promise<void> {
    const { logger } = this;
    const isOurs = (name: string): boolean => /^([0-9a-f]{2}|incoming|uploads)$/.test(name);
    await makeFolderPrivate(filesDir(this.config), { logger, isOurs }).catch((err: unknown) =>
      logger.error({ err }, 'the rights of files could not be looked at: see whether other users can read FILES_DIR'),
    );
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

  /**
   * Reserves bytes of the user's quota for the upload that becomes the attachment `id`: at least `bytes`, and as many
   * as remain up to `upTo`. Returns how many. Rejects with `too_large` beyond the quota, and with `rate_limited` when
   * the user has too many open uploads, at all gateways together. The reservation ends when the attachment is recorded,
   * with {@link release}, or after a day.
   */
  async reserve({ userId, ownerId, kind }: Session, id: string, bytes: number, upTo = bytes): Promise<number> {
    const isGuest = kind === 'guest';
    const { reserved = upTo } = await this.broker.request('attachment.admit.v1', {
      userId,
      ...(ownerId !== undefined && { ownerId }),
      id,
      bytes,
      upTo,
      isGuest,
    });
    return reserved;
  }

  /** Ends a reservation. If that fails, it ends after a day. */
  async release(userId: string, id: string): Promise<void> {
    await this.broker
      .request('attachment.release.v1', { userId, id })
      .catch((err: unknown) => this.logger.warn({ err, id }, 'a reservation was not released'));
  }

  /**
   * Makes a file an attachment: has its content examined, stores its bytes unless they `'are stored'` already, and has
   * it recorded. A picture is stored without its metadata. A failure rolls back completely, except that bytes of a file
   * that is stored or `'may be repeated'` stay unless the attachment was refused: another attempt, perhaps at another
   * gateway, may have recorded them. Repeating it under the same id is harmless. Rejects with {@link MissingFile} if
   * there is no file at `path`.
   */
  async keep(
    { userId, ownerId }: Uploader,
    file: ReceivedFile,
    kept?: 'are stored' | 'may be repeated',
  ): Promise<Attachment> {
    const { id, path, name } = file;
    const { size } = await stat(path).catch(missingFile);
    if (size === 0) throw new ChatError('invalid', 'the file is empty');
    return this.withTemporaryFile(async (output) => {
      try {
        const { thumbnail, isStripped, ...content } = await this.examine(ownerId ?? userId, { path, name, output });
        const from = isStripped ? cleanPath(output) : path;
        const stored: StoredAttachment = {
          id,
          key: id,
          name: fileNameFor(content.mediaType, name),
          size: isStripped ? (await stat(from)).size : size,
          ...content,
        };
        const preview = thumbnail && previewOf(thumbnail);
        const added = [
          ...(kept === 'are stored' && !isStripped ? [] : [{ ...stored, from }]),
          ...(preview ? [{ ...preview, from: previewPath(output) }] : []),
        ];
        return await this.record(userId, stored, preview, added, kept !== undefined);
      } finally {
        await Promise.all(writtenPaths(output).map((written) => rm(written, { force: true })));
      }
    });
  }

  private async examine(person: string, request: Request): Promise<Content> {
    const content = await this.sandbox.examine(person, request);
    if (content.mediaType === UNKNOWN && !this.config.UNKNOWN_FILES) throw new ChatError('unsupported_media');
    return content;
  }

  private async record(
    userId: string,
    stored: StoredAttachment,
    thumbnail: StoredAttachment | undefined,
    added: readonly (StoredAttachment & { readonly from: string })[],
    isRepeatable: boolean,
  ): Promise<Attachment> {
    const store = await this.store;
    try {
      for (const { key, from, mediaType } of added) await store.put(key, from, mediaType);
      const { attachment } = await this.broker.request('attachment.record.v1', {
        userId,
        stored,
        ...(thumbnail && { thumbnail }),
      });
      // An earlier attempt may have been recorded, with a preview of its own.
      if (thumbnail && attachment.thumbnailId !== thumbnail.id) await store.remove(thumbnail.key);
      return attachment;
    } catch (error) {
      const isRefused = error instanceof ChatError && error.code !== 'unavailable';
      for (const { key } of added) {
        if (key === stored.key && isRepeatable && !isRefused) continue;
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
