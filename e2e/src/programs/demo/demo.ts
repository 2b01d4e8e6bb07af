/** Three users chat, disconnect and reconnect. Checks and prints every promise on the way. */
import { isDeepStrictEqual } from 'node:util';
import { ChatError, type Message, type PresenceState } from '@parley/contracts';
import { ChatClient, uniqueName } from '@parley/testing/chat-client';

/** A broken promise of the protocol. */
export class BrokenPromise extends Error {
  override readonly name = 'BrokenPromise';
}

const expect = (promise: string, holds: boolean, seen?: unknown): void => {
  if (!holds) throw new BrokenPromise(`${promise}${seen === undefined ? '' : `; saw ${JSON.stringify(seen)}`}`);
};
const expectEqual = (promise: string, seen: unknown, wanted: unknown): void => {
  if (!isDeepStrictEqual(seen, wanted))
    throw new BrokenPromise(`${promise}: wanted ${JSON.stringify(wanted)}, saw ${JSON.stringify(seen)}`);
};
const timed = async <T>(work: Promise<T>): Promise<[T, string]> => {
  const start = performance.now();
  const value = await work;
  return [value, `${(performance.now() - start).toFixed(1)} ms`];
};

/** The users, and the function that prints a line. */
interface Stage {
  readonly ann: ChatClient;
  readonly ben: ChatClient;
  readonly cem: ChatClient;
  say(line: string): void;
}

/**
 * Runs the demo against a server; with several addresses the three clients spread over them. Prints line by line.
 * Rejects at the first promise that is broken. Leaves its users and conversations behind.
 */
export async function demo(urls: readonly string[], say: (line: string) => void): Promise<void> {
  const at = (index: number): string => urls[index % urls.length]!;
  // Somebody may have the first name alone as a username.
  const register = (index: number, name: string) =>
    ChatClient.register(at(index), { username: uniqueName(name.toLowerCase()), displayName: `${name} of the demo` });
  const [ann, ben, cem] = await Promise.all([register(0, 'Ann'), register(1, 'Ben'), register(2, 'Cem')]);
  const deployment: Stage = { ann, ben, cem, say };
  try {
    say(`registered   ${[ann, ben, cem].map(({ user }) => user.username).join(', ')}`);
    const ready = await Promise.all([ann.connect(), ben.connect(), cem.connect()]);
    expect(
      'session:ready names the user',
      ready.every(({ user }, index) => user.id === [ann, ben, cem][index]!.user.id),
    );
    say(`connected    protocol ${ready[0].protocol}, a heartbeat every ${ready[0].heartbeatMs / 1000} s`);
    const direct = await directConversation(deployment);
    const group = await groupConversation(deployment);
    await strangers(deployment, direct);
    await presence(deployment);
    await offlineAndBack(deployment, direct, group);
    await everybodyHoldsEverything(deployment, [direct, group]);
  } finally {
    for (const client of [ann, ben, cem]) client.disconnect();
  }
}

async function directConversation({ ann, ben, say }: Stage): Promise<string> {
  const { conversation, created } = await ann.call('conversation.create', { kind: 'direct', memberIds: [ben.user.id] });
  const conversationId = conversation.id;
  expect('a direct conversation is created once', created);
  await ben.waitFor('conversation:new', (event) => event.conversation.id === conversationId);
  const again = await ben.call('conversation.create', { kind: 'direct', memberIds: [ann.user.id] });
  expectEqual(
    'creating it again returns the same conversation',
    [again.conversation.id, again.created],
    [conversationId, false],
  );
  say('direct       Ann ↔ Ben, one per pair');

  const clientId = uniqueName('hello');
  const [{ message, duplicate, recipientOnline }, took] = await timed(ann.send(conversationId, 'Hello, Ben', clientId));
  expectEqual('the first message has seq 1 and is new', [message.seq, duplicate], [1, false]);
  expect('recipientOnline is told in a direct conversation', recipientOnline !== false, recipientOnline);
  say(`sent         Ann: “Hello, Ben”; acknowledged as #${message.seq} after ${took}`);
  const arrived = await ben.waitFor('message:new', (event) => event.message.id === message.id);
  expectEqual('the recipient gets what the sender was told', arrived.payload.message, message);
  say(`received     Ben: #${message.seq} “${arrived.payload.message.body}”`);
  const retried = await ann.send(conversationId, 'Hello, Ben', clientId);
  expectEqual('the same clientId stores nothing', [retried.message.id, retried.duplicate], [message.id, true]);
  say(`retried      the same clientId: #${retried.message.seq} again, duplicate`);

  expectEqual('one message is unread', await unreadOf(ben, conversationId), 1);
  say('unread       Ben: 1');
  await ben.call('receipt.delivered', { conversationId, seq: 1 });
  await ann.waitFor(
    'receipt:updated',
    (receipt) =>
      receipt.userId === ben.user.id &&
      receipt.conversationId === conversationId &&
      receipt.deliveredSeq === 1 &&
      receipt.readSeq === 0,
  );
  say('delivered    Ann sees that #1 reached Ben');
  const { receipt } = await ben.call('receipt.read', { conversationId, seq: 1 });
  expectEqual('read implies delivered', [receipt.readSeq, receipt.deliveredSeq], [1, 1]);
  ben.state.receipt(receipt);
  await ann.waitFor(
    'receipt:updated',
    (event) => event.userId === ben.user.id && event.conversationId === conversationId && event.readSeq === 1,
  );
  expectEqual('nothing is unread after reading', await unreadOf(ben, conversationId), 0);
  say('read         Ann sees that Ben read #1; unread of Ben: 0');
  return conversationId;
}

async function groupConversation({ ann, ben, cem, say }: Stage): Promise<string> {
  const members = [ann, ben, cem];
  const { conversation } = await ann.call('conversation.create', {
    kind: 'group',
    title: 'Tea at four',
    memberIds: [ben.user.id, cem.user.id],
  });
  const conversationId = conversation.id;
  await Promise.all(
    [ben, cem].map((client) => client.waitFor('conversation:new', (event) => event.conversation.id === conversationId)),
  );
  say(`group        “${conversation.title}”, ${conversation.memberCount} members`);

  const sent = await Promise.all(
    members.flatMap((client) =>
      [1, 2, 3, 4].map((count) => client.send(conversationId, `${client.user.displayName} says ${count}`)),
    ),
  );
  const seqs = sent.map(({ message }) => message.seq).sort((a, b) => a - b);
  const first = seqs[0]!;
  expectEqual(
    'seq has no gaps',
    seqs,
    sent.map((_, index) => first + index),
  );
  for (const client of members) {
    const own = sent.filter(({ message }) => message.senderId === client.user.id).map(({ message }) => message.seq);
    expectEqual(
      'one sender’s messages keep their order',
      own,
      [...own].sort((a, b) => a - b),
    );
  }
  say(`sent         3 people × 4 at once: acknowledged as #${first}…#${seqs.at(-1)}, no hole`);
  const orders = await Promise.all(
    members.map(async (client) => {
      await Promise.all(
        seqs.map((seq) =>
          client.waitFor(
            'message:new',
            (event) => event.message.conversationId === conversationId && event.message.seq === seq,
          ),
        ),
      );
      return client.state
        .messages(conversationId)
        .filter(({ seq }) => seq >= first)
        .map(({ seq, body }) => `${seq} ${body}`);
    }),
  );
  expect(
    'all users see one order',
    orders.every((order) => isDeepStrictEqual(order, orders[0])),
    orders,
  );
  for (const client of members) {
    const ids = client.eventsOf('message:new').map(({ payload }) => payload.message.id);
    expectEqual('no message arrives twice', new Set(ids).size, ids.length);
  }
  say('received     all three hold all twelve, once, in one order');
  return conversationId;
}

async function strangers({ cem, say }: Stage, directId: string): Promise<void> {
  for (const attempt of [
    () => cem.call('conversation.open', { conversationId: directId }),
    () => cem.send(directId, 'May I?'),
  ]) {
    const refusal = await attempt().then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(
      'a stranger cannot tell whether a conversation exists',
      refusal instanceof ChatError && refusal.code === 'not_found',
      refusal,
    );
  }
  say('strangers    Cem can neither read nor write in Ann and Ben’s conversation');
}

async function presence({ ann, ben, cem, say }: Stage): Promise<void> {
  const answer = await ann.call('presence.watch', { userIds: [ben.user.id, cem.user.id] });
  expectEqual(
    'both show as online',
    answer.presence.map(({ state }) => state),
    ['online', 'online'] satisfies PresenceState[],
  );
  say('presence     Ann watches Ben and Cem: both online');
}

async function offlineAndBack({ ann, ben, cem, say }: Stage, directId: string, groupId: string): Promise<void> {
  const here = ann.events.length;
  const [, tookOffline] = await timed(
    (async () => {
      cem.disconnect();
      await ann.waitFor(
        'presence:changed',
        ({ userId, state }) => userId === cem.user.id && state === 'offline',
        5000,
        here,
      );
    })(),
  );
  say(`offline      Cem leaves; Ann sees it after ${tookOffline}`);
  const before = (await unreadOf(cem, groupId)) ?? 0;
  for (let count = 1; count <= 10; count++) {
    await ann.send(groupId, `while you were out, ${count}`);
    await ben.send(groupId, `indeed, ${count}`);
  }
  await ben.send(directId, 'Cem is out');
  expectEqual('unread is exact while offline', await unreadOf(cem, groupId), before + 20);
  say(`unread       20 messages later Cem has ${before + 20} unread in the group, ${before} of them from before`);

  const back = ann.events.length;
  await cem.connect();
  await ann.waitFor(
    'presence:changed',
    ({ userId, state }) => userId === cem.user.id && state === 'online',
    10_000,
    back,
  );
  const missing = cem.state.messages(groupId).at(-1)?.seq ?? 0;
  const [answers, took] = await timed(cem.sync());
  const caughtUp = answers
    .flatMap(({ changes }) => changes)
    .filter(({ conversationId }) => conversationId === groupId)
    .flatMap(({ messages }) => messages);
  expectEqual(
    'catch-up returns exactly the missed messages, once',
    caughtUp.map(({ seq }) => seq).sort((a, b) => a - b),
    Array.from({ length: 20 }, (_, index) => missing + 1 + index),
  );
  say(`catch-up     Cem is back, online, and has the 20 missed messages after ${took}`);
  expectEqual(
    'client and server count the same unread messages',
    cem.state.unread(groupId),
    await unreadOf(cem, groupId),
  );
  const last = cem.state.messages(groupId).at(-1)!.seq;
  const { receipt } = await cem.call('receipt.read', { conversationId: groupId, seq: last });
  cem.state.receipt(receipt);
  await ann.waitFor(
    'receipt:updated',
    (event) => event.conversationId === groupId && event.userId === cem.user.id && event.readSeq === last,
  );
  expectEqual('nothing is unread after reading', await unreadOf(cem, groupId), 0);
  say(`read         Cem read up to #${last}; Ann and Ben are told; unread of Cem: 0`);
}

async function everybodyHoldsEverything(
  { ann, ben, cem, say }: Stage,
  [direct, group]: [string, string],
): Promise<void> {
  for (const [conversationId, clients] of [
    [direct, [ann, ben]],
    [group, [ann, ben, cem]],
  ] as const) {
    for (const client of clients) {
      await client.sync();
      const fresh = await client.history(conversationId);
      expectEqual(
        'live events and sync give the state of a fresh load',
        client.state.messages(conversationId).map(essence),
        fresh.map(essence),
      );
      expectEqual(
        'the history has no gaps',
        fresh.map(({ seq }) => seq),
        fresh.map((_, index) => index + 1),
      );
      expectEqual(
        'client and server count the same unread messages',
        client.state.unread(conversationId),
        await unreadOf(client, conversationId),
      );
    }
  }
  say('the same     what each holds is what a fresh load returns, and unread counts agree');
}

const essence = ({ id, seq, rev, senderId, body, createdAt, deletedAt }: Message) => ({
  id,
  seq,
  rev,
  senderId,
  body,
  createdAt,
  deletedAt,
});

/** Asks in two ways that must agree: the unread list and the conversation. */
async function unreadOf(client: ChatClient, conversationId: string): Promise<number | undefined> {
  const [list, { conversation }] = await Promise.all([
    client.http('unread.list', {}),
    client.http('conversation.get', { conversationId }),
  ]);
  const listed = list.conversations.find(({ id }) => id === conversationId)?.unread ?? 0;
  expectEqual('unread is the same wherever it is told', listed, conversation.me?.unread);
  return listed;
}
