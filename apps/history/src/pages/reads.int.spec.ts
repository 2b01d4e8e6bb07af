import { newId } from '@parley/contracts';
import { codeOf, range } from '@parley/testing';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { Chat } from '../spec/chat.js';
import { engines, running } from '@parley/store/testing';
import { Service } from '../spec/service.js';

describe.each(engines(inject('servers').databaseUrl, 'history'))('reading on %s', (_, open) => {
  const on = running(open, (database) => Service.start(database));
  let chat: Chat;
  beforeAll(async () => {
    chat = new Chat(on.engine.owner);
  });

  it('pages through messages in both directions without a gap or a repetition', async () => {
    const anna = newId();
    const conversationId = await chat.conversation([anna]);
    await chat.messages(conversationId, anna, 24);
    await chat.erase(conversationId, 7);
    const page = async (input: { before?: number; after?: number; around?: number; limit?: number }) => {
      const { items, ...rest } = await on.service.ask('conversation.history.v1', anna, { conversationId, ...input });
      return { seqs: items.map(({ seq }) => seq), ...rest };
    };
    expect(await page({ limit: 10 })).toEqual({
      seqs: range(10).map((at) => at + 16),
      lastSeq: 25,
      hasBefore: true,
      hasAfter: false,
    });
    expect(await page({ before: 6, limit: 10 })).toEqual({
      seqs: [1, 2, 3, 4, 5],
      lastSeq: 25,
      hasBefore: false,
      hasAfter: true,
    });
    expect(await page({ after: 20, limit: 10 })).toEqual({
      seqs: [21, 22, 23, 24, 25],
      lastSeq: 25,
      hasBefore: true,
      hasAfter: false,
    });
    expect(await page({ after: 25 })).toEqual({ seqs: [], lastSeq: 25, hasBefore: true, hasAfter: false });
    expect(await page({ before: 0 })).toEqual({ seqs: [], lastSeq: 25, hasBefore: false, hasAfter: true });
    expect(await page({ around: 7, limit: 4 })).toEqual({
      seqs: [5, 6, 7, 8],
      lastSeq: 25,
      hasBefore: true,
      hasAfter: true,
    });
    expect((await page({})).seqs).toHaveLength(25);
    const { items } = await on.service.ask('conversation.history.v1', anna, { conversationId, around: 7, limit: 1 });
    expect(items[0]).toMatchObject({ seq: 7, body: '', deletedAt: expect.any(String), attachments: [], reactions: [] });
  });

  it('opens a conversation at its newest page, extended back to the first unread message', async () => {
    const [anna, ben] = [newId(), newId()];
    const conversationId = await chat.conversation([anna, ben]);
    await chat.messages(conversationId, anna, 299);
    const opened = async (userId: string, limit?: number) => {
      const { messages, conversation, members } = await on.service.ask('conversation.open.v1', userId, {
        conversationId,
        ...(limit === undefined ? {} : { limit }),
      });
      expect(messages.items.map(({ seq }) => seq)).toEqual(
        range(messages.items.length).map((at) => 300 - messages.items.length + 1 + at),
      );
      expect(members!.map(({ userId: id }) => id).toSorted()).toEqual([anna, ben].toSorted());
      return { count: messages.items.length, unread: conversation.me!.unread, hasBefore: messages.hasBefore };
    };
    expect(await opened(anna)).toEqual({ count: 50, unread: 0, hasBefore: true });
    expect(await opened(anna, 10)).toEqual({ count: 10, unread: 0, hasBefore: true });
    expect(await opened(ben)).toEqual({ count: 200, unread: 299, hasBefore: true });
    await on.service.receipt('read', ben, conversationId, 180);
    expect(await opened(ben)).toEqual({ count: 120, unread: 120, hasBefore: true });
    await on.service.receipt('read', ben, conversationId, 290);
    expect(await opened(ben)).toEqual({ count: 50, unread: 10, hasBefore: true });
  });

  it('lists conversations by activity, page by page, with the caller’s membership and the last message', async () => {
    const [anna, ben] = [newId(), newId()];
    const ids: string[] = [];
    for (const n of range(7)) ids.push(await chat.conversation([anna, ben], n % 2 ? { kind: 'direct' } : {}));
    for (const id of ids) await chat.message(id, ben, { body: id });
    await on.engine.owner.query(
      `update chat.conversation set active_at = now() - array_position($1::uuid[], id) / 3 * interval '1 hour' where id = any($1::uuid[])`,
      [ids],
    );
    // Conversations active in the same millisecond are ordered by id, newer first.
    const order = ids.toSorted(
      (a, b) => Math.floor((ids.indexOf(a) + 1) / 3) - Math.floor((ids.indexOf(b) + 1) / 3) || (a < b ? 1 : -1),
    );
    await chat.leave(ids[3]!, anna);
    await chat.member(ids[4]!, anna, `status = 'banned'`);
    await on.engine.owner.query(`update chat.conversation set deleted_at = now() where id = $1`, [ids[5]]);
    const seen = [];
    let cursor: string | undefined;
    do {
      const { items, nextCursor } = await on.service.ask('conversation.list.v1', anna, {
        limit: 2,
        ...(cursor === undefined ? {} : { cursor }),
      });
      seen.push(...items);
      cursor = nextCursor;
    } while (cursor !== undefined);
    expect(seen.map(({ id }) => id)).toEqual(order.filter((id) => ![ids[3], ids[4], ids[5]].includes(id)));
    expect(seen.find(({ id }) => id === ids[0])).toMatchObject({
      lastMessage: { body: ids[0], senderId: ben },
      me: { role: 'creator', unread: 1, mentions: 0, readSeq: 0 },
      memberCount: 2,
    });
    for (const wrong of [
      'x',
      'bm9uc2Vuc2U',
      Buffer.from('["2026",1]').toString('base64url'),
      Buffer.from(`["2026-01-01T00:00:00.000Z","${newId()}", 1]`).toString('base64url'),
    ]) {
      expect(await codeOf(on.service.ask('conversation.list.v1', anna, { cursor: wrong }))).toBe('invalid');
    }
  });

  it('lists members in the order of joining, page by page', async () => {
    // Members who joined in the same millisecond are ordered by id, older first.
    const members = [
      ...range(5)
        .map(() => newId())
        .toSorted(),
      ...[newId(), newId()].toSorted(),
    ];
    const conversationId = await chat.conversation(members.slice(0, 5));
    for (const userId of members.slice(5)) await chat.join(conversationId, userId);
    await chat.leave(conversationId, members[1]!);
    await on.service.receipt('read', members[2]!, conversationId, 1);
    const first = await on.service.ask('conversation.members.v1', members[0]!, { conversationId, limit: 4 });
    const second = await on.service.ask('conversation.members.v1', members[0]!, {
      conversationId,
      limit: 4,
      cursor: first.nextCursor!,
    });
    expect([...first.items, ...second.items].map(({ userId }) => userId)).toEqual([
      members[0],
      members[2],
      members[3],
      members[4],
      members[5],
      members[6],
    ]);
    expect(first.items[0]).toMatchObject({ role: 'creator', status: 'active', readSeq: 0 });
    expect(first.items[1]).toMatchObject({ role: 'member', readSeq: 1, deliveredSeq: 1 });
    expect(second.items[1]).toMatchObject({ readSeq: 1, deliveredSeq: 1 });
    expect(second.nextCursor).toBeUndefined();
  });

  it('shows users only what they may see', async () => {
    const [anna, ben, cara, dora] = [newId(), newId(), newId(), newId()];
    const made = {
      private: await chat.conversation([anna, ben, cara]),
      public: await chat.conversation([anna, ben, cara], { visibility: 'public' }),
    };
    for (const id of Object.values(made)) {
      await chat.message(id, anna);
      await chat.leave(id, ben);
      await chat.member(id, cara, `status = 'banned'`);
    }
    const codesOfReads = async (userId: string, conversationId: string) => {
      const messageId = await chat.idOf(conversationId, 2);
      return Promise.all([
        codeOf(on.service.ask('conversation.get.v1', userId, { conversationId })),
        codeOf(on.service.ask('conversation.open.v1', userId, { conversationId })),
        codeOf(on.service.ask('conversation.history.v1', userId, { conversationId })),
        codeOf(on.service.ask('conversation.members.v1', userId, { conversationId })),
        codeOf(on.service.ask('conversation.changes.v1', userId, { conversationId, since: 0 })),
        codeOf(on.service.receipt('read', userId, conversationId, 1)),
        codeOf(on.service.ask('message.receipts.v1', userId, { messageId })),
        codeOf(on.service.ask('message.pins.v1', userId, { conversationId })),
        codeOf(on.service.ask('drawing.get.v1', userId, { conversationId })),
        codeOf(on.service.ask('conversation.me.v1', userId, { conversationId })),
      ]);
    };
    const all = (code: string) => range(10).map(() => code);
    expect(await codesOfReads(anna, made.private)).toEqual(all('answered'));
    for (const userId of [ben, dora]) {
      expect(await codesOfReads(userId, made.private)).toEqual(all('not_found'));
      expect(await codesOfReads(userId, made.public)).toEqual(['answered', ...range(9).map(() => 'forbidden')]);
    }
    for (const id of Object.values(made)) expect(await codesOfReads(cara, id)).toEqual(all('banned'));
    const { conversation } = await on.service.ask('conversation.get.v1', dora, { conversationId: made.public });
    expect(conversation).toMatchObject({ memberCount: 1, visibility: 'public' });
    expect(conversation).not.toHaveProperty('me');
    expect(conversation).not.toHaveProperty('lastMessage');
    expect(await codeOf(on.service.ask('conversation.get.v1', anna, { conversationId: newId() }))).toBe('not_found');
    expect(await codeOf(on.service.ask('message.receipts.v1', anna, { messageId: newId() }))).toBe('not_found');
    await chat.member(made.private, cara, `status = 'banned', banned_until = now() - interval '1 second'`);
    expect(await codesOfReads(cara, made.private)).toEqual(all('answered'));
  });

  it('answers whose presence a user may see', async () => {
    const [anna, ben, cara, dora, gone] = [newId(), newId(), newId(), newId(), newId()];
    await chat.conversation([anna, ben], { kind: 'direct' });
    const group = await chat.conversation([ben, cara, gone, anna]);
    await chat.leave(group, gone);
    await chat.conversation([cara, dora]);
    const { userIds } = await on.service.broker.request('history.visible.v1', {
      userId: anna,
      userIds: [anna, ben, cara, dora, gone, newId()],
    });
    expect(userIds.toSorted()).toEqual([anna, ben, cara].toSorted());
  });

  it('answers the epoch of the database', async () => {
    const { epoch } = await on.service.broker.request('history.epoch.v1', {});
    const [row] = await on.engine.owner.query(`select epoch from chat.epoch`);
    expect(row).toEqual({ epoch });
  });
});
