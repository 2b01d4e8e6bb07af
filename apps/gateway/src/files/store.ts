import { createReadStream } from 'node:fs';
import { copyFile, link, mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';

/** Bytes from `start` to `end`, both included. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Holds the bytes of attachments. Each file has a key and never changes. Two implementations: a folder and an S3 bucket.
 */
export interface FileStore {
  /**
   * Stores a copy of a local file, all or nothing: nobody sees half a file. Repeating it is harmless. Rejects with
   * {@link MissingFile} if there is no file at `path`.
   */
  put(key: string, path: string, mediaType: string): Promise<void>;
  /** Rejects with {@link MissingFile}. */
  read(key: string, range?: ByteRange): Promise<Readable>;
  /** Does nothing if the file does not exist. */
  remove(key: string): Promise<void>;
}

export class MissingFile extends Error {
  override readonly name = 'MissingFile';
}

/** Rethrows an error of the file system, as {@link MissingFile} if the file does not exist. */
export function missingFile(error: NodeJS.ErrnoException): never {
  throw error.code === 'ENOENT' ? new MissingFile('no such file', { cause: error }) : error;
}

/** Whether a disk, or the user's share of it, is full. Other processes report it by its text. */
export const isDiskFull = (error: unknown): boolean =>
  error instanceof Error && /\b(ENOSPC|EDQUOT)\b/.test(`${(error as NodeJS.ErrnoException).code} ${error.message}`);

/** Keeps files in a folder, which is created with the first file. Gateways that share files must share the folder. */
export class FolderStore implements FileStore {
  constructor(private readonly folder: string) {}

  async put(key: string, path: string): Promise<void> {
    const target = this.pathOf(key);
    await mkdir(dirname(target), { recursive: true });
    // A hard link, where the file system has them.
    await link(path, target).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return;
      try {
        await copyFile(path, `${target}.part`).catch(missingFile);
        await rename(`${target}.part`, target);
      } catch (failure) {
        await rm(`${target}.part`, { force: true });
        throw failure;
      }
    });
  }

  async read(key: string, range?: ByteRange): Promise<Readable> {
    const stream = createReadStream(this.pathOf(key), range);
    await new Promise<void>((resolve, reject) => {
      stream.once('open', () => resolve());
      stream.once('error', (error: NodeJS.ErrnoException) =>
        reject(error.code === 'ENOENT' ? new MissingFile(key) : error),
      );
    });
    return stream;
  }

  async remove(key: string): Promise<void> {
    await rm(this.pathOf(key), { force: true });
  }

  /** Spreads files over 256 folders by the end of the key, which is random. */
  private pathOf(key: string): string {
    if (!/^[0-9a-f-]{36}$/.test(key)) throw new Error('a key is an id');
    return join(this.folder, key.slice(-2), key);
  }
}
