import { randomBytes } from 'node:crypto';
import { ChatError } from '@parley/contracts';
import { eventually } from '@parley/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { FileFixture, idOf, sha256, text } from '../spec/file-fixture.js';

const MB = 1024 ** 2;
const fixture = new FileFixture('bucket');
const { begin, hashOf, part, state, tus, underWay } = fixture;
beforeAll(() => fixture.start());
afterAll(() => fixture.stop());
afterEach(() => {
  vi.useRealTimers();
  Object.assign(fixture.s3!, { pageSize: 1000, listsUploads: true, delay: () => undefined });
});

describe('an upload to a bucket', () => {
  it('is recorded within a day although its client does not ask again', async () => {
    const location = await begin(5);
    fixture.recordFails = new ChatError('unavailable');
    expect((await part(location, 0, text('hello'))).status).toBe(503);
    await fixture.gateway.server.sweep();
    fixture.recordFails = undefined;
    expect(fixture.rows.get(idOf(location))).toBeUndefined();
    vi.setSystemTime(Date.now() + 25 * 3_600_000);
    await fixture.gateway.server.sweep();
    vi.useRealTimers();
    expect(await hashOf(idOf(location))).toBe(sha256(text('hello')));
    expect(await underWay()).toEqual([]);
  });

  it('is not corrupted by a part that another gateway stores late', async () => {
    const bytes = Buffer.from(randomBytes(5 * MB).toString('hex'));
    const location = await begin(bytes.length);
    const late = Promise.withResolvers<void>();
    const waiting = Promise.withResolvers<void>();
    fixture.s3!.delay = (method, key) =>
      method === 'PUT' && key.includes(idOf(location)) ? (waiting.resolve(), late.promise) : undefined;
    const left = part(location, 0, bytes.subarray(0, MB));
    await waiting.promise;
    fixture.s3!.delay = () => undefined;
    expect(await state(location, fixture.other)).toEqual([200, 0, bytes.length]);
    expect((await part(location, 0, bytes.subarray(0, 8 * MB), fixture.other)).status).toBe(204);
    late.resolve();
    await left;
    expect(await state(location, fixture.other)).toEqual([200, 8 * MB, bytes.length]);
    expect((await part(location, 8 * MB, bytes.subarray(8 * MB), fixture.other)).status).toBe(204);
    expect(await hashOf(idOf(location))).toBe(sha256(bytes));
    await eventually(async () => expect(await underWay()).toEqual([]));
  });

  it('may have more parts than a page of a list', async () => {
    fixture.s3!.pageSize = 1;
    const bytes = Buffer.from(randomBytes(9 * MB).toString('hex'));
    const [location, others] = [await begin(bytes.length), [await begin(5), await begin(5)]];
    expect((await part(location, 0, bytes.subarray(0, 17 * MB))).status).toBe(204);
    expect(await state(location, fixture.other)).toEqual([200, 17 * MB, bytes.length]);
    expect((await part(location, 17 * MB, bytes.subarray(17 * MB))).status).toBe(204);
    expect(await hashOf(idOf(location))).toBe(sha256(bytes));
    await eventually(async () => expect(await underWay()).toHaveLength(2 * others.length));
    vi.setSystemTime(Date.now() + 25 * 3_600_000);
    await fixture.gateway.server.sweep();
    expect(await underWay()).toEqual([]);
  });

  it('is removed after a day although the store does not list uploads', async () => {
    const location = await begin(10 * MB);
    expect((await part(location, 0, Buffer.alloc(9 * MB, 'a'))).status).toBe(204);
    fixture.s3!.listsUploads = false;
    vi.setSystemTime(Date.now() + 25 * 3_600_000);
    await fixture.gateway.server.sweep();
    vi.useRealTimers();
    expect((await state(location))[0]).toBe(404);
    expect(await underWay()).toEqual([]);
  });

  it('is gone after the store has expired it', async () => {
    const location = await begin(10);
    expect((await part(location, 0, text('hello'))).status).toBe(204);
    fixture.s3!.uploads.clear();
    expect((await state(location))[0]).toBe(404);
    expect(fixture.rows.get(idOf(location))).toBeUndefined();
    await eventually(async () => expect(await underWay()).toEqual([]));
  });

  it('is answered as complete when another gateway finishes it during the request', async () => {
    const location = await begin(5);
    fixture.recordFails = new ChatError('unavailable');
    expect((await part(location, 0, text('hello'))).status).toBe(503);
    fixture.recordFails = undefined;
    let requests = 0;
    const finish = async () => {
      fixture.s3!.delay = () => undefined;
      expect(await state(location, fixture.other)).toEqual([200, 5, 5]);
      requests = -1;
    };
    // The fifth read is the one that decides what to finish, after those of owner and offset.
    fixture.s3!.delay = (method, key) =>
      method === 'GET' && key.endsWith('/info') && ++requests === 5 ? finish() : undefined;
    expect(await state(location)).toEqual([200, 5, 5]);
    expect(requests).toBe(-1);
    expect(await hashOf(idOf(location))).toBe(sha256(text('hello')));
  });

  it('is not answered as gone while the bucket is unavailable', async () => {
    const location = await begin(5);
    fixture.s3!.delay = () => Promise.reject(new Error('out of order'));
    expect((await state(location))[0]).toBe(500);
    fixture.s3!.delay = () => undefined;
    expect(await state(location)).toEqual([200, 0, 5]);
    expect((await tus(location, 'DELETE')).status).toBe(204);
  });
});
