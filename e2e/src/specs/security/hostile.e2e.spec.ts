import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { calls, errorCodes, newId, type Call } from '@parley/contracts';
import { ChatClient, eventually, rounds, seeded, startEmbedded, type ServiceProcess } from '@parley/testing';
import {
  demandUnhurt,
  Draw,
  frame,
  harassed,
  inputOf,
  peace,
  pour,
  RawSocket,
  upgrade,
  type FrameOptions,
} from './hostile.js';

const { seed } = rounds(1);
const times = (count: number): number => rounds(count).numRuns;
/** The limit of additional memory after the attack, including the server's own needs under load. */
const MAX_GROWTH_MB = 400;

/** Runs `work` for every number below `count`, several concurrently. */
async function repeat(count: number, atOnce: number, work: (n: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (next < count) await work(next++);
    }),
  );
}

describe(`a server under arbitrary input (SEED=${seed})`, () => {
  let folder: string;
  let server: ServiceProcess;
  let port: number;
  let people: ChatClient[];
  let conversationId: string;
  /** The user who makes calls of all kinds. */
  let caller: ChatClient;
  /** Users for raw connections, which are more than one user may have. */
  let mallory: ChatClient;
  let known: Record<string, unknown>;
  let before: { megabytes: number; sockets: number };

  const measured = async () => {
    const [status, descriptors] = await Promise.all([
      readFile(`/proc/${server.child.pid}/status`, 'utf8'),
      readdir(`/proc/${server.child.pid}/fd`),
    ]);
    const open = await Promise.all(
      descriptors.map((one) => readlink(`/proc/${server.child.pid}/fd/${one}`).catch(() => '')),
    );
    return {
      megabytes: Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024,
      sockets: open.filter((one) => one.startsWith('socket:')).length,
    };
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-hostile-'));
    server = await startEmbedded({ dataDir: folder });
    port = Number(new URL(server.url).port);
    people = await Promise.all([0, 1].map(() => ChatClient.guest(server.url)));
    await Promise.all(people.map((one) => one.connect()));
    ({
      conversation: { id: conversationId },
    } = await people[0]!.call('conversation.create', {
      kind: 'group',
      title: 'undisturbed',
      memberIds: [people[1]!.user.id],
    }));
    const [one, other, victim] = await Promise.all([
      ChatClient.register(server.url),
      ChatClient.register(server.url),
      ChatClient.guest(server.url),
    ]);
    [caller, mallory] = [one, other];
    const { conversation } = await caller.http('conversation.create', {
      kind: 'group',
      title: 'ground',
      memberIds: [mallory.user.id, victim.user.id],
    });
    const { message } = await caller.http('message.send', {
      conversationId: conversation.id,
      clientId: 'first',
      body: 'hello',
    });
    known = {
      conversationId: conversation.id,
      messageId: message.id,
      userId: victim.user.id,
      to: victim.user.id,
      memberIds: [victim.user.id],
      userIds: [victim.user.id],
      kind: 'group',
      visibility: 'public',
      title: 'a title',
      topic: 'a topic',
      color: '#aabbcc',
      policy: { slowModeSeconds: 0, membersInvite: true },
      clientId: 'c',
      type: 'text',
      body: 'hello @somebody',
      emoji: '👍',
      seq: 1,
      limit: 10,
      before: 5,
      since: 0,
      q: 'hello',
      query: 'a',
      epoch: 'x',
      cursors: { [conversation.id]: 1 },
      active: true,
      data: { sdp: ['x'] },
      line: { id: 'l', color: '#000000', width: 1, points: [0, 0, 1, 1] },
      state: 'away',
      displayName: 'Mallory',
      status: 'muted',
      role: 'member',
      notifications: 'all',
      unreadFrom: 1,
      replyTo: message.id,
      order: 'created',
      attachmentIds: [newId()],
    };
    before = await measured();
  });
  afterAll(async () => {
    for (const one of people) one.disconnect();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  let end: () => Promise<void>;
  beforeEach(() => {
    end = peace(people, conversationId);
  });
  afterEach(async () => {
    await end();
    await demandUnhurt(server);
    // Their own calls may have ended their session.
    mallory = await ChatClient.login(server.url, mallory.user.username, 'correct horse battery');
  });

  const request = (method: string, path: string, body: Buffer | string = '', headers = ''): Buffer =>
    Buffer.concat([
      Buffer.from(
        `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer ${mallory.session.accessToken}\r\n${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n`,
      ),
      Buffer.from(body as string),
    ]);
  const json = 'Content-Type: application/json\r\n';

  it('answers arbitrary HTTP bytes, or closes the connection', async () => {
    const draw = new Draw(seeded(seed));
    const at = `/api/v1/conversations/${known['conversationId'] as string}`;
    const part =
      '--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b--\r\n';
    const templates = [
      request('GET', '/api/v1/users/me'),
      request('GET', `${at}/messages?before=3&limit=10`),
      request('POST', `${at}/messages`, JSON.stringify({ clientId: 'x', body: 'hello' }), json),
      request('PATCH', '/api/v1/users/me', '{"displayName":"M"}', json),
      request('PUT', `/api/v1/messages/${known['messageId'] as string}/reactions/%F0%9F%91%8D`),
      request('GET', '/api/v1/search/messages?q=hello&limit=2'),
      request('POST', '/api/v1/attachments', part, 'Content-Type: multipart/form-data; boundary=b\r\n'),
      request('GET', `/api/v1/attachments/${newId()}`, '', 'Range: bytes=0-3\r\nIf-None-Match: "x"\r\n'),
      request(
        'POST',
        '/api/v1/uploads',
        'hello',
        'Tus-Resumable: 1.0.0\r\nUpload-Length: 5\r\nUpload-Metadata: filename YS50eHQ=\r\nContent-Type: application/offset+octet-stream\r\n',
      ),
      request(
        'PATCH',
        `/api/v1/uploads/${newId()}`,
        'hello',
        'Tus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\n',
      ),
      request('HEAD', `/api/v1/uploads/${newId()}`, '', 'Tus-Resumable: 1.0.0\r\n'),
      request('OPTIONS', '/api/v1/uploads', '', 'Origin: http://x\r\nAccess-Control-Request-Method: POST\r\n'),
      request('GET', '/socket.io/?EIO=4&transport=polling'),
      request('POST', '/socket.io/?EIO=4&transport=polling&sid=x', '40'),
      request('GET', '/.well-known/jwks.json'),
      request('GET', '/health/ready'),
      request('GET', '/metrics'),
      request('GET', '/api/openapi.json'),
      Buffer.from(upgrade()),
    ];
    const failed: string[] = [];
    await repeat(times(600), 16, async () => {
      const bytes = draw.chance(0.1) ? draw.bytes(300) : draw.mutate(draw.one(templates));
      const parts = draw.chance(0.2)
        ? [bytes.subarray(0, bytes.length >> 1), bytes.subarray(bytes.length >> 1)]
        : [bytes];
      const answer = await pour(port, parts, 150);
      if (/^HTTP\/1\.1 5\d\d/m.test(answer))
        failed.push(`${answer.slice(0, 200)} to ${JSON.stringify(bytes.toString('latin1'))}`);
    });
    expect(failed).toEqual([]);
  });

  it('survives arbitrary WebSocket frames, before and after authentication', async () => {
    const draw = new Draw(seeded(seed));
    const packets = () => [
      `40${JSON.stringify({ token: mallory.session.accessToken })}`,
      '40',
      '41',
      '2probe',
      '3',
      '5',
      '6',
      '1',
      '40/other,{}',
      `42["message:send",${JSON.stringify(inputOf('message.send', known))}]`,
      '421["sync",{"cursors":{}}]',
      '430[1]',
      '451-["message:send",{"_placeholder":true,"num":0}]',
      '459-2["x",{"_placeholder":true,"num":7}]',
      '44{"message":"x"}',
      '42["connect"]',
      '42["disconnect"]',
      '42[5]',
      '42{}',
      '42[]',
      '42["typing"]',
    ];
    const options = (): FrameOptions =>
      draw.one<() => FrameOptions>([
        () => ({}),
        () => ({}),
        () => ({}),
        () => ({ masked: false }),
        () => ({ reserved: 1 + draw.below(7) }),
        () => ({ opcode: draw.below(16) }),
        () => ({ fin: false, opcode: draw.below(3) }),
        () => ({ opcode: 0 }),
        () => ({ opcode: 2 }),
        () => ({ opcode: 8 + draw.below(3) }),
        () => ({ said: BigInt(draw.below(200)) }),
        () => ({ said: 2n ** 63n + 5n, wide: 9 }),
        () => ({ said: 65_537n, wide: 9 }),
        () => ({ wide: draw.one([3, 9] as const) }),
        () => ({ opcode: 8, fin: false }),
      ])();
    await repeat(times(250), 16, async () => {
      const content = () =>
        draw.chance(0.4)
          ? Buffer.from(draw.one(packets()))
          : draw.chance(0.9)
            ? draw.mutate(Buffer.from(draw.one(packets())))
            : Buffer.alloc(70_000, 'x');
      const frames = Array.from({ length: 1 + draw.below(8) }, () =>
        draw.chance(0.1) ? draw.bytes(100) : frame(content(), options()),
      );
      const hello = draw.chance(0.8) ? [frame(packets()[0]!)] : [];
      await pour(port, [upgrade(), ...hello, ...frames], 150);
    });
  });

  it('survives arbitrary bodies of long polling', async () => {
    const draw = new Draw(seeded(seed));
    const path = '/socket.io/?EIO=4&transport=polling';
    const payloads = () => [
      `40${JSON.stringify({ token: mallory.session.accessToken })}`,
      '42["typing",{}]\x1e2\x1e3',
      `421["message:send",${JSON.stringify(inputOf('message.send', known))}]`,
      'bAAEC',
      '451-["x",{"_placeholder":true,"num":0}]\x1ebAQ==',
      '1',
      '6',
    ];
    await repeat(times(60), 8, async () => {
      const opened = await (await fetch(server.url + path)).text();
      const { sid } = JSON.parse(opened.slice(1)) as { sid: string };
      const address = `${path}&sid=${sid}`;
      await pour(port, [request('POST', address, payloads()[0])], 100);
      for (let n = draw.below(4); n >= 0; n--) {
        const body = draw.chance(0.3)
          ? Buffer.from(draw.one(payloads()))
          : draw.mutate(Buffer.from(draw.one(payloads())));
        await Promise.all([
          pour(
            port,
            [request(draw.chance(0.9) ? 'POST' : 'GET', address, body, 'Content-Type: text/plain;charset=UTF-8\r\n')],
            60,
          ),
          ...(draw.chance(0.3) ? [pour(port, [request('GET', address)], 60)] : []),
        ]);
      }
    });
  });

  it('answers every socket call exactly once, whatever its payload', async () => {
    const draw = new Draw(seeded(seed));
    const events = harassed.flatMap((name) =>
      (calls[name] as Call).socket === undefined ? [] : [[name, (calls[name] as Call).socket!] as const],
    );
    const codes = new Set<string>();
    const socket = await RawSocket.open(server.url, caller.session.accessToken);
    await repeat(times(800), 40, async () => {
      const [name, event] = draw.one(events);
      const input = inputOf(name, { ...known, clientId: newId() });
      const rest = draw.one<() => unknown[]>([
        () => [draw.twist(input)],
        () => [draw.twist(input)],
        () => [draw.twist(draw.twist(input))],
        () => [input],
        () => [],
        () => [input, input],
        () => [draw.twist([input])],
      ])();
      const id = socket.call(
        draw.chance(0.97) ? event : draw.one(['nothing', '', 'constructor', '__proto__', 'x'.repeat(5_000), 5]),
        ...rest,
      );
      await eventually(
        () =>
          expect([socket.heard.filter((one) => !one.startsWith('40')), socket.answers.get(id)!.length]).toEqual([
            [],
            1,
          ]),
        { timeoutMs: 10_000 },
      );
      const [answer] = socket.answers.get(id) as [{ ok: boolean; error?: { code: string } }];
      codes.add(answer.ok ? 'ok' : answer.error!.code);
    });
    expect([...socket.answers.values()].filter(({ length }) => length !== 1)).toEqual([]);
    expect([...codes].filter((code) => code !== 'ok' && !(errorCodes as string[]).includes(code))).toEqual([]);
    expect(codes).not.toContain('internal');
    expect(codes).toContain('ok');
    socket.close();
  });

  it('answers every HTTP call with a status from its table of errors', async () => {
    const draw = new Draw(seeded(seed));
    const routes = harassed.flatMap((name) =>
      (calls[name] as Call).http === undefined ? [] : [[name, (calls[name] as Call).http!] as const],
    );
    const statuses = new Set<number>();
    const failed: string[] = [];
    await repeat(times(500), 16, async () => {
      const [name, route] = draw.one(routes);
      const input = inputOf(name, { ...known, clientId: newId() });
      const put = (value: unknown): string =>
        encodeURIComponent(
          (typeof value === 'string' ? value : String(JSON.stringify(value))).slice(0, 1_000).toWellFormed(),
        );
      const twisted = draw.twist(input) as Record<string, unknown> | null;
      const path = route.path.replace(/:(\w+)/g, (_, field: string) =>
        put(draw.chance(0.8) ? input[field] : draw.twist(input[field])),
      );
      const query = Object.keys(route.query ?? {})
        .filter(() => draw.chance(0.5))
        .map((field) => `${field}=${put(draw.chance(0.5) ? input[field] : draw.twist(input[field]))}`)
        .join('&');
      const body =
        route.method === 'GET' || route.method === 'DELETE'
          ? undefined
          : JSON.stringify(
              typeof twisted === 'object' && twisted !== null
                ? Object.fromEntries(Object.entries(twisted).filter(([field]) => !route.path.includes(`:${field}`)))
                : twisted,
            );
      const response = await fetch(`${server.url}/api/v1${path}${query === '' ? '' : `?${query}`}`, {
        method: route.method,
        headers: { authorization: `Bearer ${caller.session.accessToken}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body }),
      });
      const text = await response.text();
      statuses.add(response.status);
      const right =
        response.ok ||
        (response.headers.get('content-type')?.startsWith('application/problem+json') === true &&
          (errorCodes as string[]).includes((JSON.parse(text) as { code: string }).code));
      if (!right || response.status >= 500)
        failed.push(
          `${response.status} ${text.slice(0, 200)} to ${route.method} ${path}?${query} ${body?.slice(0, 500)}`,
        );
    });
    expect(failed).toEqual([]);
    expect(statuses).toContain(200);
  });

  // Memory can only be measured with /proc.
  it.runIf(existsSync('/proc/self/fd'))('keeps no connections, memory or partial files of the attack', async () => {
    // fetch keeps its connections open for a while.
    await eventually(async () => expect((await measured()).sockets).toBeLessThanOrEqual(before.sockets + 32), {
      timeoutMs: 15_000,
    });
    expect(await readdir(join(folder, 'files', 'incoming'))).toEqual([]);
    expect((await measured()).megabytes - before.megabytes).toBeLessThan(MAX_GROWTH_MB);
  });
});
