import type { Message } from '@parley/contracts';
import { describe, expect, it } from 'vitest';
import { AT, conversation, member, message, page } from '../spec/fixtures.js';
import { ConversationState } from './conversation-state.js';

const members = [member('me'), member('ann')];

function opened(rev = 1, items: Message[] = []): ConversationState {
  const state = new ConversationState(conversation(rev), 'me');
  state.open({ conversation: conversation(rev, { lastSeq: items.length }), messages: page(items), members }, 0);
  return state;
}

it('shows a message as read once all present members have read it, banned ones aside', () => {
  const state = opened(2, [message(1, 2, { senderId: 'me' })]);
  const status = () => state.snapshot().messages[0]!.status;
  state.applyMemberChanged({ conversationId: 'c', member: member('ben'), rev: 3, memberCount: 3 });
  state.applyReceipt({ userId: 'ann', deliveredSeq: 1, readSeq: 1 });
  expect(status()).toBe('sent');
  state.applyMemberChanged({
    conversationId: 'c',
    member: { ...member('ben'), status: 'banned' },
    rev: 4,
    memberCount: 2,
  });
  expect(status()).toBe('read');
  state.applyMemberChanged({ conversationId: 'c', member: member('ben'), rev: 5, memberCount: 3 });
  expect(status()).toBe('sent');
  state.applyReceipt({ userId: 'ben', deliveredSeq: 1, readSeq: 0 });
  expect(status()).toBe('delivered');
});

it('keeps messages over a reload as of the last revision before a gap', () => {
  const state = new ConversationState(conversation(2, { lastSeq: 1, lastMessage: message(1) }), 'me', true);
  state.applyMessage(message(2, 4), 'new');
  expect(state.toKept()).toMatchObject({ conversation: { rev: 2, lastSeq: 2 }, messages: [{ seq: 2 }] });
  state.applyMessage(message(1, 3, { deletedAt: AT }), 'updated');
  state.applyMessage(message(3, 5), 'new');
  expect(state.toKept()).toMatchObject({ conversation: { rev: 5 }, messages: [{ seq: 2 }, { seq: 3 }] });
});

describe('an older state that arrives late', () => {
  it('does not replace the newer state of a member', () => {
    const state = opened();
    state.applyMemberChanged({ conversationId: 'c', member: member('ann', 'admin'), rev: 3 });
    state.applyMemberChanged({ conversationId: 'c', member: member('ann', 'member'), rev: 2 });
    expect(state.snapshot().members.get('ann')!.role).toBe('admin');
  });

  it('does not replace the newer state of a message, whether it is live or from sync', () => {
    const state = opened(2, [message(1)]);
    state.applyMessage(message(1, 4, { body: 'newest' }), 'updated');
    state.applyMessage(message(1, 3, { body: 'older' }), 'updated');
    state.applyChanges({ messages: [message(1, 2)], receipts: [], rev: 4 }, 0);
    expect(state.snapshot().messages.map(({ body }) => body)).toEqual(['newest']);
  });

  it('is not shown beside its newer state: a stored message replaces the pending one', () => {
    const state = opened();
    const pending = {
      ...message(0, 0, { senderId: 'me', clientId: 'mine' }),
      status: 'sending' as const,
      local: { state: 'sending' as const },
    };
    state.setPending([pending]);
    expect(state.snapshot().messages).toEqual([pending]);
    state.applyMessage(message(1, 2, { senderId: 'me', clientId: 'mine' }), 'new');
    expect(state.snapshot().messages).toMatchObject([{ seq: 1, status: 'sent' }]);
  });

  it('does not replace a newer description, also after messages of later revisions', () => {
    const state = opened();
    state.applyDescription(conversation(4, { title: 'new' }));
    state.applyMessage(message(1, 5), 'new');
    state.applyDescription(conversation(3, { title: 'old' }));
    expect(state.snapshot().conversation).toMatchObject({ title: 'new', rev: 5, lastSeq: 1 });
    state.applyDescription(conversation(6, { title: 'newest' }));
    expect(state.snapshot().conversation.title).toBe('newest');
  });

  it('ignores a late receipt of a former member', () => {
    const state = opened();
    state.applyMemberChanged({ conversationId: 'c', userId: 'ann', left: true, rev: 2 });
    state.applyReceipt({ userId: 'ann', deliveredSeq: 1, readSeq: 1 });
    expect([...state.snapshot().receipts.keys()]).toEqual(['me']);
  });

  it('is refused as a page when the whole conversation arrived meanwhile', () => {
    const state = new ConversationState(conversation(1), 'me');
    state.beginLoad();
    state.applyWhole(conversation(5, { lastSeq: 3 }), 0);
    expect(
      state.open({ conversation: conversation(2, { lastSeq: 1 }), messages: page([message(1)]), members }, 0),
    ).toBe(false);
    expect(state.isOpen).toBe(false);
  });

  it('does not replace counts that changed when the user read or marked', () => {
    const state = new ConversationState(conversation(3, { lastSeq: 2 }, 2), 'me');
    const requestedAt = state.version;
    state.read(2);
    expect(state.snapshot().unread).toBe(0);
    state.adopt(conversation(3, {}, 2).me!, 3, requestedAt);
    expect(state.snapshot()).toMatchObject({ readSeq: 2 });
    expect(state.isStale || state.snapshot().unread === 0).toBe(true);
    expect(state.version).toBeGreaterThan(requestedAt);
    const marked = new ConversationState(conversation(3, { lastSeq: 2 }, 0, 2), 'me');
    const before = marked.version;
    marked.applyUnreadChanged({ conversationId: 'c', unread: 2, mentions: 0, readSeq: 2, unreadFrom: 1 });
    marked.adopt(conversation(3, {}, 0, 2).me!, 3, before);
    expect(marked.isStale).toBe(true);
    expect(marked.snapshot().conversation.me!.unreadFrom).toBe(1);
  });

  it('does not replace messages that arrived while the page was on its way', () => {
    const state = opened(2, [message(1)]);
    state.beginLoad();
    state.applyMessage(message(1, 3, { body: 'edited' }), 'updated');
    state.applyMessage(message(2, 4), 'new');
    state.replace(page([message(1)], 1));
    state.endLoad();
    expect(state.snapshot().messages.map(({ body }) => body)).toEqual(['edited', '2']);
    const fresh = new ConversationState(conversation(2), 'me');
    fresh.beginLoad();
    fresh.applyMessage(message(1, 3, { body: 'edited' }), 'updated');
    fresh.open({ conversation: conversation(2, { lastSeq: 1 }), messages: page([message(1)]), members }, 0);
    fresh.endLoad();
    expect(fresh.snapshot().messages.map(({ body }) => body)).toEqual(['edited']);
  });

  it('is not counted again when its event arrives after the page that had it', () => {
    const state = opened(1);
    // A page has the second message before its event arrives; a gap keeps the cursor behind.
    state.append(page([message(1, 2), message(2, 3)]));
    expect(state.snapshot().unread).toBe(2);
    state.replace(page([message(1, 2)], 2));
    state.applyMessage(message(2, 3), 'new');
    expect(state.snapshot().unread).toBe(2);
  });

  it('is not taken for the mark when a later read is known', () => {
    const state = new ConversationState(conversation(3, { lastSeq: 2 }, 0, 2), 'me');
    state.applyUnreadChanged({ conversationId: 'c', unread: 2, mentions: 0, readSeq: 1, unreadFrom: 1 });
    expect(state.snapshot().conversation.me!.unreadFrom).toBeUndefined();
  });
});
