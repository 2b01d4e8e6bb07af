import { newId } from '@parley/contracts';
import { LocalState, range, seeded } from '@parley/testing';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { Chat } from '../spec/chat.js';
import { catchUp, expectFresh } from '../spec/device.js';
import { engines, running } from '@parley/store/testing';
import { Service } from '../spec/service.js';

/** Ignores that the user has already reacted with this emoji. */
const ignoreSecond = (error: Error & { code?: string }) => {
  if (error.code !== '23505') throw error;
};
/** Ignores refusals: the user may have left or be banned. */
const ignoreRefusal = (error: Error & { code?: string }) => {
  if (error.code !== 'not_found' && error.code !== 'banned') throw error;
};

describe.each(engines(inject('servers').databaseUrl, 'history'))('catching up on %s', (_, open) => {
  const on = running(open, (database) => Service.start(database));
  let chat: Chat;
  let epoch: string;
  beforeAll(async () => {
    chat = new Chat(on.engine.owner);
    ({ epoch } = await on.service.broker.request('history.epoch.v1', {}));
  });

  const sync = (userId: string, cursors: Record<string, number>, of = epoch) =>
    on.service.ask('sync.v1', userId, { epoch: of, cursors });

  it('returns each changed message once in its current state, with tombstones and departures', async () => {
    const [anna, ben, cara] = [newId(), newId(), newId()];
    const conversationId = await chat.conversation([anna, ben, cara]);
    await chat.messages(conversationId, anna, 3);
    const since = 5;
    const changes = (from: number, limit?: number) =>
      on.service.ask('conversation.changes.v1', anna, {
        conversationId,
        since: from,
        ...(limit === undefined ? {} : { limit }),
      });
    expect(await changes(since)).toEqual({ messages: [], receipts: [], rev: 5, complete: true, epoch });
    await chat.edit(conversationId, 2, 'first');
    await chat.edit(conversationId, 2, 'second');
    await chat.erase(conversationId, 3);
    await chat.leave(conversationId, cara);
    await chat.member(conversationId, ben, `role = 'admin'`);
    await chat.rename(conversationId, 'new name');
    await chat.message(conversationId, ben);
    await on.service.receipt('read', ben, conversationId, 2);
    const { messages, members, conversation, receipts, rev, complete } = await changes(since);
    expect(messages.map(({ seq, body, rev: at }) => [seq, body, at])).toEqual([
      [2, 'second', 7],
      [3, '', 8],
      [5, 'hello', 12],
    ]);
    expect(members).toEqual([
      { userId: cara, left: true },
      expect.objectContaining({ userId: ben, role: 'admin', readSeq: 2 }),
    ]);
    expect(conversation).toMatchObject({ title: 'new name', lastSeq: 5, memberCount: 2, me: { unread: 1 } });
    expect(receipts).toEqual([expect.objectContaining({ userId: ben, readSeq: 2 })]);
    expect([rev, complete]).toEqual([12, true]);
  });

  it('answers a cursor that is ahead with the conversation’s own rev, so that it skips no later change', async () => {
    const anna = newId();
    const conversationId = await chat.conversation([anna, newId()]);
    await chat.messages(conversationId, anna, 2);
    const { rev, messages, complete } = await on.service.ask('conversation.changes.v1', anna, {
      conversationId,
      since: 99_999,
    });
    expect({ rev, messages, complete }).toEqual({
      rev: (await on.service.ask('conversation.get.v1', anna, { conversationId })).conversation.rev,
      messages: [],
      complete: true,
    });
  });

  it('finds sent messages by their sender and clientId', async () => {
    const [anna, ben] = [newId(), newId()];
    const conversationId = await chat.conversation([anna, ben]);
    await chat.message(conversationId, anna);
    const [sent] = (await on.service.ask('conversation.history.v1', anna, { conversationId })).items;
    const ask = (senderId: string, clientId: string) =>
      on.service.broker.request('history.sent.v1', { conversationId, senderId, clientId });
    expect(await Promise.all([ask(anna, sent!.clientId), ask(ben, sent!.clientId), ask(anna, 'another')])).toEqual([
      { sent: true },
      { sent: false },
      { sent: false },
    ]);
  });

  it('pages changes by rev, each member change on exactly one page', async () => {
    const [anna, ben] = [newId(), newId()];
    const conversationId = await chat.conversation([anna, ben]);
    await chat.messages(conversationId, anna, 10);
    await chat.rename(conversationId, 'x');
    await chat.member(conversationId, ben, `role = 'admin'`);
    await chat.messages(conversationId, anna, 5);
    const seen: { seqs: number[]; members: number; conversation: boolean }[] = [];
    for (let since = 0, complete = false; !complete;) {
      const page = await on.service.ask('conversation.changes.v1', anna, { conversationId, since, limit: 4 });
      seen.push({
        seqs: page.messages.map(({ seq }) => seq),
        members: page.members?.length ?? 0,
        conversation: page.conversation !== undefined,
      });
      expect(page.rev).toBeGreaterThan(since);
      ({ rev: since, complete } = page);
    }
    expect(seen.flatMap(({ seqs }) => seqs)).toEqual(range(16).map((at) => at + 1));
    // Only the last change of a row has a rev: the rename replaces the creation, and ben's new role his joining.
    expect(seen.map(({ members, conversation }) => [members, conversation])).toEqual([
      [1, false],
      [0, false],
      [1, true],
      [0, false],
    ]);
  });

  it('lists added and removed conversations', async () => {
    const [anna, ben] = [newId(), newId()];
    const [kept, left, banned, deleted, fresh] = await Promise.all(range(5).map(() => chat.conversation([ben, anna])));
    const listed = { [kept!]: 2, [left!]: 2, [banned!]: 2, [deleted!]: 2, [newId()]: 7 };
    await chat.leave(left!, anna);
    await chat.member(banned!, anna, `status = 'banned'`);
    await on.engine.owner.query(`update chat.conversation set deleted_at = now() where id = $1`, [deleted]);
    const answer = await sync(anna, listed);
    expect(answer.added.map(({ id }) => id)).toEqual([fresh]);
    expect(answer.added[0]).toMatchObject({ me: { role: 'member', unread: 0 }, lastMessage: { type: 'system' } });
    expect(answer.removed.toSorted()).toEqual(
      Object.keys(listed)
        .filter((id) => id !== kept)
        .toSorted(),
    );
    expect([answer.changes, answer.complete, answer.epoch]).toEqual([[], true, epoch]);
    const foreign = await sync(anna, listed, 'another');
    expect([foreign.added.map(({ id }) => id).toSorted(), foreign.removed, foreign.changes]).toEqual([
      [kept!, fresh!].toSorted(),
      [],
      [],
    ]);
    expect(foreign.epoch).toBe(epoch);
  });

  it('lists a conversation in which only receipts moved', async () => {
    const [anna, ben] = [newId(), newId()];
    const [moved, still] = await Promise.all([chat.conversation([anna, ben]), chat.conversation([anna, ben])]);
    await chat.message(moved, anna);
    const cursors = { [moved]: 3, [still]: 2 };
    expect((await sync(anna, cursors)).changes).toEqual([]);
    await on.service.receipt('read', ben, moved, 2);
    expect((await sync(anna, cursors)).changes).toEqual([
      {
        conversationId: moved,
        messages: [],
        receipts: [expect.objectContaining({ userId: ben, readSeq: 2, deliveredSeq: 2 })],
        rev: 3,
        complete: true,
        epoch,
      },
    ]);
  });

  it('answers reset boards, changed member counts and messages with new reactions or pins', async () => {
    const [anna, ben] = [newId(), newId()];
    const conversationId = await chat.conversation([anna, ben]);
    await chat.messages(conversationId, anna, 3);
    await chat.line(conversationId, anna, 1);
    const since = (await on.service.ask('conversation.get.v1', anna, { conversationId })).conversation.rev;
    await chat.react(conversationId, 2, '👍', [ben]);
    await chat.pin(conversationId, 3, anna);
    await chat.emptyBoard(conversationId);
    await chat.join(conversationId, newId());
    for (const one of [
      (await sync(ben, { [conversationId]: since })).changes[0]!,
      await on.service.ask('conversation.changes.v1', ben, { conversationId, since }),
    ]) {
      expect(one.messages.map(({ seq, reactions, pinnedAt }) => [seq, reactions, typeof pinnedAt])).toEqual([
        [2, [{ emoji: '👍', count: 1, userIds: [ben], mine: true }], 'undefined'],
        [3, [], 'string'],
      ]);
      expect(one).toMatchObject({
        drawing: { rev: since + 3 },
        conversation: { memberCount: 3 },
        rev: since + 4,
        complete: true,
      });
    }
    const page = await on.service.ask('conversation.changes.v1', ben, { conversationId, since, limit: 1 });
    expect([page.drawing, page.conversation, page.complete]).toEqual([undefined, undefined, false]);
    const rest = await on.service.ask('conversation.changes.v1', ben, { conversationId, since: page.rev, limit: 1 });
    expect([rest.messages.length, rest.drawing, rest.complete]).toEqual([1, { rev: since + 3 }, true]);
  });

  it('adds the conversation again after a ban expires', async () => {
    const [anna, ben] = [newId(), newId()];
    const conversationId = await chat.conversation([anna, ben]);
    await chat.member(conversationId, ben, `status = 'banned', banned_until = clock_timestamp() + interval '1 hour'`);
    const seen = async () => (await sync(anna, { [conversationId]: 2 })).changes[0]!;
    expect(await seen()).toMatchObject({
      members: [{ userId: ben, status: 'banned', bannedUntil: expect.any(String) }],
      conversation: { memberCount: 1 },
    });
    expect(await sync(ben, { [conversationId]: 2 })).toMatchObject({
      removed: [conversationId],
      changes: [],
      added: [],
    });
    // The ban expires, and the messages service has not lifted it yet.
    await on.engine.owner.query(
      `update chat.member set banned_until = clock_timestamp() - interval '1 second' where conversation_id = $1 and user_id = $2`,
      [conversationId, ben],
    );
    expect((await seen()).members).toMatchObject([{ userId: ben, status: 'active' }]);
    expect((await sync(ben, {})).added).toMatchObject([{ id: conversationId, me: { status: 'active' } }]);
    expect((await sync(ben, { [conversationId]: 2 })).changes).toMatchObject([
      { conversationId, rev: 3, members: [{ userId: ben }] },
    ]);
    await chat.member(conversationId, ben, `status = 'active', banned_until = null`);
    expect((await sync(anna, { [conversationId]: 3 })).changes).toMatchObject([
      { rev: 4, members: [{ userId: ben, status: 'active' }], conversation: { memberCount: 2 } },
    ]);
  });

  it('continues from a cursor that is older than leaving and joining again', async () => {
    const [anna, ben] = [newId(), newId()];
    const conversationId = await chat.conversation([anna, ben]);
    await on.service.ask('conversation.me.v1', ben, { conversationId, notifications: 'none', unreadFrom: 1 });
    await chat.message(conversationId, anna);
    await chat.leave(conversationId, ben);
    await chat.message(conversationId, anna);
    await chat.join(conversationId, ben);
    await chat.message(conversationId, anna);
    const { changes, added, removed } = await sync(ben, { [conversationId]: 2 });
    expect([added, removed]).toEqual([[], []]);
    expect(changes).toMatchObject([
      {
        conversationId,
        rev: 7,
        complete: true,
        members: [{ userId: ben, readSeq: 3 }],
        conversation: { me: { notifications: 'all', readSeq: 3, unread: 1 } },
      },
    ]);
    expect(changes[0]!.messages.map(({ seq }) => seq)).toEqual([2, 3, 4]);
    expect(changes[0]!.conversation!.me).not.toHaveProperty('unreadFrom');
    expect(changes[0]!.receipts).toMatchObject([{ userId: ben, readSeq: 3, deliveredSeq: 3 }]);
  });

  it('resets a cursor that is ahead', async () => {
    const anna = newId();
    const conversationId = await chat.conversation([anna]);
    expect((await sync(anna, { [conversationId]: 99 })).changes).toMatchObject([
      { conversationId, rev: 2, messages: [], complete: true },
    ]);
  });

  it('completes over many conversations and messages', async () => {
    const [anna, ben] = [newId(), newId()];
    const ids: string[] = [];
    for (const _n of range(12)) ids.push(await chat.conversation([anna, ben]));
    for (const id of ids) {
      await on.engine.owner
        .query(
          `with c as (update chat.conversation set last_seq = 151, rev = 152 where id = $1 returning id)
         insert into chat.message (conversation_id, seq, rev, id, sender_id, client_id, type, body, created_at)
         select c.id, n + 1, n + 2, gen_random_uuid(), $2, n::text, 'text', 'm', now() from c, generate_series(1, 150) n`,
          [id, ben],
        )
        .catch((error: unknown) => {
          throw error;
        });
    }
    await on.engine.owner.query(
      `update chat.message set id = overlay(overlay(id::text placing '7' from 15) placing 'a' from 20)::uuid where conversation_id = any($1::uuid[])`,
      [ids],
    );
    const state = new LocalState(anna);
    state.epoch = epoch;
    const cursors = Object.fromEntries(ids.map((id) => [id, 2]));
    const seen = new Map<string, number[]>();
    let calls = 0;
    for (let complete = false; !complete; calls++) {
      const answer = await sync(anna, cursors);
      ({ complete } = answer);
      for (const { conversationId, messages, rev } of answer.changes) {
        seen.set(conversationId, [...(seen.get(conversationId) ?? []), ...messages.map(({ seq }) => seq)]);
        cursors[conversationId] = rev;
      }
    }
    expect(calls).toBeLessThan(10);
    for (const id of ids) expect(seen.get(id)).toEqual(range(150).map((at) => at + 2));
  });

  it('adds conversations page by page for a new device', async () => {
    const anna = newId();
    for (const _n of range(120)) await chat.conversation([anna], { kind: 'direct' });
    const first = await sync(anna, {});
    expect([first.added.length, first.complete]).toEqual([100, false]);
    const second = await sync(anna, Object.fromEntries(first.added.map(({ id, rev }) => [id, rev])));
    expect([second.added.length, second.complete]).toEqual([20, true]);
  });

  it.each([11, 12, 13])(
    'brings a client to the same state as a fresh load, after random commands (seed %i)',
    async (seed) => {
      const random = seeded(seed);
      const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
      const users = range(4).map(() => newId());
      const [anna] = users as [string];
      const conversations = [
        await chat.conversation(users),
        await chat.conversation(users.slice(0, 2), { kind: 'direct' }),
        await chat.conversation(users.slice(1)),
      ];
      const device = new LocalState(anna);
      for (let step = 0; step < 80; step++) {
        const id = pick(conversations);
        const members = (
          await on.engine.owner.query<{ user_id: string }>(
            `select user_id from chat.member where conversation_id = $1 and left_at is null order by user_id`,
            [id],
          )
        ).map(({ user_id }) => user_id);
        const [{ last_seq: last }] = (await on.engine.owner.query<{ last_seq: number }>(
          `select last_seq from chat.conversation where id = $1`,
          [id],
        )) as [{ last_seq: number }];
        const [someone, seq, dice] = [pick(members), 1 + Math.floor(random() * last), random()];
        if (dice < 0.4) await chat.message(id, someone);
        else if (dice < 0.5 && last > 0) await chat.edit(id, seq, `edit ${step}`);
        else if (dice < 0.6 && last > 0) await chat.erase(id, seq);
        else if (dice < 0.65) await chat.react(id, seq, pick(['👍', '🎉']), [someone]).catch(ignoreSecond);
        else if (dice < 0.68) await chat.pin(id, seq, someone);
        else if (dice < 0.72 && device.conversations.has(id))
          await on.service
            .ask('conversation.me.v1', anna, {
              conversationId: id,
              ...pick([{ unreadFrom: seq }, { notifications: 'none' }, { notifications: 'all' }] as const),
            })
            .catch(ignoreRefusal);
        else if (dice < 0.75)
          await on.service.receipt(random() < 0.5 ? 'read' : 'delivered', someone, id, seq).catch(ignoreRefusal);
        else if (id === conversations[1]) await chat.message(id, someone);
        else if (dice < 0.78) await chat.rename(id, `title ${step}`);
        else if (dice < 0.8)
          await chat.member(
            id,
            someone,
            pick([`status = 'muted'`, `status = 'banned', banned_until = null`, `status = 'active'`, `role = 'admin'`]),
          );
        else if (dice < 0.9 && members.length > 1) await chat.leave(id, someone);
        else await chat.join(id, users.find((userId) => !members.includes(userId)) ?? newId());
        if (random() > 0.2) continue;
        await catchUp(on.service, device);
        await expectFresh(on.service, device);
      }
    },
  );
});
