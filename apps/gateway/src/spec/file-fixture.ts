import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChatError, fileToken, type Attachment, type RequestPayload } from '@parley/contracts';
import { TestGateway, type Person } from './test-gateway.js';
import { S3Server } from './s3-server.js';

type Recorded = RequestPayload<'attachment.record.v1'>;
type Row = { userId: string; key: string; attachment: Attachment };

export const QUOTA = 64 * 1024 ** 2;
export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
export const idOf = (location: string): string => location.split('/').at(-1)!;
export const metadata = (name: string): string => `filename ${Buffer.from(name).toString('base64')}`;
export const text = (content: string): Buffer => Buffer.from(content);

const attachmentOf = ({ id, key: _key, ...stored }: Recorded['stored'], thumbnailId?: string): Attachment => ({
  id,
  ...stored,
  ...(thumbnailId && { thumbnailId }),
  url: `/api/v1/attachments/${id}`,
});

/** Two gateways with the same files, in a folder or a bucket, and a user with a session at both. */
export class FileFixture {
  folder!: string;
  s3: S3Server | undefined;
  gateway!: TestGateway;
  other!: TestGateway;
  token!: string;
  strangersToken!: string;
  guestsToken!: string;
  /** Bytes of open uploads, by the id of the attachment. */
  readonly reserved = new Map<string, { userId: string; bytes: number }>();
  /** The rows of attachments, as the services keep them. Here only the uploader may see one. */
  readonly rows = new Map<string, Row>();
  /** Time for which links are valid. */
  linkSeconds = 300;
  recordFails: ChatError | undefined;
  /** Recording waits for this. */
  recording: (() => Promise<void>) | undefined;
  readonly dropped: { id: string; key: string }[] = [];
  readonly forgotten: string[] = [];
  private othersToken!: string;

  constructor(private readonly place: 'folder' | 'bucket') {}

  async start(): Promise<void> {
    this.folder = await mkdtemp(join(tmpdir(), 'parley-files-'));
    if (this.place === 'bucket') this.s3 = await S3Server.start();
    [this.gateway, this.other] = [await this.open(), await this.open()];
    const ann = this.gateway.person();
    [this.token, this.othersToken, this.strangersToken, this.guestsToken] = [
      await this.gateway.token(ann),
      await this.other.token(ann),
      await this.gateway.token(this.gateway.person()),
      await this.gateway.token(this.gateway.person('guest')),
    ];
  }

  async stop(): Promise<void> {
    await Promise.all([this.gateway.stop(), this.other.stop()]);
    await this.s3?.stop();
    await rm(this.folder, { recursive: true });
  }

  /** The names of all files below a folder. */
  readonly onDisk = async (under = ''): Promise<string[]> => {
    const entries = await readdir(join(this.folder, under), { recursive: true, withFileTypes: true }).catch(() => []);
    return entries
      .filter((entry) => entry.isFile())
      .map(({ name }) => name)
      .toSorted();
  };
  /** Everything stored of unfinished uploads. */
  readonly underWay = async (): Promise<string[]> =>
    this.s3
      ? [
          ...[...this.s3.uploads.values()].map(({ key }) => key),
          ...[...this.s3.objects.keys()].filter((key) => key.includes('/')),
        ]
      : this.onDisk('uploads');
  /** The names of everything stored, on disk and in the bucket. */
  readonly stored = async (): Promise<string[]> =>
    [...(await this.onDisk()), ...(this.s3?.objects.keys() ?? []), ...(this.s3?.uploads.keys() ?? [])].toSorted();
  /** The number of bytes stored of an unfinished upload; in a bucket, of its first part. */
  readonly partly = async (id: string): Promise<number | undefined> =>
    (this.s3
      ? [...this.s3.uploads.values()].find(({ key }) => key === id)!.parts.get(1)?.bytes
      : await readFile(join(this.folder, 'uploads', id))
    )?.length;

  readonly get = (id: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Response> =>
    this.gateway.fetch(`/api/v1/attachments/${id}`, { token: this.token, headers, method });
  readonly hashOf = async (id: string): Promise<string> =>
    sha256(Buffer.from(await (await this.get(id)).arrayBuffer()));

  /** Sends a tus request to one of the gateways. */
  readonly tus = (
    path: string,
    method: string,
    headers: Record<string, string> = {},
    body?: Buffer,
    at = this.gateway,
    by = at === this.other ? this.othersToken : this.token,
  ): Promise<Response> =>
    at.fetch(path, {
      method,
      token: by,
      headers: { 'tus-resumable': '1.0.0', ...headers },
      ...(body && { body: Uint8Array.from(body) }),
    });
  /** Creates an upload and returns its address. */
  readonly begin = async (size: number, name = 'big.txt'): Promise<string> => {
    const answer = await this.tus('/api/v1/uploads', 'POST', {
      'upload-length': String(size),
      'upload-metadata': metadata(name),
    });
    if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`);
    return answer.headers.get('location')!;
  };
  readonly part = (location: string, offset: number, body: Buffer, at = this.gateway): Promise<Response> =>
    this.tus(
      location,
      'PATCH',
      { 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' },
      body,
      at,
    );
  /** Status, offset and length. */
  readonly state = async (location: string, at = this.gateway): Promise<number[]> => {
    const answer = await this.tus(location, 'HEAD', {}, undefined, at);
    return [answer.status, Number(answer.headers.get('upload-offset')), Number(answer.headers.get('upload-length'))];
  };

  /** The token of a link, as auth signs it. */
  private async signFile(
    gateway: TestGateway,
    claims: Record<string, string>,
  ): Promise<{ token: string; expiresAt: string }> {
    const exp = Math.floor(Date.now() / 1000) + this.linkSeconds;
    const { typ, audience: aud } = fileToken;
    const user = { user: { id: claims['sub']!, kind: 'person' }, sessionId: claims['sid']! } as Person;
    const token = await gateway.token(user, { header: { typ }, claims: { ...claims, aud, exp } });
    return { token, expiresAt: new Date(exp * 1000).toISOString() };
  }

  private open(): Promise<TestGateway> {
    return TestGateway.start(
      {
        FILES_DIR: this.folder,
        ALLOWED_ORIGINS: 'https://chat.example.org',
        USER_LIMIT_SCALE: '10',
        ...this.s3?.environment,
      },
      (starting) =>
        starting.serveBasics({
          'attachment.admit.v1': (request) => this.admit(request),
          'attachment.release.v1': ({ id }) => (this.reserved.delete(id), {}),
          'attachment.record.v1': (recorded) => this.record(recorded),
          'attachment.locate.v1': ({ userId, attachmentId }) => {
            const row = this.rows.get(attachmentId);
            if (row?.userId !== userId) throw new ChatError('not_found');
            return { attachment: row.attachment, key: row.key };
          },
          'auth.file-token.v1': ({ userId, sessionId, kind, attachmentId }) =>
            this.signFile(starting, { sub: userId, sid: sessionId, kind, file: attachmentId }),
          'attachment.sweep.v1': () => ({ dropped: this.dropped }),
          'attachment.forget.v1': ({ ids }) => (this.forgotten.push(...ids), {}),
        }),
    );
  }

  private admit({ userId, id, bytes, upTo = bytes }: RequestPayload<'attachment.admit.v1'>): { reserved: number } {
    const left = [...this.reserved.values()].reduce(
      (rest, other) => (other.userId === userId ? rest - other.bytes : rest),
      QUOTA,
    );
    if (bytes > left) throw new ChatError('too_large');
    const reserved = Math.min(upTo, left);
    if (id !== undefined) this.reserved.set(id, { userId, bytes: reserved });
    return { reserved };
  }

  private async record({ userId, stored, thumbnail }: Recorded): Promise<{ attachment: Attachment }> {
    await this.recording?.();
    if (this.recordFails) throw this.recordFails;
    const row = this.rows.get(stored.id) ?? {
      userId,
      key: stored.key,
      attachment: attachmentOf(stored, thumbnail?.id),
    };
    this.rows.set(stored.id, row);
    this.reserved.delete(stored.id);
    if (thumbnail && row.attachment.thumbnailId === thumbnail.id)
      this.rows.set(thumbnail.id, { userId, key: thumbnail.key, attachment: attachmentOf(thumbnail) });
    return { attachment: row.attachment };
  }
}
