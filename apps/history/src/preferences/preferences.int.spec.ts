import { newId } from '@parley/contracts';
import { codeOf, eventually } from '@parley/testing';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { Chat } from '../spec/chat.js';
import { engines, running } from '@parley/store/testing';
import { Service } from '../spec/service.js';

describe.each(engines(inject('servers').databaseUrl, 'history'))('private settings on %s', (_, open) => {
  const on = running(open, (database) => Service.start(database));
  let chat: Chat;
  let epoch: string;
  beforeAll(async () => {
    chat = new Chat(on.engine.owner);
    ({ epoch } = await on.service.broker.request('history.epoch.v1', {}));
  });

  const set = async (
    userId: string,
    conversationId: string,
    wish: { notifications?: 'all' | 'mentions' | 'none'; unreadFrom?: number },
    connectionId?: string,
  ) => (await on.service.ask('conversation.me.v1', userId, { conversationId, ...wish }, connectionId)).me;
  const me = async (userId: string, conversationId: string) =>
    (await on.service.ask('conversation.get.v1', userId, { conversationId })).conversation.me!;
  /** Messages 2 to 9, alternately of others and of ben; 4 mentions ben, 6 is deleted. */
  const talk = async () => {
    const [anna, ben] = [await on.service.connect(), await on.service.connect()];
    const conversationId = await chat.conversation([anna, ben]);
    for (let seq = 2; seq <= 9; seq++)
      await chat.message(conversationId, seq % 2 ? ben : anna, seq === 4 ? { mentions: [ben] } : {});
    await chat.erase(conversationId, 6);
    return { anna, ben, conversationId };
  };

  it('make a conversation unread from a message on, in every count, until the next read', async () => {
    const { ben, conversationId } = await talk();
    await on.service.receipt('read', ben, conversationId, 9);
    expect(await set(ben, conversationId, { unreadFrom: 4 })).toMatchObject({
      readSeq: 9,
      deliveredSeq: 9,
      unread: 2,
      mentions: 1,
      unreadFrom: 4,
    });
    expect(await me(ben, conversationId)).toMatchObject({ readSeq: 9, unread: 2, mentions: 1, unreadFrom: 4 });
    const unread = await on.service.ask('unread.list.v1', ben, {});
    expect(unread).toEqual({
      total: 2,
      mentions: 1,
      conversations: [{ id: conversationId, unread: 2, mentions: 1, readSeq: 9, lastSeq: 9 }],
    });
    const { messages, conversation } = await on.service.ask('conversation.open.v1', ben, { conversationId, limit: 1 });
    expect([messages.items[0]!.seq, conversation.me!.unread]).toEqual([4, 2]);
    await on.service.receipt('delivered', ben, conversationId, 9);
    expect((await me(ben, conversationId)).unreadFrom).toBe(4);
    const receipt = await on.service.receipt('read', ben, conversationId, 1);
    expect(receipt.readSeq).toBe(9);
    expect(await me(ben, conversationId)).toMatchObject({ readSeq: 9, unread: 0, mentions: 0 });
    expect(await me(ben, conversationId)).not.toHaveProperty('unreadFrom');
    expect((await on.service.ask('unread.list.v1', ben, {})).conversations).toEqual([]);
  });

  it('may mark messages beyond the read position, at most one after the last message', async () => {
    const { ben, conversationId } = await talk();
    expect(await set(ben, conversationId, { unreadFrom: 7 })).toMatchObject({
      readSeq: 0,
      unread: 1,
      mentions: 0,
      unreadFrom: 7,
    });
    expect(await set(ben, conversationId, { unreadFrom: 1_000 })).toMatchObject({ unread: 0, unreadFrom: 10 });
    await chat.message(conversationId, newId());
    expect(await me(ben, conversationId)).toMatchObject({ unread: 1, unreadFrom: 10, readSeq: 0 });
  });

  it('for notifications change no count', async () => {
    const { ben, conversationId } = await talk();
    const [before] = (await on.service.ask('unread.list.v1', ben, {})).conversations;
    const me = await set(ben, conversationId, { notifications: 'none' });
    expect(me).not.toHaveProperty('unreadFrom');
    expect(me).toMatchObject({ unread: before!.unread, mentions: before!.mentions, readSeq: 0 });
    expect((await on.service.ask('unread.list.v1', ben, {})).conversations).toEqual([before]);
  });

  it('keep absent values', async () => {
    const { anna, ben, conversationId } = await talk();
    await set(ben, conversationId, { notifications: 'mentions' });
    await set(ben, conversationId, { unreadFrom: 2 });
    await set(ben, conversationId, { notifications: 'none' });
    expect(await set(ben, conversationId, {})).toMatchObject({ notifications: 'none', unreadFrom: 2 });
    const others = await me(anna, conversationId);
    expect(others).toMatchObject({ notifications: 'all', readSeq: 0 });
    expect(others).not.toHaveProperty('unreadFrom');
    const { items } = await on.service.ask('conversation.members.v1', anna, { conversationId });
    expect(items.find(({ userId }) => userId === ben)).not.toHaveProperty('unreadFrom');
  });

  it('are pushed to the user’s other connections only', async () => {
    const { anna, ben, conversationId } = await talk();
    const connectionId = newId();
    await set(ben, conversationId, { unreadFrom: 4 }, connectionId);
    await set(ben, conversationId, { notifications: 'none' }, connectionId);
    await on.service.receipt('read', ben, conversationId, 0, connectionId);
    await eventually(() =>
      expect(on.service.pushed(ben, 'unread:changed')).toEqual([
        { payload: { conversationId, unread: 2, mentions: 1, readSeq: 0, unreadFrom: 4 }, except: connectionId },
        {
          payload: { conversationId, unread: 2, mentions: 1, readSeq: 0, unreadFrom: 4, notifications: 'none' },
          except: connectionId,
        },
        { payload: { conversationId, unread: 3, mentions: 1, readSeq: 0 }, except: connectionId },
      ]),
    );
    expect(on.service.pushed(anna, 'unread:changed')).toEqual([]);
  });

  it('are refused to everybody who is not a member', async () => {
    const { ben, conversationId } = await talk();
    expect(await codeOf(set(newId(), conversationId, { notifications: 'none' }))).toBe('not_found');
    await chat.member(conversationId, ben, `status = 'muted'`);
    expect(await set(ben, conversationId, { notifications: 'none' })).toMatchObject({
      status: 'muted',
      notifications: 'none',
    });
    await chat.member(conversationId, ben, `status = 'banned'`);
    expect(await codeOf(set(ben, conversationId, { notifications: 'all' }))).toBe('banned');
  });

  it('start again after leaving and joining again', async () => {
    const { ben, conversationId } = await talk();
    await set(ben, conversationId, { notifications: 'none', unreadFrom: 2 });
    await chat.leave(conversationId, ben);
    await chat.join(conversationId, ben);
    const fresh = await me(ben, conversationId);
    expect(fresh).toMatchObject({ notifications: 'all', unread: 0, readSeq: 9 });
    expect(fresh).not.toHaveProperty('unreadFrom');
    expect(await set(ben, conversationId, { unreadFrom: 8 })).toMatchObject({
      notifications: 'all',
      unreadFrom: 8,
      unread: 1,
    });
  });

  it('reach devices that were offline, by sync and by changes', async () => {
    const { anna, ben, conversationId } = await talk();
    const { rev } = (await on.service.ask('conversation.get.v1', ben, { conversationId })).conversation;
    // Longer ago than the margin of `timeOfRev`.
    await on.engine.owner.query(
      `update chat.message set created_at = created_at - interval '1 minute', deleted_at = deleted_at - interval '1 minute' where conversation_id = $1`,
      [conversationId],
    );
    const sync = async (userId: string, since: number) =>
      (await on.service.ask('sync.v1', userId, { epoch, cursors: { [conversationId]: since } })).changes;
    expect(await sync(ben, rev)).toEqual([]);
    await set(ben, conversationId, { notifications: 'mentions', unreadFrom: 3 });
    for (const since of [rev, rev - 1])
      expect(await sync(ben, since)).toMatchObject([
        { conversation: { me: { notifications: 'mentions', unreadFrom: 3, unread: 2 } }, rev },
      ]);
    expect(await on.service.ask('conversation.changes.v1', ben, { conversationId, since: rev })).toMatchObject({
      conversation: { me: { unreadFrom: 3 } },
      messages: [],
    });
    await on.service.receipt('read', ben, conversationId, 0);
    const [afterwards] = await sync(ben, rev);
    expect(afterwards!.conversation!.me).toMatchObject({ notifications: 'mentions', unread: 3 });
    expect(afterwards!.conversation!.me).not.toHaveProperty('unreadFrom');
    expect(await sync(anna, rev)).toEqual([]);
  });
});
