import { describe, expect, it } from 'vitest';
import { ParleyError } from './errors.js';
import { memoryStorage } from './storage.js';
import { Uploader } from './uploads.js';

const SIZE = 5 * 1024 * 1024;

/** A server that stores a picture without its metadata, and whose answer to the last part is lost. */
function server(size = SIZE) {
  const stored = size - 1000;
  let offset = 0;
  const calls: string[] = [];
  const request = async (method: string, path: string, { body }: { body?: unknown } = {}): Promise<Response> => {
    calls.push(`${method} ${path}`);
    if (method === 'POST') return new Response(null, { status: 201, headers: { location: '/api/v1/uploads/u1' } });
    if (method === 'PATCH') {
      offset += (body as Blob).size;
      if (offset >= size) throw new ParleyError('unavailable', 'cut off');
      return new Response(null, { status: 204, headers: { 'upload-offset': String(offset) } });
    }
    const isComplete = offset >= size;
    const headers: Record<string, string> = path.startsWith('/uploads')
      ? { 'upload-offset': String(isComplete ? stored : offset), 'upload-length': String(isComplete ? stored : size) }
      : {
          'content-type': 'image/jpeg',
          'content-length': String(stored),
          'content-disposition': `inline; filename="a_b.jpg"; filename*=UTF-8''a%22b.jpg`,
        };
    return new Response(null, { headers });
  };
  return { request, calls };
}

describe('an upload that the server stores smaller than it was sent', () => {
  it('is complete when the answer to its last part is lost', async () => {
    const { request, calls } = server();
    const attachment = await new Uploader(request, memoryStorage()).upload(new Blob([new Uint8Array(SIZE)]), {
      name: 'a"b.jpg',
    });
    expect(attachment).toMatchObject({ id: 'u1', size: SIZE - 1000, mediaType: 'image/jpeg', name: 'a"b.jpg' });
    expect(calls.filter((call) => call.startsWith('PATCH'))).toHaveLength(2);
  });
});

it('a small file is uploaded in parts when the server takes less in one request', async () => {
  const { request, calls } = server(2000);
  const uploads = new Uploader(request, memoryStorage(), () => 1999);
  expect(await uploads.upload(new Blob([new Uint8Array(2000)]), { name: 'a' })).toMatchObject({ id: 'u1' });
  expect(calls.slice(0, 2)).toEqual(['POST /uploads', 'PATCH /uploads/u1']);
});

it('a file over the limit of the server is refused at once', async () => {
  const calls: string[] = [];
  const uploads = new Uploader(async (method, path) => {
    calls.push(`${method} ${path}`);
    throw new ParleyError('too_large', 'over its limit', { traceId: 'from the server' });
  }, memoryStorage());
  await expect(uploads.upload(new Blob([new Uint8Array(1_000_000)]))).rejects.toMatchObject({ code: 'too_large' });
  expect(calls).toEqual(['POST /attachments']);
});
