import type { Readable } from 'node:stream';
import { paginateListObjectsV2, type _Object } from '@aws-sdk/client-s3';
import { S3Store, type MetadataValue } from '@tus/s3-store';
import { ERRORS, type Upload } from '@tus/server';
import type { S3Config } from './s3-store.js';

/**
 * The size of every stored part of an upload but its last one, so whichever gateway stores part n stores the same bytes.
 */
const PART_BYTES = 8 * 1024 ** 2;
const uploads = 'uploads/';
/** A cache would miss what another gateway changes. */
const noCache = {
  get: () => Promise.resolve(undefined),
  set: () => Promise.resolve(),
  delete: () => Promise.resolve(),
};
const isMissing = (error: unknown): boolean =>
  error instanceof Error && ['NoSuchKey', 'NoSuchUpload', 'NotFound'].includes(error.name);

/**
 * Uploads in parts that any gateway can continue, also while another gateway still stores what arrived before a cut.
 * They are multipart uploads of the bucket. Their description, and bytes that do not fill a part yet, are objects under
 * `uploads/<id>/` until {@link forget} removes them. A complete upload is an object under its id.
 */
export class BucketUploads extends S3Store {
  constructor({ bucket, client }: S3Config, expirationPeriodInMilliseconds: number) {
    super({
      s3ClientConfig: { ...client, bucket },
      partSize: PART_BYTES,
      minPartSize: PART_BYTES,
      useTags: false,
      cache: noCache,
      expirationPeriodInMilliseconds,
    });
  }

  /** Removes the upload's description; a complete upload's bytes stay. */
  async forget(id: string): Promise<void> {
    const Objects: { Key: string | undefined }[] = [];
    for await (const { Key } of this.list(`${uploads}${id}/`)) Objects.push({ Key });
    if (Objects.length > 0) await this.client.deleteObjects({ Bucket: this.bucket, Delete: { Objects } });
  }

  /** Removes everything of an upload, complete or not. Does nothing when there is none. */
  override async remove(id: string): Promise<void> {
    await super.remove(id).catch((error: unknown) => {
      if (error !== ERRORS.FILE_NOT_FOUND) throw error;
    });
    await this.client.deleteObject({ Bucket: this.bucket, Key: id });
    await this.forget(id);
  }

  /** Ids of expired uploads with remaining data. May repeat ids. */
  async *expired(): AsyncGenerator<string> {
    for await (const { Key = '', LastModified } of this.list(uploads)) {
      if (LastModified && Number(this.getExpirationDate(LastModified.toISOString())) < Date.now())
        yield Key.split('/')[1]!;
    }
  }

  override async getUpload(id: string): Promise<Upload> {
    const { file } = await this.getMetadata(id).catch((error: unknown) => {
      throw isMissing(error) ? ERRORS.FILE_NOT_FOUND : error;
    });
    const parts = await this.retrieveParts(id).catch(undefinedIfMissing);
    // An upload that is described and has no parts any more is complete.
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
    // Another gateway is writing this upload too: the client asks where to continue.
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
    const got = await this.restKeyOf(id)
      .then((Key) => this.client.getObject({ Bucket: this.bucket, Key }))
      .catch(undefinedIfMissing);
    return got?.Body as Readable | undefined;
  }

  protected override async getIncompletePartSize(id: string): Promise<number | undefined> {
    return (
      await this.restKeyOf(id)
        .then((Key) => this.client.headObject({ Bucket: this.bucket, Key }))
        .catch(undefinedIfMissing)
    )?.ContentLength;
  }

  protected override async deleteIncompletePart(id: string): Promise<void> {
    await this.client.deleteObject({ Bucket: this.bucket, Key: await this.restKeyOf(id) });
  }

  /**
   * The key of the bytes that do not fill the next part yet. Each part has its own key: bytes that another gateway
   * stores late may belong to a part that is complete meanwhile.
   */
  private async restKeyOf(id: string): Promise<string> {
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
function undefinedIfMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error;
}
