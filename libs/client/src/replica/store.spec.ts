import { describe, expect, it } from 'vitest';
import { conversation, message, user } from '../spec/fixtures.js';
import { Store } from './store.js';

describe('new messages of conversations that are not known yet', () => {
  const arrived: number[] = [];
  const make = () => {
    arrived.length = 0;
    const store = new Store({
      onIncomplete: () => undefined,
      onOwnMessage: () => undefined,
      onMessage: ({ seq }) => arrived.push(seq),
      onPeople: () => undefined,
    });
    store.setOwn({ user: user('me') });
    return store;
  };
  const arrive = (store: Store, seq: number) => store.applyEvent('message:new', { message: message(seq) });
  const add = (store: Store, lastSeq: number) =>
    store.applySync(
      { epoch: 'e', changes: [], added: [conversation(lastSeq + 1, { lastSeq })], removed: [], complete: true },
      new Map(),
    );

  it('are reported when the conversation is added with them', () => {
    const store = make();
    for (const seq of [3, 2, 3]) arrive(store, seq);
    expect(arrived).toEqual([]);
    add(store, 3);
    arrive(store, 3);
    expect(arrived).toEqual([2, 3]);
  });

  it('are reported when the conversation is added as it was before them', () => {
    const store = make();
    arrive(store, 2);
    add(store, 1);
    expect(arrived).toEqual([2]);
    expect(store.state.conversations.get('c')?.conversation.lastSeq).toBe(2);
  });
});

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

  it('a direct conversation that somebody else began is listed from its first message on', () => {
    const store = make();
    const direct = { id: 'd', kind: 'direct', lastSeq: 0 } as const;
    store.applyEvent('conversation:new', { conversation: conversation(1, direct) });
    expect(store.state.order).toEqual(['c']);
    expect(store.state.conversations.has('d')).toBe(true);
    store.applyEvent('message:new', {
      message: message(1, 2, { conversationId: 'd', createdAt: '2026-01-02T00:00:00.000Z' }),
    });
    expect(store.state.order).toEqual(['d', 'c']);
    store.applyEvent('conversation:new', { conversation: conversation(1, { ...direct, id: 'own', createdBy: 'me' }) });
    expect(store.state.order).toContain('own');
  });

  it('an event of an unknown conversation causes a sync: its answer may be older than the event', () => {
    const store = make();
    store.applyEvent('unread:changed', { conversationId: 'other', unread: 1, mentions: 0, readSeq: 0, unreadFrom: 1 });
    expect(gaps).toEqual([true]);
  });
});
