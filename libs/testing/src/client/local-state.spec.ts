import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CallOutput, Changes, Conversation, Member, Message } from '@parley/contracts';
import { rounds } from '../seeded.js';
import { LocalState } from './local-state.js';

const at = '2026-01-01T00:00:00.000Z';
const conversation = (rev: number, lastSeq = 0): Conversation => ({
  id: 'k',
  kind: 'group',
  visibility: 'private',
  createdBy: 'ann',
  createdAt: at,
  lastSeq,
  rev,
  memberCount: 2,
  policy: {},
});
const message = (seq: number, rev: number, more: Partial<Message> = {}): Message => ({
  id: `m${seq}`,
  conversationId: 'k',
  seq,
  rev,
  senderId: 'ann',
  clientId: `c${seq}`,
  type: 'text',
  body: `${rev}`,
  attachments: [],
  mentions: [],
  createdAt: at,
  reactions: [],
  ...more,
});
const knowing = (): LocalState => {
  const state = new LocalState('ben');
  state.apply('conversation:new', { conversation: conversation(1) });
  return state;
};

const member = (userId: string, role: Member['role'] = 'member'): Member => ({
  userId,
  role,
  status: 'active',
  joinedAt: at,
  readSeq: 0,
  deliveredSeq: 0,
});
const syncOf = (changes: Pick<Changes, 'rev'> & Partial<Changes>): CallOutput<'sync'> => ({
  epoch: 'e',
  added: [],
  removed: [],
  complete: true,
  changes: [{ conversationId: 'k', messages: [], receipts: [], complete: true, epoch: 'e', ...changes }],
});

/** Each change is a new message or an edit of an earlier one. */
const history = fc.array(fc.option(fc.nat(20)), { minLength: 1, maxLength: 20 }).map((changes) => {
  let last = 0;
  return changes.map((edited, index) =>
    message(edited === null || last === 0 ? ++last : 1 + (edited % last), index + 2),
  );
});

describe('the reference client', () => {
  it('moves its cursor only over revisions without a gap, in any order of arrival', () => {
    const state = knowing();
    state.apply('message:new', { message: message(2, 3) });
    expect(state.cursors()).toEqual({ k: 1 });
    state.apply('message:new', { message: message(1, 2) });
    expect(state.cursors()).toEqual({ k: 3 });
    expect(state.messages('k').map(({ seq }) => seq)).toEqual([1, 2]);
  });

  it('closes a gap with an answer of sync', () => {
    const state = knowing();
    state.apply('message:new', { message: message(4, 5) });
    state.applySync(syncOf({ messages: [message(1, 2), message(2, 3), message(3, 4)], rev: 4 }));
    expect(state.cursors()).toEqual({ k: 5 });
    expect(state.messages('k').map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
  });

  it('keeps the newest state of a message', () => {
    const state = knowing();
    state.apply('message:updated', { message: message(1, 3) });
    state.apply('message:new', { message: message(1, 2) });
    expect(state.messages('k')[0]?.body).toBe('3');
  });

  it('counts others’ messages after the read position, without deleted and system ones', () => {
    const state = knowing();
    const extras: Partial<Message>[] = [{}, { senderId: 'ben' }, { deletedAt: at }, { type: 'system' }, {}];
    extras.forEach((more, index) => state.apply('message:new', { message: message(index + 1, index + 2, more) }));
    expect(state.unread('k')).toBe(2);
    state.apply('receipt:updated', { conversationId: 'k', userId: 'ben', deliveredSeq: 1, readSeq: 1, at });
    expect(state.unread('k')).toBe(1);
    state.apply('receipt:updated', { conversationId: 'k', userId: 'ben', deliveredSeq: 0, readSeq: 0, at });
    expect(state.unread('k')).toBe(1);
  });

  it('keeps a newer member count when it takes over an older description', () => {
    const state = knowing();
    const { conversations } = state;
    state.apply('member:changed', { conversationId: 'k', member: member('cid'), memberCount: 3, rev: 3 });
    state.applySync(syncOf({ conversation: { ...conversation(2), title: 'garden' }, rev: 2 }));
    expect(conversations.get('k')).toMatchObject({ conversation: { title: 'garden', memberCount: 3 }, cursor: 3 });
  });

  it('keeps the newer state of a member when an older answer arrives', () => {
    const state = knowing();
    state.apply('member:changed', { conversationId: 'k', member: member('cid', 'admin'), rev: 3 });
    state.applySync(syncOf({ members: [member('cid'), { userId: 'dan', left: true }], rev: 2 }));
    expect(state.conversations.get('k')!.members.get('cid')!.role).toBe('admin');
  });

  it('forgets everything when the epoch changes', () => {
    const state = knowing();
    state.epoch = 'old';
    state.applySync({ epoch: 'new', changes: [], added: [], removed: [], complete: true });
    expect(state.conversations.size).toBe(0);
  });

  it('has the same state after a sync, for events in any order and any number of times', () => {
    fc.assert(
      fc.property(
        history.chain((all) => fc.tuple(fc.constant(all), fc.array(fc.constantFrom(...all)), fc.nat(all.length))),
        ([all, told, since]) => {
          const [whole, torn] = [knowing(), knowing()];
          for (const one of all) whole.apply('message:updated', { message: one });
          const sync = () => {
            const rev = torn.cursors()['k']!;
            const changed = new Map(all.filter((one) => one.rev > rev).map((one) => [one.seq, one]));
            torn.applySync(syncOf({ messages: [...changed.values()], rev: all.length + 1 }));
          };
          for (const [n, one] of told.entries()) {
            if (n === since) sync();
            torn.apply('message:new', { message: one });
          }
          sync();
          expect([torn.messages('k'), torn.cursors()]).toEqual([whole.messages('k'), whole.cursors()]);
        },
      ),
      rounds(500),
    );
  });
});
