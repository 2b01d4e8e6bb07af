/** Hostile bytes and calls, all from one seed. They are mutations of valid input, so that they pass the first checks. */
import { connect } from 'node:net';
import { callNames, calls, type Call, type CallName } from '@parley/contracts';
import { eventually, type ChatClient, type ServiceProcess } from '@parley/testing';
import { expect } from 'vitest';

type Random = () => number;
type Json = unknown;

/** Random values from a seed. */
export class Draw {
  constructor(private readonly random: Random) {}

  below(count: number): number {
    return Math.floor(this.random() * count);
  }
  chance(probability: number): boolean {
    return this.random() < probability;
  }
  one<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
  bytes(most: number): Buffer {
    return Buffer.from(Array.from({ length: this.below(most) }, () => this.below(256)));
  }

  /** Mutates bytes: flips bits; removes, repeats, moves parts; inserts sequences that break parsers. */
  mutate(original: Buffer): Buffer {
    let bytes = original;
    for (let times = 1 + this.below(4); times > 0; times--) {
      const [from, length] = [this.below(bytes.length + 1), this.below(this.chance(0.5) ? 4 : 64)];
      const [before, part, after] = [
        bytes.subarray(0, from),
        bytes.subarray(from, from + length),
        bytes.subarray(from + length),
      ];
      const middle = this.one([
        () => part.map((byte) => byte ^ (1 << this.below(8))),
        () => Buffer.alloc(0),
        () => Buffer.concat([part, part]),
        () => this.bytes(16),
        () => Buffer.from(this.one(stumbling)),
        () => Buffer.concat([Buffer.from(this.one(stumbling)), part]),
        () => bytes.subarray(this.below(bytes.length + 1)).subarray(0, 64),
      ])();
      bytes = Buffer.concat([before, middle, after]);
    }
    return this.chance(0.1) ? bytes.subarray(0, this.below(bytes.length)) : bytes;
  }

  /** Mutates JSON: replaces, removes or adds a value. */
  twist(value: Json): Json {
    if (typeof value !== 'object' || value === null || this.chance(0.2)) return this.one(odd)();
    const entries = Object.entries(value).filter(() => !this.chance(0.05));
    if (entries.length > 0) {
      const entry = this.one(entries);
      entry[1] = this.twist(entry[1]);
    }
    if (Array.isArray(value)) return entries.map(([, one]) => one);
    return Object.fromEntries(
      this.chance(0.1)
        ? [...entries, [this.one(['__proto__', 'constructor', 'toJSON', 'then', '', 'x']), this.one(odd)()]]
        : entries,
    );
  }
}

const stumbling = [
  '\r\n',
  '\r\n\r\n',
  '\n',
  '\0',
  '\x1e',
  '%',
  '%00',
  '%ff',
  '../',
  '?',
  '#',
  ';',
  ':',
  '--',
  '"',
  '{',
  '[',
  '[[[[[[[[',
  '}',
  ',',
  '-1',
  '0',
  '99999999999999999999',
  '1e999',
  '0x10',
  'ff\r\n',
  '0\r\n\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: -1\r\n',
  'Expect: 100-continue\r\n',
  'Upgrade: h2c\r\nConnection: Upgrade\r\n',
  'Content-Encoding: gzip\r\n',
  'Range: bytes=9-1\r\n',
  'X-Forwarded-For: \x7f\r\n',
  'Content-Type: text/plain; charset=utf-7\r\n',
  '\ud83d',
  '\u202e',
  '\ufeff',
  'é',
  '__proto__',
  'null',
  'undefined',
] as const;

const odd: readonly (() => Json)[] = [
  () => null,
  () => true,
  () => -1,
  () => 0,
  () => 1.5,
  () => -0,
  () => 2 ** 53,
  () => 1e308,
  () => 5e-324,
  () => '',
  () => ' ',
  () => '\0',
  () => '\ud800',
  () => '__proto__',
  () => 'x'.repeat(9_000),
  () => '👍'.repeat(3_000),
  () => '\u202e',
  () => '%',
  () => "'; drop table chat.message; --",
  () => 'NaN',
  () => [],
  () => {},
  () => ({}),
  () => [[[[[[[[]]]]]]]],
  () => JSON.parse('['.repeat(2_000) + ']'.repeat(2_000)) as Json,
  () => Array(3_000).fill(0),
  () => ({ _placeholder: true, num: 0 }),
  () => ({ toString: 1, valueOf: null }),
  () => JSON.parse('{"__proto__":{"admin":true}}') as Json,
  () => '00000000-0000-0000-0000-000000000000',
  () => '2026-02-30T00:00:00.000Z',
];

/** Excluded calls: they destroy the test's data, hash a password each time, or make the server connect to addresses. */
const spared: readonly CallName[] = [
  'auth.logout',
  'auth.end',
  'auth.password',
  'auth.register',
  'auth.login',
  'auth.refresh',
  'conversation.delete',
  'conversation.leave',
  'member.remove',
  'webhook.create',
  'webhook.update',
];
export const harassed = callNames.filter((name) => !spared.includes(name));

/** A valid input of a call, with the known fields set from `known`. */
export function inputOf(name: CallName, known: Readonly<Record<string, Json>>): Record<string, Json> {
  const { shape } = (calls[name] as Call).input as unknown as { shape: Record<string, unknown> };
  return Object.fromEntries(
    Object.keys(shape).flatMap((field) => (known[field] === undefined ? [] : [[field, known[field]]])),
  );
}

/** Writes the parts to a new connection, and reads until the peer closes it or `timeoutMs` is over. Never rejects. */
export function pour(port: number, parts: readonly (Buffer | string)[], timeoutMs: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    const end = (): void => void (clearTimeout(timer), socket.destroy(), resolve(answer));
    const timer = setTimeout(end, timeoutMs);
    socket
      .on('data', (chunk) => (answer += chunk.toString('latin1')))
      .on('error', end)
      .on('close', end);
    socket.on('connect', () => {
      for (const part of parts) socket.write(part);
    });
  });
}

export interface FrameOptions {
  readonly fin?: boolean;
  /** The three reserved bits; the first marks compression. */
  readonly reserved?: number;
  readonly opcode?: number;
  readonly masked?: boolean;
  /** The length that the frame claims. */
  readonly said?: bigint;
  /** Bytes of the length field: 1, 3 or 9. Default: as few as possible. */
  readonly wide?: 1 | 3 | 9;
}

/** Builds a client's WebSocket frame (RFC 6455), valid by default. */
export function frame(
  payload: Buffer | string,
  { fin = true, reserved = 0, opcode = 1, masked = true, said, wide }: FrameOptions = {},
): Buffer {
  const bytes = Buffer.from(payload as string);
  const length = said ?? BigInt(bytes.length);
  const width = wide ?? (length < 126n ? 1 : length < 65_536n ? 3 : 9);
  const head = Buffer.alloc(1 + width);
  head[0] = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  if (width === 1) head[1] = Number(length & 0x7fn);
  else if (width === 3) head.writeUInt16BE(Number(length & 0xffffn), 2);
  else head.writeBigUInt64BE(length & 0xffff_ffff_ffff_ffffn, 2);
  if (width > 1) head[1] = width === 3 ? 126 : 127;
  if (masked) head[1]! |= 0x80;
  const key = Buffer.from([1, 2, 3, 4]);
  return masked
    ? Buffer.concat([head, key, bytes.map((byte, at) => byte ^ key[at % 4]!)])
    : Buffer.concat([head, bytes]);
}

export const upgrade = (path = '/socket.io/?EIO=4&transport=websocket'): string =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n`;

/** A socket with hand-written packets, which counts the answers to each call. */
export class RawSocket {
  /** Number of answers by call number. */
  readonly answers = new Map<number, Json[]>();
  /** Why the connection was closed, and other messages about it. */
  readonly heard: string[] = [];
  private calls = 0;
  private constructor(private readonly socket: WebSocket) {}

  static open(url: string, token: string): Promise<RawSocket> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
      const raw = new RawSocket(socket);
      socket.addEventListener('close', ({ code }) => {
        raw.heard.push(`closed: ${code}`);
        reject(new Error(`closed: ${code}`));
      });
      socket.addEventListener('message', ({ data }) => {
        const packet = String(data);
        if (packet.startsWith('0')) socket.send(`40${JSON.stringify({ token })}`);
        else if (packet === '2') socket.send('3');
        else if (packet.startsWith('42["session:ready"')) resolve(raw);
        else if (packet.startsWith('43')) raw.take(packet);
        else if (!packet.startsWith('42')) raw.heard.push(packet);
        if (packet.startsWith('42["session:revoked"')) raw.heard.push(packet);
      });
    });
  }

  /** Makes a call with any arguments. Returns its number. */
  call(event: Json, ...rest: readonly Json[]): number {
    this.socket.send(`42${this.calls}${JSON.stringify([event, ...rest])}`);
    this.answers.set(this.calls, []);
    return this.calls++;
  }

  close(): void {
    this.socket.close();
  }

  private take(packet: string): void {
    const [, id, body] = /^43(\d+)(.*)$/s.exec(packet)!;
    this.answers.get(Number(id))!.push((JSON.parse(body!) as Json[])[0]);
  }
}

/**
 * Two people chat in a conversation until they are told to end. Then it throws when a message was not answered, or did
 * not reach both of them once and in order, or when one of them lost the connection.
 */
export function peace(people: readonly ChatClient[], conversationId: string): () => Promise<void> {
  const sent: string[] = [];
  let over = false;
  const chat = (async () => {
    for (let n = 0; !over || n < 10; n++) sent.push((await people[n % 2]!.send(conversationId, `${n}`)).message.id);
  })();
  return async () => {
    over = true;
    await chat;
    for (const one of people) {
      const heard = () =>
        one
          .eventsOf('message:new')
          .map(({ payload }) => payload.message.id)
          .filter((id) => sent.includes(id));
      await eventually(() => expect(heard()).toEqual(sent));
      expect(one.readyCount).toBe(1);
    }
  };
}

/** Throws if the process has exited, is not ready, or logged a defect. */
export async function demandUnhurt(server: ServiceProcess): Promise<void> {
  expect(server.child.exitCode).toBeNull();
  expect((await fetch(`${server.url}/health/ready`)).status).toBe(200);
  expect(server.output.split('\n').filter((line) => /"level":"(?:error|fatal)"/.test(line))).toEqual([]);
}
