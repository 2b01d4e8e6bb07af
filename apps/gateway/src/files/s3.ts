import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand, S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { S3Store } from '@tus/s3-store';
import { MissingFile, type FileStore, type Range } from './store.js';

export interface S3Config {
  readonly bucket: string;
  readonly client: S3ClientConfig;
}

/** A bucket of Amazon S3, or of anything that speaks its protocol. The bucket must be there, and private. */
export class BucketStore implements FileStore {
  readonly client: S3Client;
  readonly bucket: string;

  constructor({ bucket, client }: S3Config) {
    this.bucket = bucket;
    this.client = new S3Client(client);
  }

  async put(Key: string, path: string, ContentType: string): Promise<void> {
    const { size } = await stat(path);
    await this.client.send(new PutObjectCommand({ Bucket: this.bucket, Key, Body: createReadStream(path), ContentLength: size, ContentType }));
  }

  async read(Key: string, range?: Range): Promise<Readable> {
    const Range = range && `bytes=${range.start}-${range.end}`;
    const { Body } = await this.client.send(new GetObjectCommand({ Bucket: this.bucket, Key, ...(Range && { Range }) })).catch((error: Error) => {
      throw error.name === 'NoSuchKey' || error.name === 'NotFound' ? new MissingFile(Key) : error;
    });
    return Body as Readable;
  }

  async remove(Key: string): Promise<void> {
    await this.client.send(new DeleteObjectCommand({ Bucket: this.bucket, Key }));
  }
}

/** Uploads in parts that any gateway can go on with: they are multipart uploads of the bucket, and finished ones objects under the upload's id. */
export const bucketUploads = ({ bucket, client }: S3Config, expirationPeriodInMilliseconds: number): S3Store =>
  new S3Store({ s3ClientConfig: { ...client, bucket }, useTags: false, expirationPeriodInMilliseconds });
