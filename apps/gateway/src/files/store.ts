import { createReadStream } from 'node:fs';
import { copyFile, link, mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import type { S3Config } from './s3.js';

/** Bytes from `start` to `end`, both included. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** Where the bytes of attachments lie, each file under a key, never changed. Two implementations: a folder and an S3 bucket. */
export interface FileStore {
  /** Stores a copy of a local file; repeating it is harmless. All or nothing: nobody sees half a file. */
  put(key: string, path: string, mediaType: string): Promise<void>;
  /** Rejects with {@link MissingFile}. */
  read(key: string, range?: Range): Promise<Readable>;
  /** What is not there is gone already. */
  remove(key: string): Promise<void>;
}

export class MissingFile extends Error {
  override readonly name = 'MissingFile';
}

export interface FilesConfig {
  readonly FILES_DIR?: string | undefined;
  readonly S3_BUCKET?: string | undefined;
  readonly S3_ENDPOINT?: string | undefined;
  readonly S3_REGION: string;
  readonly S3_ACCESS_KEY_ID?: string | undefined;
  readonly S3_SECRET_ACCESS_KEY?: string | undefined;
}

/** The folder that a gateway uses when nobody names one. */
export const filesDir = ({ FILES_DIR = './data/files' }: Pick<FilesConfig, 'FILES_DIR'>): string => FILES_DIR;

/** The bucket of the configuration; undefined: a folder. The client's own addresses have the bucket in the path, as stores other than Amazon's expect. */
export function s3Config(config: FilesConfig): S3Config | undefined {
  const {
    S3_BUCKET: bucket,
    S3_ENDPOINT: endpoint,
    S3_ACCESS_KEY_ID: accessKeyId,
    S3_SECRET_ACCESS_KEY: secretAccessKey,
  } = config;
  if (bucket === undefined) return undefined;
  return {
    bucket,
    client: {
      region: config.S3_REGION,
      // Many stores do not know the checksums that Amazon's client adds by itself: they keep its framing as part of the file.
      ...(endpoint !== undefined && {
        endpoint,
        forcePathStyle: true,
        requestChecksumCalculation: 'WHEN_REQUIRED' as const,
        responseChecksumValidation: 'WHEN_REQUIRED' as const,
      }),
      ...(accessKeyId !== undefined &&
        secretAccessKey !== undefined && { credentials: { accessKeyId, secretAccessKey } }),
    },
  };
}

export async function openStore(config: FilesConfig): Promise<FileStore> {
  const s3 = s3Config(config);
  // Whoever has a folder need not load what S3 needs.
  return s3 ? new (await import('./s3.js')).BucketStore(s3) : new FolderStore(filesDir(config));
}

/** A folder, made when the first file comes. Gateways that share the files must share the folder. */
export class FolderStore implements FileStore {
  constructor(private readonly folder: string) {}

  async put(key: string, path: string): Promise<void> {
    const target = this.pathOf(key);
    await mkdir(dirname(target), { recursive: true });
    // A second name for the same bytes, where the file system can do that.
    await link(path, target).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return;
      await copyFile(path, `${target}.part`);
      await rename(`${target}.part`, target);
    });
  }

  async read(key: string, range?: Range): Promise<Readable> {
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

  /** In 256 folders by the end of the key, which is random. */
  private pathOf(key: string): string {
    if (!/^[0-9a-f-]{36}$/.test(key)) throw new Error('a key is an id');
    return join(this.folder, key.slice(-2), key);
  }
}
