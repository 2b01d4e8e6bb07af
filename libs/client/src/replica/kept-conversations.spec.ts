import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Replica } from './replica.js';
import { user } from '../spec/fixtures.js';
import { ModelServer } from '../spec/model-server.js';
import { Network, randomFrom } from '../spec/network.js';
import { memoryStorage } from '../storage.js';
import type { ClientState, ConversationView } from '../types.js';

/** A server, and a browser that loads one page after another. */
class Browser {
  readonly network = new Network(randomFrom(1));
  readonly server = new ModelServer('me', (event, payload) => this.network.emit(event, payload));
  readonly storage = memoryStorage();
  replica!: Replica;

  constructor() {
    this.network.server = this.server;
    this.network.heal();
    this.network.onEvent = (event, payload) => this.replica.applyEvent(event, payload);
  }

  async load(userId = 'me'): Promise<void> {
    this.network.disconnect();
    this.replica = new Replica(
      this.network,
      this.storage,
      { message: () => undefined, people: () => undefined, error: () => undefined },
      true,
    );
    this.replica.store.setOwn({ user: user(userId) });
    await this.replica.load(userId);
  }

  async connect(): Promise<void> {
    this.network.connect();
    this.replica.store.setConnection('online');
    this.replica.connected(this.server.epoch);
    await vi.advanceTimersByTimeAsync(3_000);
  }

  async open(id: string): Promise<void> {
    await Promise.all([this.replica.open(id), vi.advanceTimersByTimeAsync(3_000)]);
  }

  get state(): ClientState {
    return this.replica.store.state;
  }

  view(id: string): ConversationView | undefined {
    return this.state.conversations.get(id);
  }

  bodies(id: string): string[] | undefined {
    return this.view(id)?.messages.map(({ body }) => body);
  }
}

describe('kept conversations', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  /** A page with one open conversation that has these messages. */
  async function withMessages(
    ...bodies: string[]
  ): Promise<{ browser: Browser; conversation: ReturnType<ModelServer['ownConversations']>[number] }> {
    const browser = new Browser();
    browser.server.create();
    const [conversation] = browser.server.ownConversations();
    for (const body of bodies) browser.server.post(conversation!, 'ann', { body });
    await browser.load();
    await browser.connect();
    await browser.open(conversation!.id);
    return { browser, conversation: conversation! };
  }

  it('are shown after a reload until the server answers', async () => {
    const { browser, conversation } = await withMessages('one', 'two');
    browser.server.post(conversation, 'ben', { body: 'three' });
    browser.replica.store.addUsers([user('ben'), user('cid')]);
    await vi.advanceTimersByTimeAsync(3_000);
    await browser.load();
    expect(browser.view(conversation.id)).toMatchObject({
      opened: false,
      kept: true,
      unread: 3,
      hasBefore: false,
      conversation: { title: conversation.title, lastMessage: { body: 'three' } },
    });
    expect(browser.bodies(conversation.id)).toEqual(['one', 'two', 'three']);
    expect([...browser.state.users.keys()]).toEqual(['ben']);

    await browser.connect();
    expect(browser.bodies(conversation.id)).toEqual(['one', 'two', 'three']);
    await browser.open(conversation.id);
    expect(browser.view(conversation.id)).toMatchObject({ opened: true, kept: false });
  });

  it('are replaced when the server reports a change: a message that was deleted meanwhile disappears', async () => {
    const { browser, conversation } = await withMessages('one', 'two');
    await vi.advanceTimersByTimeAsync(3_000);
    browser.network.disconnect();
    browser.server.erase(conversation, conversation.messages[0]!);
    browser.server.rename(conversation);
    await browser.load();
    expect(browser.bodies(conversation.id)).toEqual(['one', 'two']);
    await browser.connect();
    expect(browser.view(conversation.id)).toMatchObject({
      kept: false,
      messages: [],
      unread: 1,
      conversation: { title: conversation.title },
    });
    await vi.advanceTimersByTimeAsync(3_000);
    await browser.load();
    expect(browser.bodies(conversation.id)).toEqual(['two']);
    expect(browser.view(conversation.id)).toMatchObject({ hasBefore: true });
  });

  it('contain no conversation that the user lost', async () => {
    const { browser, conversation } = await withMessages('one');
    browser.server.create();
    await vi.advanceTimersByTimeAsync(3_000);
    browser.network.disconnect();
    browser.server.toggleMember(conversation, 'me');
    await browser.load();
    expect(browser.state.order).toHaveLength(2);
    await browser.connect();
    expect(browser.view(conversation.id)).toBeUndefined();
    await browser.load();
    expect(browser.state.order).toHaveLength(1);
    browser.server.keepBackup();
    browser.server.conversations.clear();
    browser.server.epoch = 'another';
    await browser.connect();
    expect(browser.state.order).toEqual([]);
    expect(await browser.storage.entries('known/me/conversation/')).toEqual([]);
  });

  it('are the 50 most recently active conversations with the newest 50 messages of each', async () => {
    const browser = new Browser();
    await browser.load();
    await browser.connect();
    for (let n = 0; n < 53; n++) {
      browser.server.create();
      const conversation = browser.server.ownConversations().at(-1)!;
      for (let at = 1; at <= 60; at++) browser.server.post(conversation, 'ann', { body: `${at}` });
      await vi.advanceTimersByTimeAsync(1_500);
    }
    const newest = browser.state.order.slice(0, 50);
    await browser.load();
    expect(browser.state.order).toEqual(newest);
    for (const id of newest) expect(browser.bodies(id)).toEqual(Array.from({ length: 50 }, (_, at) => `${at + 11}`));
    expect(await browser.storage.entries('known/')).toHaveLength(50);
  });

  it('are deleted when the user signs out', async () => {
    const { browser, conversation } = await withMessages('one');
    browser.replica.store.addUsers([user('ann')]);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(await browser.storage.entries('known/')).toHaveLength(2);
    await browser.load('ann');
    expect(browser.state.order).toEqual([]);
    expect(await browser.storage.entries('known/me/')).toEqual([]);

    await browser.load();
    await browser.connect();
    await browser.open(conversation.id);
    browser.server.post(conversation, 'ann');
    await vi.advanceTimersByTimeAsync(500);
    await browser.replica.clear();
    await vi.advanceTimersByTimeAsync(3_000);
    expect(await browser.storage.entries('known/')).toEqual([]);
  });

  it('are deleted when the user signs out while they are being written', async () => {
    const { browser, conversation } = await withMessages('one');
    browser.server.create();
    browser.server.post(conversation, 'ann');
    await vi.advanceTimersByTimeAsync(500);
    void browser.replica.flush();
    await browser.replica.clear();
    expect(await browser.storage.entries('known/')).toEqual([]);
  });

  it('include positions read while the server was unavailable', async () => {
    const { browser, conversation } = await withMessages('one', 'two');
    browser.network.disconnect();
    browser.replica.markRead(conversation.id);
    await browser.replica.flush();
    await browser.load();
    expect(browser.view(conversation.id)).toMatchObject({ unread: 0, readSeq: 2 });
    await browser.connect();
    expect(browser.server.members(conversation).get('me')).toMatchObject({ readSeq: 2 });
  });

  it('are not kept by default', async () => {
    const browser = new Browser();
    browser.server.create();
    browser.network.disconnect();
    browser.replica = new Replica(browser.network, browser.storage, {
      message: () => undefined,
      people: () => undefined,
      error: () => undefined,
    });
    browser.replica.store.setOwn({ user: user('me') });
    await browser.replica.load('me');
    await browser.connect();
    await browser.replica.flush();
    expect(await browser.storage.entries('')).toEqual([]);
  });
});
