import { describe, expect, it } from 'vitest';
import { conversation, user } from '../spec/fixtures.js';
import { Store } from './store.js';

describe('conversations that are added and removed', () => {
  const gaps: boolean[] = [];
  const make = () => {
    gaps.length = 0;
    const store = new Store({
      onIncomplete: (certain) => gaps.push(certain),
      onOwnMessage: () => undefined,
      onMessage: () => undefined,
      onPeople: () => undefined,
    });
    store.setOwn({ user: user('me') });
    store.applyEvent('conversation:new', { conversation: conversation(1) });
    return store;
  };

  it('an event of a removed conversation causes a sync instead of adding it', () => {
    const store = make();
    store.applyEvent('conversation:removed', { conversationId: 'c', reason: 'removed' });
    gaps.length = 0;
    store.applyEvent('conversation:new', { conversation: conversation(1) });
    expect(store.state.order).toEqual([]);
    expect(gaps).toEqual([true]);
  });

  it('an answer does not remove a conversation that was added while it was on its way', () => {
    const store = make();
    const versions = new Map([['c', store.conversations.get('c')!.version]]);
    store.applyEvent('conversation:new', { conversation: conversation(4) });
    store.applySync({ epoch: 'e', changes: [], added: [], removed: ['c'], complete: true }, versions);
    expect(store.state.order).toEqual(['c']);
    expect(gaps).toContain(true);
  });

  it('an event of an unknown conversation causes a sync: its answer may be older than the event', () => {
    const store = make();
    store.applyEvent('unread:changed', { conversationId: 'other', unread: 1, mentions: 0, readSeq: 0, unreadFrom: 1 });
    expect(gaps).toEqual([true]);
  });
});
