import type { Conversation, Member, Message } from '@parley/contracts';
import { describe, expect, it, vi } from 'vitest';
import { HeldConversation } from './conversation-state.js';
import { ParleyError } from '../errors.js';
import { Outbox } from '../replica/outbox.js';
import { memoryStorage } from '../storage.js';
import { Store } from '../replica/store.js';

const AT = '2026-01-01T00:00:00.000Z';
const member = (userId: string, role: Member['role'] = 'member', seq = 0): Member => ({
  userId,
  role,
  status: 'active',
  joinedAt: AT,
  readSeq: seq,
  deliveredSeq: seq,
});
const message = (seq: number, rev = seq + 1, more: Partial<Message> = {}): Message => ({
  id: `m${seq}`,
  conversationId: 'c',
  seq,
  rev,
  senderId: 'ann',
  clientId: `c${seq}`,
  type: 'text',
  body: `${seq}`,
  attachments: [],
  mentions: [],
  createdAt: AT,
  reactions: [],
  ...more,
});
const conversation = (rev: number, more: Partial<Conversation> = {}, unread = 0, readSeq = 0): Conversation => ({
  id: 'c',
  kind: 'group',
  visibility: 'private',
  createdBy: 'ann',
  createdAt: AT,
  lastSeq: 0,
  rev,
  memberCount: 2,
  policy: {},
  me: { role: 'member', status: 'active', readSeq, deliveredSeq: readSeq, unread, mentions: 0, notifications: 'all' },
  ...more,
});
const page = (items: Message[], lastSeq = items.at(-1)?.seq ?? 0) => ({
  items,
  lastSeq,
  hasBefore: (items[0]?.seq ?? 1) > 1,
  hasAfter: (items.at(-1)?.seq ?? lastSeq) < lastSeq,
});
const members = [member('me'), member('ann')];

function opened(rev = 1, items: Message[] = []): HeldConversation {
  const held = new HeldConversation(conversation(rev), 'me');
  held.open({ conversation: conversation(rev, { lastSeq: items.length }), messages: page(items), members }, 0);
  return held;
}

it('a message is read when everybody has read it who is still there: nobody waits for the banned', () => {
  const held = opened(2, [message(1, 2, { senderId: 'me' })]);
  const status = () => held.snapshot().messages[0]!.status;
  held.memberChanged({ conversationId: 'c', member: member('ben'), rev: 3, memberCount: 3 });
  held.receipt({ userId: 'ann', deliveredSeq: 1, readSeq: 1 });
  expect(status()).toBe('sent');
  held.memberChanged({ conversationId: 'c', member: { ...member('ben'), status: 'banned' }, rev: 4, memberCount: 2 });
  expect(status()).toBe('read');
  held.memberChanged({ conversationId: 'c', member: member('ben'), rev: 5, memberCount: 3 });
  expect(status()).toBe('sent');
  held.receipt({ userId: 'ben', deliveredSeq: 1, readSeq: 0 });
  expect(status()).toBe('delivered');
});

it('what is kept of it is as of the last change before which none was missed', () => {
  const held = new HeldConversation(conversation(2, { lastSeq: 1, lastMessage: message(1) }), 'me', true);
  held.message(message(2, 4), 'new');
  expect(held.toKept()).toMatchObject({ conversation: { rev: 2, lastSeq: 2 }, messages: [{ seq: 2 }] });
  held.message(message(1, 3, { deletedAt: AT }), 'updated');
  held.message(message(3, 5), 'new');
  expect(held.toKept()).toMatchObject({ conversation: { rev: 5 }, messages: [{ seq: 2 }, { seq: 3 }] });
});

describe('what comes late and is older', () => {
  it('is no newer state of a member', () => {
    const held = opened();
    held.memberChanged({ conversationId: 'c', member: member('ann', 'admin'), rev: 3 });
    held.memberChanged({ conversationId: 'c', member: member('ann', 'member'), rev: 2 });
    expect(held.snapshot().members.get('ann')!.role).toBe('admin');
  });

  it('is no newer state of a message, live or caught up with', () => {
    const held = opened(2, [message(1)]);
    held.message(message(1, 4, { body: 'newest' }), 'updated');
    held.message(message(1, 3, { body: 'older' }), 'updated');
    held.changes({ messages: [message(1, 2)], receipts: [], rev: 4 }, 0);
    expect(held.snapshot().messages.map(({ body }) => body)).toEqual(['newest']);
  });

  it('is not shown beside what it became: a stored message takes the place of the one that waits', () => {
    const held = opened();
    const pending = {
      ...message(0, 0, { senderId: 'me', clientId: 'mine' }),
      status: 'sending' as const,
      local: { state: 'sending' as const },
    };
    held.setPending([pending]);
    expect(held.snapshot().messages).toEqual([pending]);
    held.message(message(1, 2, { senderId: 'me', clientId: 'mine' }), 'new');
    expect(held.snapshot().messages).toMatchObject([{ seq: 1, status: 'sent' }]);
  });

  it('is no newer description, also when messages have passed it by', () => {
    const held = opened();
    held.updated(conversation(4, { title: 'new' }));
    held.message(message(1, 5), 'new');
    held.updated(conversation(3, { title: 'old' }));
    expect(held.snapshot().conversation).toMatchObject({ title: 'new', rev: 5, lastSeq: 1 });
    held.updated(conversation(6, { title: 'newest' }));
    expect(held.snapshot().conversation.title).toBe('newest');
  });

  it('is no receipt of somebody who has left', () => {
    const held = opened();
    held.memberChanged({ conversationId: 'c', userId: 'ann', left: true, rev: 2 });
    held.receipt({ userId: 'ann', deliveredSeq: 1, readSeq: 1 });
    expect([...held.snapshot().receipts.keys()]).toEqual(['me']);
  });

  it('is no page for a conversation that came as a whole meanwhile', () => {
    const held = new HeldConversation(conversation(1), 'me');
    held.begin();
    held.whole(conversation(5, { lastSeq: 3 }), 0);
    expect(held.open({ conversation: conversation(2, { lastSeq: 1 }), messages: page([message(1)]), members }, 0)).toBe(
      false,
    );
    expect(held.opened).toBe(false);
  });

  it('is no count from before the user read', () => {
    const held = new HeldConversation(conversation(3, { lastSeq: 2 }, 2), 'me');
    const asked = held.ownVersion;
    held.read(2);
    expect(held.snapshot().unread).toBe(0);
    held.adopt(conversation(3, {}, 2).me!, 3, asked);
    expect(held.snapshot()).toMatchObject({ readSeq: 2 });
    expect(held.stale || held.snapshot().unread === 0).toBe(true);
    expect(held.ownVersion).toBeGreaterThan(asked);
    const marked = new HeldConversation(conversation(3, { lastSeq: 2 }, 0, 2), 'me');
    const before = marked.ownVersion;
    marked.unreadChanged({ conversationId: 'c', unread: 2, mentions: 0, readSeq: 2, unreadFrom: 1 });
    marked.adopt(conversation(3, {}, 0, 2).me!, 3, before);
    expect(marked.stale).toBe(true);
    expect(marked.snapshot().conversation.me!.unreadFrom).toBe(1);
  });

  it('is no message that a page which was on its way does not have yet', () => {
    const held = opened(2, [message(1)]);
    held.begin();
    held.message(message(1, 3, { body: 'edited' }), 'updated');
    held.message(message(2, 4), 'new');
    held.replace(page([message(1)], 1));
    held.end();
    expect(held.snapshot().messages.map(({ body }) => body)).toEqual(['edited', '2']);
    const fresh = new HeldConversation(conversation(2), 'me');
    fresh.begin();
    fresh.message(message(1, 3, { body: 'edited' }), 'updated');
    fresh.open({ conversation: conversation(2, { lastSeq: 1 }), messages: page([message(1)]), members }, 0);
    fresh.end();
    expect(fresh.snapshot().messages.map(({ body }) => body)).toEqual(['edited']);
  });
});

describe('conversations that come and go', () => {
  const doubts: boolean[] = [];
  const make = () => {
    doubts.length = 0;
    const store = new Store({
      onDoubt: (sure) => doubts.push(sure),
      onOwn: () => undefined,
      onMessage: () => undefined,
      onPeople: () => undefined,
    });
    store.setOwn({ user: { id: 'me', username: 'me', displayName: 'me', kind: 'person', createdAt: AT } });
    store.event('conversation:new', { conversation: conversation(1) });
    return store;
  };

  it('one that is told of after its removal is asked for, not believed', () => {
    const store = make();
    store.event('conversation:removed', { conversationId: 'c', reason: 'removed' });
    doubts.length = 0;
    store.event('conversation:new', { conversation: conversation(1) });
    expect(store.state.order).toEqual([]);
    expect(doubts).toEqual([true]);
  });

  it('an answer does not remove what came back while it was on its way', () => {
    const store = make();
    const versions = new Map([['c', store.held.get('c')!.ownVersion]]);
    store.event('conversation:new', { conversation: conversation(4) });
    store.synced({ epoch: 'e', changes: [], added: [], removed: ['c'], complete: true }, versions);
    expect(store.state.order).toEqual(['c']);
    expect(doubts).toContain(true);
  });
});

describe('the outbox', () => {
  it('sends the next one when the one before is stored, also when it is told to go on meanwhile', async () => {
    const sending: string[] = [];
    const answers: (() => void)[] = [];
    const outbox = new Outbox(memoryStorage(), {
      online: () => true,
      changed: () => undefined,
      stored: () => undefined,
      send: ({ clientId }) =>
        new Promise((resolve) => {
          sending.push(clientId);
          answers.push(() =>
            resolve({ message: message(sending.length, 1, { clientId, senderId: 'me' }), duplicate: false }),
          );
        }),
    });
    await outbox.load('me');
    const [first, second] = [outbox.add('c', 'a', { body: 'a' }, []), outbox.add('c', 'b', { body: 'b' }, [])];
    outbox.resume();
    await vi.waitFor(() => expect(sending).toEqual(['a']));
    answers[0]!();
    await first;
    await vi.waitFor(() => expect(sending).toEqual(['a', 'b']));
    // Another tab may have sent it: then the event says so before the answer.
    outbox.arrived(message(2, 2, { clientId: 'b', senderId: 'me' }));
    expect(await second).toMatchObject({ seq: 2 });
    expect(outbox.size).toBe(0);
  });

  it('keeps what fails, with its code, until it is tried again or dropped', async () => {
    let refuse = true;
    const storage = memoryStorage();
    const outbox = new Outbox(storage, {
      online: () => true,
      changed: () => undefined,
      stored: () => undefined,
      send: async ({ clientId }) => {
        if (refuse) throw new ParleyError('muted', 'muted');
        return { message: message(1, 1, { clientId, senderId: 'me' }), duplicate: false };
      },
    });
    await outbox.load('me');
    await expect(outbox.add('c', 'a', { body: 'a' }, [])).rejects.toMatchObject({ code: 'muted' });
    expect(outbox.shown('c', 'me')).toMatchObject([{ status: 'failed', local: { error: { code: 'muted' } } }]);
    await vi.waitFor(async () =>
      expect(await storage.entries('outbox/me/')).toMatchObject([[expect.anything(), { error: { code: 'muted' } }]]),
    );
    refuse = false;
    expect(await outbox.retry('c', 'a')).toMatchObject({ clientId: 'a' });
    await vi.waitFor(async () => expect(await storage.entries('outbox/me/')).toEqual([]));
  });
});
