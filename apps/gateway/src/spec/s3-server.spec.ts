import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListPartsCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { S3Server } from './s3-server.js';

const Bucket = 'parley';
let s3: S3Server;
let client: S3Client;
const connect = (changes: Record<string, string> = {}): S3Client => {
  const {
    S3_ENDPOINT: endpoint,
    S3_REGION: region,
    S3_ACCESS_KEY_ID: accessKeyId,
    S3_SECRET_ACCESS_KEY: secretAccessKey,
  } = { ...s3.environment, ...changes } as Record<string, string>;
  return new S3Client({
    endpoint: endpoint!,
    region: region!,
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: accessKeyId!, secretAccessKey: secretAccessKey! },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
};
const refused = (name: string, httpStatusCode: number) => ({ name, $metadata: { httpStatusCode } });

beforeAll(async () => {
  s3 = await S3Server.start();
  client = connect();
});
afterAll(() => s3.stop());

describe('the S3 server of these specs', () => {
  it('stores objects and answers ranges of them', async () => {
    await client.send(
      new PutObjectCommand({
        Bucket,
        Key: 'a/b c+ü',
        Body: 'hello',
        ContentType: 'text/plain',
        Metadata: { of: 'ann' },
      }),
    );
    const { Body, ContentRange, Metadata } = await client.send(
      new GetObjectCommand({ Bucket, Key: 'a/b c+ü', Range: 'bytes=1-2' }),
    );
    expect([await Body!.transformToString(), ContentRange, Metadata]).toEqual(['el', 'bytes 1-2/5', { of: 'ann' }]);
    await expect(
      client.send(new GetObjectCommand({ Bucket, Key: 'a/b c+ü', Range: 'bytes=5-' })),
    ).rejects.toMatchObject(refused('InvalidRange', 416));
    await expect(client.send(new GetObjectCommand({ Bucket, Key: 'none' }))).rejects.toMatchObject(
      refused('NoSuchKey', 404),
    );
    await expect(client.send(new HeadObjectCommand({ Bucket, Key: 'none' }))).rejects.toMatchObject(
      refused('NotFound', 404),
    );
    await expect(client.send(new GetObjectCommand({ Bucket: 'another', Key: 'a' }))).rejects.toMatchObject(
      refused('NoSuchBucket', 404),
    );
  });

  it('accepts only requests signed with its keys for its region', async () => {
    const get = new GetObjectCommand({ Bucket, Key: 'none' });
    await expect(connect({ S3_ACCESS_KEY_ID: 'another' }).send(get)).rejects.toMatchObject(
      refused('InvalidAccessKeyId', 403),
    );
    await expect(connect({ S3_SECRET_ACCESS_KEY: 'another' }).send(get)).rejects.toMatchObject(
      refused('SignatureDoesNotMatch', 403),
    );
    await expect(connect({ S3_REGION: 'us-east-1' }).send(get)).rejects.toMatchObject(
      refused('SignatureDoesNotMatch', 403),
    );
    expect((await fetch(`${s3.environment['S3_ENDPOINT']}/${Bucket}/none`)).status).toBe(403);
  });

  it('completes an upload only of stored parts in order, all but the last of at least 5 MiB', async () => {
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'big' }));
    const store = async (PartNumber: number, Body: Buffer) => ({
      PartNumber,
      ETag: (await client.send(new UploadPartCommand({ Bucket, Key: 'big', UploadId, PartNumber, Body }))).ETag,
    });
    const complete = (...Parts: { PartNumber: number; ETag: string | undefined }[]) =>
      client.send(new CompleteMultipartUploadCommand({ Bucket, Key: 'big', UploadId, MultipartUpload: { Parts } }));
    const [small, whole, last] = [
      await store(1, Buffer.alloc(5 * 1024 ** 2 - 1)),
      await store(2, Buffer.alloc(5 * 1024 ** 2)),
      await store(3, Buffer.alloc(1)),
    ];
    await expect(complete(small, whole, last)).rejects.toMatchObject(refused('EntityTooSmall', 400));
    await expect(complete(whole, { ...last, ETag: small.ETag })).rejects.toMatchObject(refused('InvalidPart', 400));
    await expect(complete(last, whole)).rejects.toMatchObject(refused('InvalidPartOrder', 400));
    await complete(whole, last);
    expect(s3.objects.get('big')!.bytes.length).toBe(5 * 1024 ** 2 + 1);
    await expect(client.send(new ListPartsCommand({ Bucket, Key: 'big', UploadId }))).rejects.toMatchObject(
      refused('NoSuchUpload', 404),
    );
  });
});
