import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import { MissingFile, type FileStore, type ByteRange } from './store.js';

export interface S3Config {
  readonly bucket: string;
  readonly client: S3ClientConfig;
}

/** Keeps files in a bucket of Amazon S3 or of a compatible store. The bucket must exist and be private. */
export class BucketStore implements FileStore {
  readonly client: S3Client;
  readonly bucket: string;

  constructor({ bucket, client }: S3Config) {
    this.bucket = bucket;
    this.client = new S3Client(client);
  }

  async put(Key: string, path: string, ContentType: string): Promise<void> {
    const { size } = await stat(path);
    await this.client.send(
      new PutObjectCommand({
        Bucket: this.bucket,
        Key,
        Body: createReadStream(path),
        ContentLength: size,
        ContentType,
      }),
    );
  }

  async read(Key: string, range?: ByteRange): Promise<Readable> {
    const Range = range && `bytes=${range.start}-${range.end}`;
    const { Body } = await this.client
      .send(new GetObjectCommand({ Bucket: this.bucket, Key, ...(Range && { Range }) }))
      .catch((error: Error) => {
        throw error.name === 'NoSuchKey' || error.name === 'NotFound' ? new MissingFile(Key) : error;
      });
    return Body as Readable;
  }

  async remove(Key: string): Promise<void> {
    await this.client.send(new DeleteObjectCommand({ Bucket: this.bucket, Key }));
  }
}
