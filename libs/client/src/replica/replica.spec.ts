import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Replica } from './replica.js';
import { ModelServer } from '../spec/model-server.js';
import { Network, randomFrom } from '../spec/network.js';
import { memoryStorage } from '../storage.js';
import type { ChatMessage, ClientState, Message } from '../types.js';

/** SHRINK=1 shrinks a failing history, which takes minutes. SEED and ROUNDS draw other and more histories. */
const runs = (numRuns: number) => ({
  endOnFailure: process.env['SHRINK'] === undefined,
  seed: Number(process.env['SEED'] ?? 1),
  numRuns: Math.ceil(numRuns * Number(process.env['ROUNDS'] ?? 1)),
});
const ME = 'me';

const kinds = [
  'post',
  'post',
  'post',
  'post',
  'system',
  'edit',
  'erase',
  'react',
  'rename',
  'board',
  'move-member',
  'role',
  'create',
  'throw-out',
  'mute',
  'others-receipt',
  'read-elsewhere',
  'mark',
  'send',
  'send',
  'send',
  'open',
  'open',
  'close',
  'older',
  'newer',
  'around',
  'newest',
  'at-unread',
  'read',
  'see',
  'see',
  'mark-here',
  'drop',
  'connect',
  'reload',
  'backup',
  'restore',
  'wait',
  'wait',
  'wait',
] as const;
const step = fc.record({ kind: fc.constantFrom(...kinds), which: fc.nat(30), how: fc.nat(1000) });
type Step = { kind: (typeof kinds)[number]; which: number; how: number };

class World {
  readonly network: Network;
  readonly server: ModelServer;
  replica: Replica;
  private readonly storage = memoryStorage();
  private leave = (): void => undefined;
  readonly errors: unknown[] = [];
  /** The user's messages in the order of sending. */
  readonly sent: { conversationId: string; clientId: string; stored?: number; refused?: string; left?: true }[] = [];
  restored = false;

  constructor(seed: number) {
    this.network = new Network(randomFrom(seed));
    this.server = new ModelServer(ME, (event, payload) => this.network.emit(event, payload));
    this.network.server = this.server;
    this.network.onEvent = (event, payload) => this.replica.applyEvent(event, payload);
    this.replica = this.page();
  }

  /** The replica of a freshly loaded page. Leaving the page stops it at any point. */
  private page(): Replica {
    const { network, storage, errors } = this;
    let here = true;
    this.leave = () => (here = false);
    const never = new Promise<never>(() => undefined);
    const alive = async <T>(work: () => Promise<T>): Promise<T> => {
      const done = here ? await Promise.allSettled([work()]) : await never;
      if (!here) await never;
      if (done[0].status === 'rejected') throw done[0].reason;
      return done[0].value;
    };
    const replica = new Replica(
      {
        online: () => here && network.online(),
        now: () => Date.now(),
        call: (event, payload) => alive(() => network.call(event, payload)),
        request: (method, path, options) => alive(() => network.request(method, path, options)),
      },
      {
        ...storage,
        set: (key, value) => alive(() => storage.set(key, value)),
        delete: (key) => alive(() => storage.delete(key)),
      },
      { message: () => undefined, people: () => undefined, error: (error) => errors.push(error) },
      true,
    );
    const user = {
      id: ME,
      username: ME,
      displayName: ME,
      kind: 'person' as const,
      createdAt: '2026-01-01T00:00:00.000Z',
    };
    replica.store.setOwn({ user });
    replica.store.subscribe(() => here && expectConsistent(replica.store.state));
    return replica;
  }

  /** Loads the page again. */
  async reload(): Promise<void> {
    this.disconnect();
    this.leave();
    for (const message of this.sent)
      if (message.stored === undefined && message.refused === undefined) message.left = true;
    this.replica = this.page();
    await this.replica.load(ME);
  }

  get state(): ClientState {
    return this.replica.store.state;
  }

  connect(): void {
    if (this.network.online()) return;
    this.network.connect();
    this.replica.store.setConnection('online');
    this.replica.connected(this.server.epoch);
  }

  disconnect(): void {
    this.network.disconnect();
    this.replica.store.setConnection('offline');
  }

  async do({ kind, which, how }: Step): Promise<void> {
    const { server, replica } = this;
    const conversation = [...server.conversations.values()][which % Math.max(1, server.conversations.size)];
    const message = conversation?.messages[how % Math.max(1, conversation.messages.length)];
    const other = ['ann', 'ben', 'cid'][how % 3]!;
    const ids = [...replica.store.conversations.keys()];
    const id = ids[which % Math.max(1, ids.length)];
    const load = (work: Promise<void>) => void work.catch(() => undefined);
    switch (kind) {
      case 'create':
        return server.conversations.size < 5 ? server.create() : undefined;
      case 'post':
        return conversation && void server.post(conversation, other, { mention: how % 2 === 0 });
      case 'system':
        return conversation && void server.post(conversation, other, { type: 'system' });
      case 'edit':
        return message && server.edit(conversation!, message, how % 2 === 0);
      case 'erase':
        return message && server.erase(conversation!, message);
      case 'react':
        return message && server.react(conversation!, message, how % 4 === 0 ? ME : other);
      case 'rename':
        return conversation && server.rename(conversation);
      case 'board':
        return conversation && server.emptyBoard(conversation);
      case 'move-member':
        return conversation && server.toggleMember(conversation, other);
      case 'throw-out':
        return conversation && server.toggleMember(conversation, ME);
      case 'role':
        return (
          conversation &&
          server.changeMember(conversation, how % 4 === 0 ? ME : other, { role: how % 2 === 0 ? 'admin' : 'member' })
        );
      case 'mute':
        return conversation && server.changeMember(conversation, ME, { status: how % 3 === 0 ? 'muted' : 'active' });
      case 'others-receipt':
        return conversation && server.members(conversation).has(other)
          ? void server.movePosition(conversation, other, how % 20, how % 2 === 0 ? 'readSeq' : 'deliveredSeq')
          : undefined;
      case 'read-elsewhere':
        return conversation && server.isMember(conversation)
          ? void server.movePosition(conversation, ME, how % 20, 'readSeq')
          : undefined;
      case 'mark':
        return conversation && server.setMark(conversation, 1 + (how % 10));
      case 'send':
        return id === undefined ? undefined : this.send(id);
      case 'open':
        return id === undefined ? undefined : load(replica.open(id));
      case 'close':
        return id === undefined ? undefined : void replica.store.change(id, (present) => present.close());
      case 'older':
        return id === undefined ? undefined : load(replica.loadOlder(id));
      case 'newer':
        return id === undefined ? undefined : load(replica.loadNewer(id));
      case 'around':
        return id === undefined || !message ? undefined : load(replica.loadAround(id, message.seq));
      case 'newest':
        return id !== undefined && replica.store.conversations.get(id)!.isOpen
          ? load(replica.loadNewest(id))
          : undefined;
      case 'at-unread':
        return id === undefined ? undefined : load(replica.openAtUnread(id));
      case 'see':
        return id === undefined ? undefined : replica.markSeen(id, [how % 20, (how % 20) + 1]);
      case 'mark-here':
        return id === undefined ? undefined : load(replica.markUnread(id, 1 + (how % 10)));
      case 'read':
        return id === undefined ? undefined : replica.markRead(id, how % 2 === 0 ? undefined : how % 20);
      case 'drop':
        return this.disconnect();
      case 'connect':
        return this.connect();
      case 'reload':
        return this.reload();
      case 'backup':
        return server.keepBackup();
      case 'restore':
        this.restored = true;
        this.disconnect();
        return server.restore();
      case 'wait':
        await vi.advanceTimersByTimeAsync(how);
    }
  }

  /** Heals the network and connects again. Waiting attempts take at most two minutes. */
  async reconnect(): Promise<void> {
    this.network.heal();
    this.disconnect();
    await vi.advanceTimersByTimeAsync(5_000);
    this.connect();
    await vi.advanceTimersByTimeAsync(120_000);
  }

  /** Heals the network on the same connection: one more event in each conversation reveals missed ones. */
  async hearMore(): Promise<void> {
    this.connect();
    this.network.heal();
    await vi.advanceTimersByTimeAsync(5_000);
    for (const conversation of this.server.ownConversations()) this.server.post(conversation, 'ann');
    await vi.advanceTimersByTimeAsync(120_000);
  }

  private send(conversationId: string): void {
    const clientId = `client-${this.sent.length}`;
    const sent: World['sent'][number] = { conversationId, clientId };
    this.sent.push(sent);
    const { stored } = this.replica.send(conversationId, clientId, { body: clientId }, []);
    stored.then(
      ({ seq }) => (sent.stored = seq),
      (error: { code: string }) => (sent.refused = error.code),
    );
  }
}

/** Checks the invariants of every snapshot. */
function expectConsistent({ conversations }: ClientState): void {
  for (const { messages } of conversations.values()) {
    const stored = messages.filter(({ local }) => !local);
    expect(messages.slice(0, stored.length)).toEqual(stored);
    expect(stored.map(({ seq }) => seq)).toEqual(stored.map((_, at) => stored[0]!.seq + at));
    const own = messages.flatMap(({ senderId, clientId }) => (senderId === ME ? [clientId] : []));
    expect(new Set(own).size).toBe(own.length);
  }
}

/** The message without the fields that the client adds. */
function asStored({ status: _status, local: _local, reactions, ...message }: ChatMessage): Message {
  return { ...message, reactions: reactions.map(({ emoji, count, userIds }) => ({ emoji, count, userIds })) };
}

/** Checks that the state equals what the server has. */
function expectCurrent({ state, server, replica }: World): void {
  const own = server.ownConversations();
  expect([...state.conversations.keys()].sort()).toEqual(own.map(({ id }) => id).sort());
  const activity = (conversation: (typeof own)[number]) =>
    `${conversation.messages.at(-1)?.createdAt ?? conversation.createdAt} ${conversation.id}`;
  expect(state.order).toEqual([...own].sort((a, b) => (activity(a) < activity(b) ? 1 : -1)).map(({ id }) => id));
  for (const conversation of own) {
    const view = state.conversations.get(conversation.id)!;
    const truth = server.describe(conversation);
    expect(view.conversation).toEqual(truth);
    expect({ unread: view.unread, mentions: view.mentions, readSeq: view.readSeq }).toEqual({
      unread: truth.me!.unread,
      mentions: truth.me!.mentions,
      readSeq: truth.me!.readSeq,
    });
    if (!view.opened && !view.kept) continue;
    const stored = view.messages.filter(({ local }) => !local);
    const from = stored[0]?.seq ?? 1;
    expect(stored.map(asStored)).toEqual(conversation.messages.slice(from - 1, from - 1 + stored.length));
    if (view.kept) continue;
    expect(replica.store.conversations.get(conversation.id)!.isLagging).toBe(false);
    expect(view.hasAfter).toBe(from - 1 + stored.length < conversation.messages.length);
    const members = server.members(conversation);
    // Positions are compared below.
    const withoutPositions = (all: ReadonlyMap<string, object>) =>
      new Map([...all].map(([userId, member]) => [userId, { ...member, readSeq: 0, deliveredSeq: 0 }]));
    expect(withoutPositions(view.members)).toEqual(withoutPositions(members));
    for (const [userId, { readSeq, deliveredSeq }] of members)
      expect(view.receipts.get(userId) ?? { readSeq: 0, deliveredSeq: 0 }).toEqual({ readSeq, deliveredSeq });
    for (const [userId] of view.receipts) expect(members.has(userId)).toBe(true);
  }
}

/** Checks that every sent message is stored once and in order, or was refused to the user's knowledge. */
function expectDelivered({ sent, server, restored, state }: World): void {
  expect(state.pendingCount).toBe(0);
  for (const conversation of server.conversations.values()) {
    const own = conversation.messages.filter(({ senderId }) => senderId === ME).map(({ clientId }) => clientId);
    expect(new Set(own).size).toBe(own.length);
    const numbers = own.map((clientId) => sent.findIndex((message) => message.clientId === clientId));
    // A backup lacks the messages that were sent after it.
    const remembered = restored ? [] : sent.filter(({ conversationId }) => conversationId === conversation.id);
    expect(restored ? [] : numbers).toEqual(restored ? [] : [...numbers].sort((a, b) => a - b));
    for (const { clientId, stored, refused, left } of remembered) {
      const waiting = (state.pending.get(conversation.id) ?? []).map((message) => message.clientId);
      expect(left ? [...own, ...waiting] : stored === undefined && refused === undefined ? [] : [clientId]).toContain(
        clientId,
      );
      expect(stored === undefined ? clientId : conversation.messages[stored - 1]?.clientId).toBe(clientId);
    }
  }
}

describe('the replica', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  it(
    'equals the server whatever was lost, late, out of order or repeated',
    { timeout: 60_000 * Math.max(1, Number(process.env['ROUNDS'] ?? 1)) },
    async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.integer(),
          fc.array(step, { minLength: 5, maxLength: 120, size: 'max' }),
          async (seed, steps) => {
            // Backoffs have jitter: a seed repeats them too.
            vi.spyOn(Math, 'random').mockImplementation(randomFrom(seed));
            const world = new World(seed);
            await world.replica.load(ME);
            world.server.create();
            world.server.create();
            world.connect();
            await vi.advanceTimersByTimeAsync(1_000);
            for (const next of steps) {
              await world.do(next);
              await vi.advanceTimersByTimeAsync(next.how % 40);
            }
            await (steps.length % 2 === 0 ? world.reconnect() : world.hearMore());
            expect(world.errors).toEqual([]);
            expectCurrent(world);
            expectDelivered(world);
            world.disconnect();
            await world.replica.clear();
            vi.clearAllTimers();
          },
        ),
        runs(150),
      );
    },
  );

  it('brings a window to the newest message, also when more was missed than can be parked', async () => {
    const world = new World(1);
    world.network.heal();
    world.server.create();
    world.connect();
    await vi.advanceTimersByTimeAsync(1_000);
    const [conversation] = world.server.ownConversations();
    await Promise.all([world.replica.open(conversation!.id), vi.advanceTimersByTimeAsync(100)]);
    world.disconnect();
    const first = world.server.post(conversation!, 'ann');
    for (let n = 0; n < 1_020; n++) world.server.post(conversation!, 'ben');
    // The first message's last change has the highest rev, so all other messages are parked before it arrives.
    world.server.edit(conversation!, first, false);
    world.connect();
    await vi.advanceTimersByTimeAsync(60_000);
    const { messages, hasAfter, unread } = world.state.conversations.get(conversation!.id)!;
    expect({ newest: messages.at(-1)!.seq, hasAfter, unread }).toEqual({
      newest: 1_021,
      hasAfter: false,
      unread: 1_021,
    });
    expectCurrent(world);
    world.disconnect();
  });

  it('learns marks that were set elsewhere from as many answers as they take', async () => {
    const world = new World(1);
    world.network.heal();
    for (let n = 0; n < 3; n++) world.server.create();
    for (const conversation of world.server.ownConversations()) world.server.post(conversation, 'ann');
    world.connect();
    await vi.advanceTimersByTimeAsync(1_000);
    world.disconnect();
    for (const conversation of world.server.ownConversations()) world.server.setMark(conversation, 1);
    world.connect();
    await vi.advanceTimersByTimeAsync(1_000);
    expect([...world.state.conversations.values()].map(({ conversation }) => conversation.me!.unreadFrom)).toEqual([
      1, 1, 1,
    ]);
    world.disconnect();
  });

  it('requests counts that the window cannot compute', async () => {
    const world = new World(1);
    world.network.heal();
    for (let n = 0; n < 2; n++) world.server.create();
    world.connect();
    await vi.advanceTimersByTimeAsync(1_000);
    const [conversation, other] = world.server.ownConversations();
    for (let n = 0; n < 30; n++) world.server.post(conversation!, 'ann');
    await Promise.all([world.replica.loadAround(conversation!.id, 1), vi.advanceTimersByTimeAsync(1_000)]);
    world.server.erase(conversation!, conversation!.messages[19]!);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(world.state.conversations.get(conversation!.id)).toMatchObject({ unread: 29, hasAfter: true });
    // The client misses the removal, and only knows that the counts are uncertain.
    world.server.post(other!, 'ann');
    await vi.advanceTimersByTimeAsync(10);
    world.disconnect();
    world.server.toggleMember(other!, ME);
    world.replica.store.change(other!.id, (present) => (present.isStale = true));
    world.connect();
    await vi.advanceTimersByTimeAsync(10_000);
    expectCurrent(world);
    world.disconnect();
  });

  /** A conversation that ends with this number of messages by Ann, of which the user has read the first 5. */
  async function worldWithUnread(count: number) {
    const world = new World(1);
    world.network.heal();
    world.server.create();
    world.connect();
    await vi.advanceTimersByTimeAsync(1_000);
    const [conversation] = world.server.ownConversations();
    for (let n = 0; n < count; n++) world.server.post(conversation!, 'ann');
    world.server.movePosition(conversation!, ME, 5, 'readSeq');
    await vi.advanceTimersByTimeAsync(10_000);
    const requests: string[] = [];
    const { network } = world;
    const [call, request] = [network.call.bind(network), network.request.bind(network)];
    network.call = (event, payload) => (requests.push(event), call(event, payload));
    network.request = (method, path, options) => (requests.push(method), request(method, path, options));
    const { id } = conversation!;
    const view = () => world.state.conversations.get(id)!;
    return { world, conversation: conversation!, id, requests, view };
  }

  it.each([40, 400])('opens %i messages at the first unread one with two requests', async (count) => {
    const { world, conversation, id, requests, view } = await worldWithUnread(count);
    await Promise.all([world.replica.openAtUnread(id), vi.advanceTimersByTimeAsync(1_000)]);
    expect(requests).toEqual(['conversation:open', 'GET']);
    expect(view()).toMatchObject({ firstUnread: 6, unread: count - 5, hasBefore: true, hasAfter: true });
    expect(view().messages.map(({ seq }) => seq)).toContain(6);
    // What is read in the window needs no count of the server's.
    world.replica.markSeen(id, [6, 7]);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(requests.slice(2)).toEqual(['receipt:read']);
    expect(view()).toMatchObject({ readSeq: 7, unread: count - 7 });
    expect(world.server.describe(conversation).me).toMatchObject({ readSeq: 7, unread: count - 7 });
    world.disconnect();
  });

  it('finds the first unread message behind any number of the user’s own', async () => {
    const { world, conversation, id, view } = await worldWithUnread(6);
    for (let n = 0; n < 30; n++) world.server.post(conversation, ME);
    world.server.movePosition(conversation, ME, 6, 'readSeq');
    for (let n = 0; n < 30; n++) world.server.post(conversation, 'ann');
    await vi.advanceTimersByTimeAsync(1_000);
    await Promise.all([world.replica.openAtUnread(id), vi.advanceTimersByTimeAsync(1_000)]);
    expect(view()).toMatchObject({ firstUnread: 37, unread: 30 });
    world.disconnect();
  });

  it('leaves messages unread that were skipped, and everything after them', async () => {
    const { world, id, view } = await worldWithUnread(40);
    await Promise.all([world.replica.openAtUnread(id), vi.advanceTimersByTimeAsync(1_000)]);
    world.replica.markSeen(id, [7]);
    expect(view().readSeq).toBe(5);
    await Promise.all([world.replica.loadNewest(id), vi.advanceTimersByTimeAsync(1_000)]);
    world.replica.markSeen(id, [39, 40]);
    expect(view()).toMatchObject({ readSeq: 5, unread: 35 });
    await Promise.all([world.replica.openAtUnread(id), vi.advanceTimersByTimeAsync(1_000)]);
    world.replica.markSeen(id, [6]);
    expect(view()).toMatchObject({ readSeq: 7, unread: 33 });
    world.disconnect();
  });

  it('moves a private mark over what was seen, and removes it when everything was', async () => {
    const { world, conversation, id, view } = await worldWithUnread(8);
    await Promise.all([world.replica.openAtUnread(id), vi.advanceTimersByTimeAsync(1_000)]);
    world.replica.markSeen(id, [6, 7, 8]);
    await Promise.all([world.replica.markUnread(id, 4), vi.advanceTimersByTimeAsync(1_000)]);
    const me = () => world.server.describe(conversation).me;
    expect(me()).toMatchObject({ readSeq: 8, unread: 5, unreadFrom: 4 });
    expect(view()).toMatchObject({ firstUnread: 4, unread: 5 });
    world.replica.markSeen(id, [4, 5, 7]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(me()).toMatchObject({ readSeq: 8, unread: 3, unreadFrom: 6 });
    world.replica.markSeen(id, [6, 8]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(me()).toMatchObject({ readSeq: 8, unread: 0 });
    expect(me()).not.toHaveProperty('unreadFrom');
    expectCurrent(world);
    world.disconnect();
  });

  it('opens a conversation once for all who ask, so that a late answer undoes no move of the window', async () => {
    const { world, id, requests, view } = await worldWithUnread(40);
    await Promise.all([
      world.replica.openAtUnread(id),
      world.replica.loadAround(id, 20),
      world.replica.open(id),
      vi.advanceTimersByTimeAsync(1_000),
    ]);
    expect(requests).toEqual(['conversation:open', 'GET', 'GET']);
    expect(view().messages.map(({ seq }) => seq)).toContain(20);
    world.disconnect();
  });
});
