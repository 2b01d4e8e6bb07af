import { loadConfig } from '@parley/service-kit';
import { describe, expect, it } from 'vitest';
import { gatewayConfig } from '../config.js';
import { openStore, s3Config } from './open-store.js';
import { BucketStore } from './s3-store.js';
import { FolderStore } from './store.js';

const config = (source: Record<string, string>) => loadConfig(gatewayConfig, source);

describe('the store of files', () => {
  it('is a folder unless a bucket is configured', async () => {
    expect(await openStore(config({}))).toBeInstanceOf(FolderStore);
    expect(s3Config(config({ S3_ENDPOINT: 'http://minio:9000' }))).toBeUndefined();
  });

  it('is the configured bucket', async () => {
    const store = await openStore(
      config({
        S3_BUCKET: 'parley',
        S3_ENDPOINT: 'http://minio:9000',
        S3_REGION: 'eu-central-1',
        S3_ACCESS_KEY_ID: 'key',
        S3_SECRET_ACCESS_KEY: 'secret',
      }),
    );
    expect(store).toBeInstanceOf(BucketStore);
    const { bucket, client } = store as BucketStore;
    expect(bucket).toBe('parley');
    expect([
      await client.config.region(),
      client.config.forcePathStyle,
      (await client.config.endpoint!()).hostname,
      await client.config.credentials(),
    ]).toMatchObject(['eu-central-1', true, 'minio', { accessKeyId: 'key', secretAccessKey: 'secret' }]);
    expect([
      await client.config.requestChecksumCalculation(),
      await client.config.responseChecksumValidation(),
    ]).toEqual(['WHEN_REQUIRED', 'WHEN_REQUIRED']);
  });

  it('takes address and keys from the machine when only a bucket is configured', () => {
    expect(s3Config(config({ S3_BUCKET: 'parley' }))).toEqual({ bucket: 'parley', client: { region: 'us-east-1' } });
  });
});
