import { createHash, createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

const bucket = 'parley';
const region = 'eu-central-1';
const credentials = { accessKeyId: 'key-of-the-specs', secretAccessKey: 'secret-of-the-specs' };
const MIN_PART_BYTES = 5 * 1024 ** 2;

interface Bytes {
  readonly bytes: Buffer;
  readonly etag: string;
  readonly at: Date;
}
interface StoredObject extends Bytes {
  /** Content-Type and x-amz-meta-*, which downloads return. */
  readonly headers: Record<string, string>;
}
interface MultipartUpload {
  readonly key: string;
  readonly at: Date;
  readonly headers: Record<string, string>;
  readonly parts: Map<number, Bytes>;
}
interface Call {
  readonly method: string;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
}
interface Answer {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: Buffer | string;
}

class S3Error extends Error {
  constructor(
    readonly code: string,
    readonly status: number,
    readonly headers: Record<string, string> = {},
  ) {
    super(code);
  }
}

const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex');
const hmac = (key: string | Buffer, data: string): Buffer => createHmac('sha256', key).update(data).digest();
const md5 = (bytes: Buffer): Buffer => createHash('md5').update(bytes).digest();
const bytesOf = (bytes: Buffer): Bytes => ({ bytes, etag: `"${md5(bytes).toString('hex')}"`, at: new Date() });
const encode = (value: unknown): string =>
  encodeURIComponent(String(value)).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
const plain = (value: unknown): string =>
  String(value).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
const xml = (name: string, fields: Record<string, unknown>): string =>
  `<${name}>${Object.entries(fields)
    .flatMap(([field, value]) =>
      (Array.isArray(value) ? value : [value]).map((one: unknown) =>
        typeof one === 'object' && one !== null
          ? xml(field, one as Record<string, unknown>)
          : one === undefined
            ? ''
            : `<${field}>${plain(one)}</${field}>`,
      ),
    )
    .join('')}</${name}>`;
const valuesOf = (body: Buffer, name: string): string[] =>
  [...body.toString().matchAll(new RegExp(`<${name}>(.*?)</${name}>`, 'gs'))].map(([, value]) =>
    value!.replaceAll('&quot;', '"').replaceAll('&amp;', '&'),
  );
const storedHeaders = (headers: Record<string, string>) =>
  Object.fromEntries(
    Object.entries(headers).filter(([name]) => name === 'content-type' || name.startsWith('x-amz-meta-')),
  );

/**
 * The part of S3 that the gateway uses: one private bucket in memory, with path-style addresses. Every request must be
 * signed (Signature Version 4).
 */
export class S3Server {
  readonly objects = new Map<string, StoredObject>();
  readonly uploads = new Map<string, MultipartUpload>();
  /** Entries on a page of a list. */
  pageSize = 1000;
  /** Whether it lists the multipart uploads of all keys. MinIO lists those of one key only. */
  listsUploads = true;
  /** A request waits for this before it is carried out. */
  delay: (method: string, key: string) => Promise<unknown> | undefined = () => undefined;
  private readonly server = createServer((request, response) => void this.serve(request, response));

  static async start(): Promise<S3Server> {
    const s3 = new S3Server();
    await new Promise<void>((resolve) => s3.server.listen(0, '127.0.0.1', resolve));
    return s3;
  }

  /** The configuration of a gateway that uses the bucket. */
  get environment(): Record<string, string> {
    const { port } = this.server.address() as AddressInfo;
    return {
      S3_BUCKET: bucket,
      S3_ENDPOINT: `http://127.0.0.1:${port}`,
      S3_REGION: region,
      S3_ACCESS_KEY_ID: credentials.accessKeyId,
      S3_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    };
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A request that is cut off stores nothing.
    const body = await buffer(request).catch(() => undefined);
    if (body === undefined) return;
    const url = new URL(request.url!, 'http://s3');
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
    try {
      requireSignature(request.method!, url, headers, body);
      const [, named, ...key] = url.pathname.split('/');
      if (named !== bucket) throw new S3Error('NoSuchBucket', 404);
      const call = {
        method: request.method!,
        key: decodeURIComponent(key.join('/')),
        query: url.searchParams,
        headers,
        body,
      };
      await this.delay(call.method, call.key);
      const answer = this.answer(call);
      response.writeHead(answer.status ?? 200, answer.headers).end(answer.body);
    } catch (error) {
      const { code, status, headers: more } = error instanceof S3Error ? error : new S3Error('InternalError', 500);
      const text = xml('Error', { Code: code, Message: code, Resource: url.pathname, RequestId: randomUUID() });
      response
        .writeHead(status, { 'content-type': 'application/xml', ...more })
        .end(request.method === 'HEAD' ? undefined : text);
    }
  }

  private answer(call: Call): Answer {
    const { method, key, query } = call;
    const operation = `${method} ${key === '' ? 'bucket' : 'key'}${['uploads', 'uploadId', 'delete', 'list-type']
      .filter((name) => query.has(name))
      .map((name) => ` ${name}`)
      .join('')}`;
    switch (operation) {
      case 'PUT key':
        return this.put(call);
      case 'GET key':
      case 'HEAD key':
        return this.get(call);
      case 'DELETE key':
        return (this.objects.delete(key), { status: 204 });
      case 'POST key uploads':
        return this.begin(call);
      case 'PUT key uploadId':
        return this.putPart(call);
      case 'GET key uploadId':
        return this.listParts(call);
      case 'POST key uploadId':
        return this.complete(call);
      case 'DELETE key uploadId':
        return (this.uploadOf(call), this.uploads.delete(query.get('uploadId')!), { status: 204 });
      case 'POST bucket delete':
        return this.deleteMany(call);
      case 'GET bucket uploads':
        return this.listUploads(call);
      case 'GET bucket list-type':
        return this.listObjects(call);
      default:
        throw new S3Error('NotImplemented', 501);
    }
  }

  private put({ key, headers, body }: Call): Answer {
    const object = { ...bytesOf(body), headers: storedHeaders(headers) };
    this.objects.set(key, object);
    return { headers: { etag: object.etag } };
  }

  private get({ method, key, headers: { range } }: Call): Answer {
    const object = this.objects.get(key);
    if (!object) throw new S3Error('NoSuchKey', 404);
    const { bytes, etag, at } = object;
    const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(range ?? '') ?? [];
    const start = from === '' ? Math.max(0, bytes.length - (to === '' ? Infinity : Number(to))) : Number(from);
    const end = from === '' || to === '' ? bytes.length : Math.min(bytes.length, Number(to) + 1);
    if (range !== undefined && start >= end)
      throw new S3Error('InvalidRange', 416, { 'content-range': `bytes */${bytes.length}` });
    const headers = {
      ...object.headers,
      etag,
      'last-modified': at.toUTCString(),
      'content-length': String(end - start),
      'accept-ranges': 'bytes',
      ...(range !== undefined && { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` }),
    };
    return {
      status: range === undefined ? 200 : 206,
      headers,
      ...(method === 'GET' && { body: bytes.subarray(start, end) }),
    };
  }

  private begin({ key, headers }: Call): Answer {
    const UploadId = randomUUID();
    this.uploads.set(UploadId, { key, at: new Date(), headers: storedHeaders(headers), parts: new Map() });
    return { body: xml('InitiateMultipartUploadResult', { Bucket: bucket, Key: key, UploadId }) };
  }

  private putPart(call: Call): Answer {
    const [upload, number, part] = [this.uploadOf(call), Number(call.query.get('partNumber')), bytesOf(call.body)];
    if (!(number >= 1 && number <= 10_000)) throw new S3Error('InvalidArgument', 400);
    upload.parts.set(number, part);
    return { headers: { etag: part.etag } };
  }

  private listParts(call: Call): Answer {
    const all = [...this.uploadOf(call).parts]
      .toSorted(([a], [b]) => a - b)
      .filter(([number]) => number > Number(call.query.get('part-number-marker') ?? 0));
    const Part = all
      .slice(0, this.pageSize)
      .map(([PartNumber, { etag, bytes, at }]) => ({
        PartNumber,
        LastModified: at.toISOString(),
        ETag: etag,
        Size: bytes.length,
      }));
    return {
      body: xml('ListPartsResult', {
        Bucket: bucket,
        Key: call.key,
        IsTruncated: all.length > Part.length,
        NextPartNumberMarker: Part.at(-1)?.PartNumber ?? 0,
        Part,
      }),
    };
  }

  private complete(call: Call): Answer {
    const [{ parts, headers }, { key, query }] = [this.uploadOf(call), call];
    const wanted = valuesOf(call.body, 'Part').map((part) => ({
      number: Number(valuesOf(Buffer.from(part), 'PartNumber')[0]),
      etag: valuesOf(Buffer.from(part), 'ETag')[0],
    }));
    if (wanted.length === 0) throw new S3Error('MalformedXML', 400);
    if (wanted.some(({ number }, index) => index > 0 && number <= wanted[index - 1]!.number))
      throw new S3Error('InvalidPartOrder', 400);
    const found = wanted.map(({ number, etag }) => {
      const part = parts.get(number);
      if (part?.etag !== etag) throw new S3Error('InvalidPart', 400);
      return part!;
    });
    if (found.slice(0, -1).some(({ bytes }) => bytes.length < MIN_PART_BYTES)) throw new S3Error('EntityTooSmall', 400);
    const bytes = Buffer.concat(found.map((part) => part.bytes));
    const etag = `"${md5(Buffer.concat(found.map((part) => md5(part.bytes)))).toString('hex')}-${found.length}"`;
    this.objects.set(key, { bytes, etag, at: new Date(), headers });
    this.uploads.delete(query.get('uploadId')!);
    return { body: xml('CompleteMultipartUploadResult', { Bucket: bucket, Key: key, ETag: etag }) };
  }

  private deleteMany({ headers, body }: Call): Answer {
    if (
      headers['content-md5'] === undefined &&
      !Object.keys(headers).some((name) => name.startsWith('x-amz-checksum-'))
    )
      throw new S3Error('InvalidRequest', 400);
    const keys = valuesOf(body, 'Key');
    for (const key of keys) this.objects.delete(key);
    return { body: xml('DeleteResult', { Deleted: keys.map((Key) => ({ Key })) }) };
  }

  private listUploads({ query }: Call): Answer {
    const position = (key: string, id: string) => `${key}\n${id}`;
    const marker = query.has('key-marker')
      ? position(query.get('key-marker')!, query.get('upload-id-marker') ?? '\uFFFF')
      : '';
    const all = [...(this.listsUploads ? this.uploads : [])]
      .map(([UploadId, { key, at }]) => ({ Key: key, UploadId, Initiated: at.toISOString() }))
      .filter(({ Key, UploadId }) => position(Key, UploadId) > marker)
      .toSorted((a, b) => (position(a.Key, a.UploadId) < position(b.Key, b.UploadId) ? -1 : 1));
    const Upload = all.slice(0, this.pageSize);
    return {
      body: xml('ListMultipartUploadsResult', {
        Bucket: bucket,
        IsTruncated: all.length > Upload.length,
        NextKeyMarker: Upload.at(-1)?.Key,
        NextUploadIdMarker: Upload.at(-1)?.UploadId,
        Upload,
      }),
    };
  }

  private listObjects({ query }: Call): Answer {
    const [prefix, after] = [
      query.get('prefix') ?? '',
      query.get('continuation-token') ?? query.get('start-after') ?? '',
    ];
    const all = [...this.objects]
      .filter(([key]) => key.startsWith(prefix) && key > after)
      .toSorted(([a], [b]) => (a < b ? -1 : 1));
    const Contents = all
      .slice(0, this.pageSize)
      .map(([Key, { bytes, etag, at }]) => ({ Key, LastModified: at.toISOString(), ETag: etag, Size: bytes.length }));
    return {
      body: xml('ListBucketResult', {
        Name: bucket,
        Prefix: prefix,
        KeyCount: Contents.length,
        IsTruncated: all.length > Contents.length,
        NextContinuationToken: all.length > Contents.length ? Contents.at(-1)?.Key : undefined,
        Contents,
      }),
    };
  }

  private uploadOf({ key, query }: Call): MultipartUpload {
    const upload = this.uploads.get(query.get('uploadId')!);
    if (upload?.key !== key) throw new S3Error('NoSuchUpload', 404);
    return upload;
  }
}

/** Rejects a request unless everything that S3 requires is signed with the credentials. */
function requireSignature(method: string, url: URL, headers: Record<string, string>, body: Buffer): void {
  const [, id, scope, names, signature] =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8}\/[^/]+\/s3\/aws4_request), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      headers['authorization'] ?? '',
    ) ?? [];
  if (id === undefined || scope === undefined || names === undefined || signature === undefined)
    throw new S3Error('AccessDenied', 403);
  if (id !== credentials.accessKeyId) throw new S3Error('InvalidAccessKeyId', 403);
  const [signed, hash, time] = [names.split(';'), headers['x-amz-content-sha256'] ?? '', headers['x-amz-date'] ?? ''];
  if (Object.keys(headers).some((name) => (name === 'host' || name.startsWith('x-amz-')) && !signed.includes(name)))
    throw new S3Error('AccessDenied', 403);
  // Like a store that does not know Amazon's framing of bodies.
  if (hash.startsWith('STREAMING') || headers['content-encoding'] === 'aws-chunked')
    throw new S3Error('NotImplemented', 501);
  if (hash !== 'UNSIGNED-PAYLOAD' && hash !== sha256(body)) throw new S3Error('XAmzContentSHA256Mismatch', 400);
  const query = [...url.searchParams]
    .map((pair) => pair.map(encode).join('='))
    .toSorted()
    .join('&');
  const canonical = [
    method,
    url.pathname,
    query,
    ...signed.map((name) => `${name}:${(headers[name] ?? '').trim().replaceAll(/ +/g, ' ')}`),
    '',
    names,
    hash,
  ].join('\n');
  const key = scope
    .split('/')
    .reduce<string | Buffer>((secret, part) => hmac(secret, part), `AWS4${credentials.secretAccessKey}`);
  const expected = hmac(key, `AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(canonical)}`);
  if (!scope.startsWith(`${time.slice(0, 8)}/${region}/`) || !timingSafeEqual(expected, Buffer.from(signature, 'hex')))
    throw new S3Error('SignatureDoesNotMatch', 403);
}
