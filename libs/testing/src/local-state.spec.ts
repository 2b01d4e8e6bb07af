import { describe, expect, it } from 'vitest';
import type { Conversation, Message } from '@parley/contracts';
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
const held = (): LocalState => {
  const state = new LocalState('ben');
  state.apply('conversation:new', { conversation: conversation(1) });
  return state;
};

describe('what a client holds', () => {
  it('moves its cursor only over revs without a hole, in whatever order they arrive', () => {
    const state = held();
    state.apply('message:new', { message: message(2, 3) });
    expect(state.cursors()).toEqual({ k: 1 });
    state.apply('message:new', { message: message(1, 2) });
    expect(state.cursors()).toEqual({ k: 3 });
    expect(state.messages('k').map(({ seq }) => seq)).toEqual([1, 2]);
  });

  it('takes the answer of sync over a hole, and keeps what arrived beyond it', () => {
    const state = held();
    state.apply('message:new', { message: message(4, 5) });
    state.applySync({
      epoch: 'e',
      added: [],
      removed: [],
      complete: true,
      changes: [
        {
          conversationId: 'k',
          messages: [message(1, 2), message(2, 3), message(3, 4)],
          receipts: [],
          rev: 4,
          complete: true,
          epoch: 'e',
        },
      ],
    });
    expect(state.cursors()).toEqual({ k: 5 });
    expect(state.messages('k').map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
  });

  it('keeps the newest state of a message, whatever arrives later', () => {
    const state = held();
    state.apply('message:updated', { message: message(1, 3) });
    state.apply('message:new', { message: message(1, 2) });
    expect(state.messages('k')[0]?.body).toBe('3');
  });

  it('counts others’ messages after the read position that are neither deleted nor from the system', () => {
    const state = held();
    const extras: Partial<Message>[] = [{}, { senderId: 'ben' }, { deletedAt: at }, { type: 'system' }, {}];
    extras.forEach((more, index) => state.apply('message:new', { message: message(index + 1, index + 2, more) }));
    expect(state.unread('k')).toBe(2);
    state.apply('receipt:updated', { conversationId: 'k', userId: 'ben', deliveredSeq: 1, readSeq: 1, at });
    expect(state.unread('k')).toBe(1);
    state.apply('receipt:updated', { conversationId: 'k', userId: 'ben', deliveredSeq: 0, readSeq: 0, at });
    expect(state.unread('k')).toBe(1);
  });

  it('drops everything when the epoch is another one', () => {
    const state = held();
    state.epoch = 'old';
    state.applySync({ epoch: 'new', changes: [], added: [], removed: [], complete: true });
    expect(state.conversations.size).toBe(0);
  });
});
