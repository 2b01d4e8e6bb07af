import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  callNames,
  calls,
  ChatError,
  type Attachment,
  type Call,
  type CallName,
  type CallOutput,
  type Message,
} from '@parley/contracts';
import { ChatClient } from '@parley/testing';
import { actors, matrix, type Actor, type Entry, type Expected, type Place } from './matrix.js';
import { shared, type Deployment } from '../../deployments/modes.js';

type Interface = 'socket' | 'http';
const interfacesOf = ({ socket, http }: Call): Interface[] => [
  ...(socket === undefined ? [] : ['socket' as const]),
  ...(http ? ['http' as const] : []),
];
const present = actors.filter((actor) => actor !== 'none');

/** The result of a call, as a code. */
async function outcome(name: CallName, by: ChatClient, over: Interface, input: unknown): Promise<Expected> {
  try {
    await (over === 'http' ? by.http(name, input as never) : by.call(name, input as never));
    return 'ok';
  } catch (error) {
    if (error instanceof ChatError) return error.code;
    throw error;
  }
}

/** Sends a message with a file. */
async function sendFile(by: ChatClient, conversationId: string): Promise<CallOutput<'message.send'>> {
  const form = new FormData();
  form.append('file', new Blob(['hello']), 'hello.txt');
  const uploaded = await fetch(new URL('/api/v1/attachments', by.url), {
    method: 'POST',
    headers: { authorization: `Bearer ${by.session.accessToken}` },
    body: form,
  });
  const { id } = (await uploaded.json()) as Attachment;
  return by.call('message.send', { conversationId, clientId: randomUUID(), body: 'hello', attachmentIds: [id] });
}

describe.each(Object.entries(shared))('who may call what, in %s mode', (_, start) => {
  let deployment: Deployment;
  const people = {} as Record<Exclude<Actor, 'none'> | 'outsider' | 'victim' | 'peer', ChatClient>;
  const places = {} as Record<'group' | 'direct', Place>;
  let nobody: ChatClient;

  beforeAll(async () => {
    deployment = await start();
    const url = deployment.urls[0]!;
    await Promise.all(
      [...present, 'outsider', 'victim', 'peer'].map(async (who) => {
        const client = who === 'guest' ? await ChatClient.guest(url) : await ChatClient.register(url);
        await client.connect();
        people[who as keyof typeof people] = client;
      }),
    );
    nobody = new ChatClient(url, { ...people.member.session, accessToken: '' });
    places.group = await group();
    places.direct = await direct();
    // Blocking comes last, because a blocked user cannot write.
    await people.peer.http('block.add', { userId: people.blocked.user.id });
  }, 120_000);
  afterAll(async () => {
    for (const client of Object.values(people)) client.disconnect();
    await deployment?.stop();
  });

  async function group(): Promise<Place> {
    const { creator } = people;
    const memberIds = (['former', 'banned', 'muted', 'guest', 'member', 'admin', 'victim'] as const).map(
      (who) => people[who].user.id,
    );
    const { conversation } = await creator.call('conversation.create', {
      kind: 'group',
      title: 'the place',
      memberIds,
    });
    const conversationId = conversation.id;
    const { message } = await sendFile(people.member, conversationId);
    const update = (who: keyof typeof people, change: object) =>
      creator.http('member.update', { conversationId, userId: people[who].user.id, ...change });
    await update('admin', { role: 'admin' });
    await update('muted', { status: 'muted' });
    await update('banned', { status: 'banned' });
    await creator.http('member.remove', { conversationId, userId: people.former.user.id });
    return placeOf(conversationId, message);
  }

  async function placeOf(conversationId: string, { id: messageId, attachments }: Message): Promise<Place> {
    const created = await people.creator
      .http('webhook.create', { conversationId, url: 'https://hooks.example.org/parley' })
      .catch(() => people.blocked.http('webhook.create', { conversationId, url: 'https://hooks.example.org/parley' }));
    return {
      conversationId,
      messageId,
      attachmentId: attachments[0]!.id,
      outsider: people.outsider.user.id,
      victim: people.victim.user.id,
      peer: people.peer.user.id,
      webhookId: created.webhook.id,
    };
  }

  /** The direct conversation. There is one per pair, so its state persists. */
  async function direct(): Promise<Place> {
    const { conversation } = await people.blocked.call('conversation.create', {
      kind: 'direct',
      memberIds: [people.peer.user.id],
    });
    const { message } = await sendFile(people.blocked, conversation.id);
    return placeOf(conversation.id, message);
  }

  /** The direct conversation with its webhook, or a new webhook if that was deleted. */
  async function hooked(place: Place): Promise<Place> {
    const { items } = await people.blocked.http('webhook.list', { conversationId: place.conversationId });
    const webhookId =
      items[0]?.id ??
      (
        await people.blocked.http('webhook.create', {
          conversationId: place.conversationId,
          url: 'https://hooks.example.org/parley',
        })
      ).webhook.id;
    return { ...place, webhookId };
  }

  async function placeFor(name: CallName, actor: Actor, entry: Extract<Entry, { kind: 'place' }>): Promise<Place> {
    if (actor === 'blocked') return name.startsWith('webhook.') ? hooked(places.direct) : places.direct;
    return entry.fresh ? group() : places.group;
  }

  /** Checks the cells one after another, because they share conversations. */
  async function inPlaces(
    name: CallName,
    entry: Extract<Entry, { kind: 'place' }>,
    over: Interface,
  ): Promise<Record<string, Expected>> {
    const outcomes: Record<string, Expected> = {};
    for (const actor of present)
      outcomes[actor] = await outcome(name, people[actor], over, entry.input(await placeFor(name, actor, entry)));
    return outcomes;
  }

  async function alone(
    name: CallName,
    entry: Extract<Entry, { kind: 'own' }>,
    over: Interface,
  ): Promise<Record<string, Expected>> {
    const outcomes: Record<string, Expected> = {};
    for (const actor of ['guest', 'person'] as const) {
      const url = deployment.urls[0]!;
      const who = actor === 'guest' ? await ChatClient.guest(url) : await ChatClient.register(url);
      if (over === 'socket') await who.connect();
      outcomes[actor] = await outcome(name, who, over, await entry.input(who, people.outsider));
      who.disconnect();
    }
    return outcomes;
  }

  type Answers = Record<string, Expected | Record<string, Expected>>;

  /** Checks an open call without a token and with a bad one, which matters only for calls that read a token. */
  async function openly(
    name: CallName,
    entry: Extract<Entry, { kind: 'open' }>,
  ): Promise<{ seen: Answers; wanted: Answers }> {
    const url = deployment.urls[0]!;
    const [one, another] = [await ChatClient.register(url), await ChatClient.register(url)];
    const without = new ChatClient(url, { ...one.session, accessToken: undefined as never });
    const seen = {
      without: await outcome(name, without, 'http', await entry.input(one)),
      bad: await outcome(name, nobody, 'http', await entry.input(another)),
    };
    return { seen, wanted: { without: 'ok', bad: calls[name].auth === 'open' ? 'ok' : 'unauthenticated' } };
  }

  /** Checks every cell of a call's row, over each of its interfaces. */
  async function rowOf(name: CallName): Promise<{ seen: Answers; wanted: Answers }> {
    const entry = matrix[name] as Entry;
    if (entry.kind === 'open') return openly(name, entry);
    const [seen, wanted]: [Answers, Answers] = [{}, {}];
    for (const over of interfacesOf(calls[name])) {
      seen[over] = entry.kind === 'place' ? await inPlaces(name, entry, over) : await alone(name, entry, over);
      wanted[over] = entry.kind === 'place' ? entry.expected : { guest: entry.guest, person: 'ok' };
      if (over === 'socket') continue;
      const input =
        entry.kind === 'place' ? entry.input(places.group) : await entry.input(people.member, people.outsider);
      seen['none'] = await outcome(name, nobody, over, input);
      wanted['none'] = 'unauthenticated';
    }
    return { seen, wanted };
  }

  it.each(callNames.map((name) => [name]))('%s', async (name) => {
    const { seen, wanted } = await rowOf(name);
    expect(seen).toEqual(wanted);
    expect((calls[name] as Call).auth === 'session').toBe(matrix[name].kind !== 'open');
  });

  it('refuses a socket without a token', async () => {
    await expect(nobody.connect()).rejects.toMatchObject({ code: 'unauthenticated' });
  });
});
