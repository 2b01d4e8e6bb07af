import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  paginateListObjectsV2,
  PutObjectCommand,
  S3Client,
  type _Object,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import { S3Store, type MetadataValue } from '@tus/s3-store';
import { ERRORS, type Upload } from '@tus/server';
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

  async read(Key: string, range?: Range): Promise<Readable> {
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

/** Every stored part of an upload but its last one is as large as this, so whichever gateway stores part n stores the same bytes. */
const PART_BYTES = 8 * 1024 ** 2;
const uploads = 'uploads/';
/** What another gateway changed would be told wrongly. */
const forgetful = {
  get: () => Promise.resolve(undefined),
  set: () => Promise.resolve(),
  delete: () => Promise.resolve(),
};
const isMissing = (error: unknown): boolean =>
  error instanceof Error && ['NoSuchKey', 'NoSuchUpload', 'NotFound'].includes(error.name);

/**
 * Uploads in parts that any gateway can go on with, also while another one still stores what came before a cut. They are multipart uploads of the bucket. What describes them, and
 * what is less than a part, lies under `uploads/<id>/` until they are forgotten. A complete one is an object under its id.
 */
export class BucketUploads extends S3Store {
  constructor({ bucket, client }: S3Config, expirationPeriodInMilliseconds: number) {
    super({
      s3ClientConfig: { ...client, bucket },
      partSize: PART_BYTES,
      minPartSize: PART_BYTES,
      useTags: false,
      cache: forgetful,
      expirationPeriodInMilliseconds,
    });
  }

  /** Ends what describes the upload; a complete upload's bytes stay. */
  async forget(id: string): Promise<void> {
    const Objects: { Key: string | undefined }[] = [];
    for await (const { Key } of this.list(`${uploads}${id}/`)) Objects.push({ Key });
    if (Objects.length > 0) await this.client.deleteObjects({ Bucket: this.bucket, Delete: { Objects } });
  }

  /** Whatever there is of it, complete or not; what is not there is gone already. */
  override async remove(id: string): Promise<void> {
    await super.remove(id).catch((error: unknown) => {
      if (error !== ERRORS.FILE_NOT_FOUND) throw error;
    });
    await this.client.deleteObject({ Bucket: this.bucket, Key: id });
    await this.forget(id);
  }

  /** Ids of uploads of which something is left after as long as uploads may take, once or more often. */
  async *left(): AsyncGenerator<string> {
    for await (const { Key = '', LastModified } of this.list(uploads)) {
      if (LastModified && Number(this.getExpirationDate(LastModified.toISOString())) < Date.now())
        yield Key.split('/')[1]!;
    }
  }

  override async getUpload(id: string): Promise<Upload> {
    const { file } = await this.getMetadata(id).catch((error: unknown) => {
      throw isMissing(error) ? ERRORS.FILE_NOT_FOUND : error;
    });
    const parts = await this.retrieveParts(id).catch(nothingWhereMissing);
    // What is described and has no parts any more is complete.
    file.offset = parts
      ? parts.reduce((sum, { Size = 0 }) => sum + Size, (await this.getIncompletePartSize(id)) ?? 0)
      : (file.size ?? 0);
    return file;
  }

  protected override infoKey(id: string): string {
    return `${uploads}${id}/info`;
  }

  protected override calcOptimalPartSize(): number {
    return PART_BYTES;
  }

  protected override async uploadParts(
    metadata: MetadataValue,
    bytes: Readable,
    part: number,
    offset: number,
  ): Promise<number> {
    // Another gateway is writing it, too: the client asks where to go on.
    if (offset !== (part - 1) * PART_BYTES) throw ERRORS.INVALID_OFFSET;
    let next = part;
    const writer = Object.assign(Object.create(this) as this, {
      uploadPart: (...args: Parameters<S3Store['uploadPart']>) => ((next = args[2] + 1), this.uploadPart(...args)),
      uploadIncompletePart: async (id: string, Body: Readable) =>
        (await this.client.putObject({ Bucket: this.bucket, Key: restKey(id, next), Body })).ETag!,
    });
    return super.uploadParts.call(writer, metadata, bytes, part, offset);
  }

  protected override async getIncompletePart(id: string): Promise<Readable | undefined> {
    const got = await this.restOf(id)
      .then((Key) => this.client.getObject({ Bucket: this.bucket, Key }))
      .catch(nothingWhereMissing);
    return got?.Body as Readable | undefined;
  }

  protected override async getIncompletePartSize(id: string): Promise<number | undefined> {
    return (
      await this.restOf(id)
        .then((Key) => this.client.headObject({ Bucket: this.bucket, Key }))
        .catch(nothingWhereMissing)
    )?.ContentLength;
  }

  protected override async deleteIncompletePart(id: string): Promise<void> {
    await this.client.deleteObject({ Bucket: this.bucket, Key: await this.restOf(id) });
  }

  /** Where the beginning of the next part lies: not under a name for all of them, because one that another gateway is late with belongs to a part that is whole meanwhile. */
  private async restOf(id: string): Promise<string> {
    return restKey(id, (await this.retrieveParts(id)).length + 1);
  }

  private async *list(Prefix: string): AsyncGenerator<_Object> {
    for await (const { Contents = [] } of paginateListObjectsV2(
      { client: this.client },
      { Bucket: this.bucket, Prefix },
    ))
      yield* Contents;
  }
}

const restKey = (id: string, part: number): string => `${uploads}${id}/rest-${part}`;
function nothingWhereMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error;
}
