import type { S3Config } from './s3-store.js';
import { FolderStore, type FileStore } from './store.js';

/** The part of the configuration that says where files are kept. */
export interface FilesConfig {
  readonly FILES_DIR?: string | undefined;
  readonly S3_BUCKET?: string | undefined;
  readonly S3_ENDPOINT?: string | undefined;
  readonly S3_REGION: string;
  readonly S3_ACCESS_KEY_ID?: string | undefined;
  readonly S3_SECRET_ACCESS_KEY?: string | undefined;
}

/** The folder of files, and of uploads in progress; with a bucket, of the latter only. */
export const filesDir = ({ FILES_DIR = './data/files' }: Pick<FilesConfig, 'FILES_DIR'>): string => FILES_DIR;

/**
 * The bucket of the configuration; undefined means a folder. With an endpoint the bucket stands in the path, as stores
 * other than Amazon's expect.
 */
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
      // Many stores do not know the checksums that Amazon's client adds by itself, and keep their framing as part of
      // the file.
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

/** Opens the store that the configuration names. Amazon's client is loaded only for a bucket. */
export async function openStore(config: FilesConfig): Promise<FileStore> {
  const s3 = s3Config(config);
  return s3 ? new (await import('./s3-store.js')).BucketStore(s3) : new FolderStore(filesDir(config));
}
