/**
 * Nobody learns from an answer that a thing exists which they may not see: it is the same, byte for byte, as for a
 * thing that does not exist.
 */
import { randomUUID } from 'node:crypto';
import {
  callNames,
  calls,
  ChatError,
  Id,
  newId,
  type Call,
  type CallArguments,
  type CallName,
} from '@parley/contracts';
import { toRequest, type ChatClient } from '@parley/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { shared } from '../../deployments/modes.js';
import { TestDeployment } from '../../deployments/test-deployment.js';
import { matrix, type Place } from '../rules/matrix.js';

/** Things of others, or ids of nothing. */
interface Things extends Place {
  readonly sessionId: string;
  readonly botId: string;
  readonly attachmentId: string;
  readonly thumbnailId: string;
  /** Not sent yet. */
  readonly draftId: string;
}
/** What the caller may see. */
interface Own {
  readonly conversationId: string;
  readonly directId: string;
}
type Probe<N extends CallName> = (things: Things, own: Own) => CallArguments<N>;

const unsent = () => ({ clientId: randomUUID(), body: 'hello' });
const bot = ({ botId: userId }: Things) => ({ userId });
const somebodyAsBot = ({ victim: userId }: Things) => ({ userId });
const watched = ({ victim, outsider }: Things) => ({ userIds: [victim, outsider] });

/**
 * Probes beside those of the table of permissions, whose calls about a place are made in a place that the caller cannot
 * see.
 */
const probes: { readonly [N in CallName]?: readonly Probe<N>[] } = {
  'room.get': [({ conversationId }) => ({ conversationId })],
  'auth.end': [({ sessionId }) => ({ sessionId })],
  'bot.token': [bot, somebodyAsBot],
  'bot.delete': [bot, somebodyAsBot],
  'user.update': [
    ({ attachmentId: avatarId }) => ({ avatarId }),
    ({ thumbnailId: avatarId }) => ({ avatarId }),
    ({ draftId: avatarId }) => ({ avatarId }),
  ],
  'member.update': [({ victim: userId }, { conversationId }) => ({ conversationId, userId, status: 'muted' })],
  'member.remove': [({ victim: userId }, { conversationId }) => ({ conversationId, userId })],
  'peer.signal': [({ victim: to }, { directId: conversationId }) => ({ conversationId, to, data: { sdp: 'offer' } })],
  'message.send': [
    ({ messageId: replyTo }, { conversationId }) => ({ conversationId, ...unsent(), replyTo }),
    ({ messageId: forwardOf }, { conversationId }) => ({ conversationId, clientId: randomUUID(), forwardOf }),
    ({ attachmentId }, { conversationId }) => ({ conversationId, ...unsent(), attachmentIds: [attachmentId] }),
    ({ draftId }, { conversationId }) => ({ conversationId, ...unsent(), attachmentIds: [draftId] }),
  ],
  'message.search': [({ victim: senderId }) => ({ q: 'hello', senderId })],
  sync: [({ conversationId }) => ({ cursors: { [conversationId]: 1 } })],
  'presence.watch': [watched],
  'presence.unwatch': [watched],
  'presence.get': [watched],
};
/** Fields that name users, whom everybody may see. */
const ofEverybody = new Set([
  'user.list ids',
  'user.get userId',
  'contact.add userId',
  'contact.remove userId',
  'block.add userId',
  'block.remove userId',
  'conversation.create memberIds',
  'member.add userId',
]);

const allProbes = <N extends CallName>(name: N): Probe<N>[] => {
  const entry = matrix[name];
  return [...(entry.kind === 'place' ? [entry.input as Probe<N>] : []), ...((probes[name] ?? []) as Probe<N>[])];
};
const probed = callNames.filter((name) => allProbes(name).length > 0);

const idPattern = JSON.stringify(z.toJSONSchema(Id, { io: 'input' }).pattern);
/** The fields of a call's input that hold ids. */
function idFields(name: CallName): string[] {
  const { properties = {} } = z.toJSONSchema((calls[name] as Call).input, { io: 'input', unrepresentable: 'any' });
  return Object.entries(properties).flatMap(([field, schema]) =>
    JSON.stringify(schema).includes(idPattern) ? [field] : [],
  );
}

const nowhere = (): Things => ({
  conversationId: newId(),
  messageId: newId(),
  outsider: newId(),
  victim: newId(),
  peer: newId(),
  webhookId: newId(),
  sessionId: newId(),
  botId: newId(),
  attachmentId: newId(),
  thumbnailId: newId(),
  draftId: newId(),
});

it('every field with an id is probed, or names what everybody may see', () => {
  const [things, absent, own] = [nowhere(), nowhere(), { conversationId: newId(), directId: newId() }];
  const missing = callNames.flatMap((name) => {
    const inputs = allProbes(name).map((probe) => [probe(things, own), probe(absent, own)] as const);
    const differs = (field: string) =>
      inputs.some(([one, other]) => {
        const [here, there] = [one, other].map((input) => JSON.stringify((input as Record<string, unknown>)[field]));
        return here !== there;
      });
    return idFields(name)
      .filter((field) => !ofEverybody.has(`${name} ${field}`) && !differs(field))
      .map((field) => `${name} ${field}`);
  });
  expect(missing).toEqual([]);
});

describe.each(Object.entries(shared))('an invisible thing, in %s mode', (_, start) => {
  let deployment: TestDeployment;
  const places: [string, Things][] = [];
  const callers: [string, ChatClient, Own][] = [];
  let hiddenInPublic: Things;

  beforeAll(async () => {
    deployment = await TestDeployment.open(start);
    const [creator, member, former, stranger, friend] = await Promise.all(
      Array.from({ length: 5 }, () => deployment.person()),
    );
    const guest = await deployment.guest();
    const group = async (kind: 'group' | 'channel', visibility: 'private' | 'public' = 'private') => {
      const { id } = await deployment.group([creator!, member!, former!], { kind, visibility });
      await creator!.http('member.remove', { conversationId: id, userId: former!.user.id });
      return id;
    };
    const things = async (conversationId: string) => thingsOf(creator!, member!, conversationId);
    places.push(
      ['a private group', await things(await group('group'))],
      ['a private channel', await things(await group('channel'))],
      ['somebody else’s direct conversation', await things(await deployment.direct(creator!, member!))],
    );
    const deletedId = await group('group');
    places.push(['a deleted group', await things(deletedId)]);
    await creator!.http('conversation.delete', { conversationId: deletedId });
    hiddenInPublic = await things(await group('group', 'public'));
    for (const [name, caller] of [
      ['a stranger', stranger!],
      ['a former member', former!],
      ['a guest', guest],
    ] as const) {
      const { id } = await deployment.group([caller]);
      callers.push([name, caller, { conversationId: id, directId: await deployment.direct(caller, friend!) }]);
    }
  }, 120_000);
  afterAll(() => deployment?.close());

  const png = Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
    'base64',
  );
  const raw = (by: ChatClient, method: string, path: string, more: RequestInit = {}) =>
    fetch(new URL(path, by.url), {
      ...more,
      method,
      headers: { authorization: `Bearer ${by.session.accessToken}`, ...(more.headers as Record<string, string>) },
    });
  async function uploaded(by: ChatClient): Promise<{ id: string; thumbnailId: string }> {
    const form = new FormData();
    form.append('file', new Blob([png]), 'picture.png');
    return (await (await raw(by, 'POST', '/api/v1/attachments', { body: form })).json()) as never;
  }

  async function thingsOf(creator: ChatClient, member: ChatClient, conversationId: string): Promise<Things> {
    const [sent, draft] = [await uploaded(creator), await uploaded(creator)];
    const { message } = await creator.call('message.send', {
      conversationId,
      clientId: randomUUID(),
      body: 'hello',
      attachmentIds: [sent.id],
    });
    const hook = { conversationId, url: 'https://hooks.example.org/parley' };
    return {
      conversationId,
      messageId: message.id,
      outsider: creator.user.id,
      victim: member.user.id,
      peer: member.user.id,
      webhookId: (await creator.http('webhook.create', hook)).webhook.id,
      sessionId: creator.session.sessionId,
      botId: (await creator.http('bot.create', { username: `b${randomUUID().slice(0, 18)}` })).user.id,
      attachmentId: sent.id,
      thumbnailId: sent.thumbnailId,
      draftId: draft.id,
    };
  }

  /** Everything of an answer but what differs between any two: its trace and time. Ids are replaced by their names. */
  function withoutTrace(answer: unknown, { ...things }: Things): string {
    let text = JSON.stringify(answer, (key, value: unknown) => (key === 'traceId' ? undefined : value));
    for (const [name, id] of Object.entries(things)) text = text.replaceAll(id as string, name);
    return text;
  }
  const VARYING = ['date', 'trace-id', 'etag'];
  const answerOf = async (response: Response) => ({
    status: response.status,
    headers: [...response.headers].filter(([name]) => !VARYING.includes(name)),
    body: (await response.text()).replaceAll(/"traceId":"\w+"/g, ''),
  });

  /** The whole answer of a call, over each of its interfaces. */
  async function answers<N extends CallName>(name: N, by: ChatClient, input: CallArguments<N>): Promise<unknown[]> {
    const { socket, http } = calls[name] as Call;
    const found: unknown[] = [];
    if (socket !== undefined) {
      // The server may close a connection at any time, and its client opens it again.
      if (!by.connected) await by.connect();
      found.push(
        await by.emit(socket, input).then(
          (data) => ({ data }),
          (error: unknown) => {
            if (error instanceof ChatError) return { error: error.toBody() };
            throw error;
          },
        ),
      );
    }
    if (http) {
      const { path, body } = toRequest(http, input as Record<string, unknown>);
      const json = { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
      found.push(await answerOf(await raw(by, http.method, path, body === undefined ? {} : json)));
    }
    return found;
  }

  async function expectSame<N extends CallName>(name: N, things: Things, what: string): Promise<void> {
    const absent = nowhere();
    for (const [who, by, own] of callers)
      for (const [at, probe] of allProbes(name).entries()) {
        const context = `${name} ${at} by ${who}, ${what}`;
        const seen = withoutTrace(await answers(name, by, probe(things, own)), things);
        expect([context, seen]).toEqual([context, withoutTrace(await answers(name, by, probe(absent, own)), absent)]);
      }
  }

  it.each(probed)('is answered by %s like one that does not exist', async (name) => {
    for (const [what, things] of places) await expectSame(name, things, what);
  });

  it.each(['webhook.update', 'webhook.delete', 'webhook.deliveries'] as const)(
    'of a public conversation is answered by %s like one that does not exist',
    async (name) => {
      await expectSame(name, hiddenInPublic, 'a public group');
    },
  );

  it('is answered by every path for files like one that does not exist', async () => {
    const document = (await (await fetch(new URL('/api/openapi.json', deployment.url))).json()) as {
      paths: Record<string, Record<string, unknown>>;
    };
    const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
      /\/(attachments|uploads)\/\{/.test(path) ? Object.keys(methods).map((method) => [method, path] as const) : [],
    );
    expect(routes.map(([method, path]) => `${method} ${path}`).toSorted()).toEqual([
      'delete /api/v1/uploads/{id}',
      'get /api/v1/attachments/{id}',
      'get /api/v1/attachments/{id}/content',
      'head /api/v1/uploads/{id}',
      'patch /api/v1/uploads/{id}',
      'post /api/v1/attachments/{attachmentId}/link',
    ]);
    const owner = await deployment.person();
    const tus = { 'tus-resumable': '1.0.0' };
    const begin = async () =>
      (await raw(owner, 'POST', '/api/v1/uploads', { headers: { ...tus, 'upload-length': '5' } })).headers
        .get('location')!
        .split('/')
        .at(-1)!;
    const part = { ...tus, 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' };
    const [open, finished] = [await begin(), await begin()];
    expect((await raw(owner, 'PATCH', `/api/v1/uploads/${finished}`, { headers: part, body: 'hello' })).status).toBe(
      204,
    );
    const ids = [...places, ['public', hiddenInPublic] as const].flatMap(
      ([, { attachmentId, thumbnailId, draftId }]) => [attachmentId, thumbnailId, draftId],
    );
    for (const [who, by] of callers)
      for (const [method, path] of [
        ...routes,
        ['head', '/api/v1/attachments/{id}'],
        ['get', '/api/v1/uploads/{id}'],
      ] as const) {
        const ask = async (id: string) => {
          const headers = method === 'patch' ? part : { ...tus, range: 'bytes=0-1', 'if-none-match': '*' };
          const more = method === 'patch' ? { headers, body: 'other' } : { headers };
          const answer = await answerOf(await raw(by, method.toUpperCase(), path.replace(/\{\w+\}/, id), more));
          return JSON.stringify(answer).replaceAll(id, 'id');
        };
        const absent = await ask(newId());
        for (const id of [open, finished, ...ids])
          expect([who, method, path, await ask(id)]).toEqual([who, method, path, absent]);
      }
  });
});
