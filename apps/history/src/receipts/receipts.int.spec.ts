import { newId } from '@parley/contracts';
import { Unavailable } from '@parley/service-kit';
import { codeOf, eventually, range, seeded } from '@parley/testing';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { Chat } from '../spec/chat.js';
import { engines, running } from '@parley/store/testing';
import { Service } from '../spec/service.js';

describe.each(engines(inject('servers').databaseUrl, 'history'))('receipts and unread on %s', (_, open) => {
  const on = running(open, (database) => Service.start(database));
  let chat: Chat;
  beforeAll(async () => {
    chat = new Chat(on.engine.owner);
  });

  it('moves cursors only forward and at most to the last message', async () => {
    const [anna, ben] = [newId(), newId()];
    const conversationId = await chat.conversation([anna, ben]);
    await chat.messages(conversationId, anna, 9);
    const at = async (kind: 'delivered' | 'read', seq: number) => {
      const { deliveredSeq, readSeq } = await on.service.receipt(kind, ben, conversationId, seq);
      return [deliveredSeq, readSeq];
    };
    expect(await at('delivered', 0)).toEqual([0, 0]);
    expect(await at('delivered', 5)).toEqual([5, 0]);
    expect(await at('read', 3)).toEqual([5, 3]);
    expect(await at('delivered', 2)).toEqual([5, 3]);
    expect(await at('read', 7)).toEqual([7, 7]);
    expect(await at('read', 1)).toEqual([7, 7]);
    expect(await at('delivered', 8)).toEqual([8, 7]);
    expect(await at('read', 1_000_000)).toEqual([10, 10]);
  });

  it('never moves a cursor back under concurrent receipts through two replicas', async () => {
    const other = await Service.start(await on.engine.replica());
    const users = range(6).map(() => newId());
    const conversationId = await chat.conversation(users);
    await chat.messages(conversationId, users[0]!, 60);
    const random = seeded(20_260_101);
    const seen = new Map<string, [number, number]>();
    await Promise.all(
      range(400).map(async (n) => {
        const userId = users[Math.floor(random() * users.length)]!;
        const wanted = Math.floor(random() * 62);
        const kind = random() < 0.5 ? 'read' : 'delivered';
        const { deliveredSeq, readSeq } = await (n % 2 ? on.service : other).receipt(
          kind,
          userId,
          conversationId,
          wanted,
        );
        expect(deliveredSeq).toBeGreaterThanOrEqual(Math.min(wanted, 61));
        expect(readSeq).toBeGreaterThanOrEqual(kind === 'read' ? Math.min(wanted, 61) : 0);
        const [delivered, read] = seen.get(userId) ?? [0, 0];
        seen.set(userId, [Math.max(delivered, deliveredSeq), Math.max(read, readSeq)]);
      }),
    );
    const rows = await on.engine.owner.query<{ user_id: string; delivered_seq: number; read_seq: number }>(
      `select user_id, delivered_seq, read_seq from history.cursor where conversation_id = $1`,
      [conversationId],
    );
    expect(new Map(rows.map((row) => [row.user_id, [row.delivered_seq, row.read_seq]]))).toEqual(seen);
    await other.stop();
  });

  it('publishes a move although the answer to its commit was lost and the repeated receipt moves nothing', async () => {
    let losses = 1;
    const losing = new Proxy(on.engine.database, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key, target);
        if (key !== 'query') return value;
        return async (text: string, values: readonly unknown[]) => {
          const rows = await target.query(text, values);
          if (text.includes('insert into history.cursor') && losses-- > 0) throw new Unavailable('cut');
          return rows;
        };
      },
    });
    const cut = await Service.start(losing);
    const [anna, ben] = [await cut.connect(), await cut.connect()];
    const conversationId = await chat.conversation([anna, ben], { kind: 'direct' });
    await chat.messages(conversationId, anna, 3);
    expect(await codeOf(cut.receipt('read', ben, conversationId, 2))).toBe('unavailable');
    const repeated = await cut.receipt('read', ben, conversationId, 2);
    await eventually(() =>
      expect(cut.pushed(anna, 'receipt:updated').map(({ payload }) => payload)).toEqual([repeated]),
    );
    expect(cut.pushed(ben, 'unread:changed')).toEqual([
      { payload: { conversationId, unread: 1, mentions: 0, readSeq: 2 }, except: undefined },
    ]);
    await cut.stop();
  });

  it('pushes moves to the members and to the reader’s other devices', async () => {
    const [anna, ben, connectionId] = [await on.service.connect(), await on.service.connect(), newId()];
    const conversationId = await chat.conversation([anna, ben], { kind: 'direct' });
    await chat.messages(conversationId, anna, 3);
    const delivered = await on.service.receipt('delivered', ben, conversationId, 3, connectionId);
    const read = await on.service.receipt('read', ben, conversationId, 2, connectionId);
    await on.service.receipt('read', ben, conversationId, 2, connectionId);
    await on.service.receipt('delivered', ben, conversationId, 1, connectionId);
    await eventually(
      () => on.service.published.filter((receipt) => receipt.conversationId === conversationId).length === 2,
    );
    expect(delivered).toMatchObject({ conversationId, userId: ben, deliveredSeq: 3, readSeq: 0 });
    for (const userId of [anna, ben])
      expect(on.service.pushed(userId, 'receipt:updated').map(({ payload }) => payload)).toEqual([delivered, read]);
    expect(on.service.pushed(ben, 'unread:changed')).toEqual([
      { payload: { conversationId, unread: 1, mentions: 0, readSeq: 2 }, except: connectionId },
    ]);
    expect(on.service.pushed(anna, 'unread:changed')).toEqual([]);
  });

  it('pushes receipts in a large conversation only to present members who sent the messages', async () => {
    const [anna, ben, gone, reader, quiet] = [
      await on.service.connect(),
      await on.service.connect(),
      await on.service.connect(),
      await on.service.connect(),
      await on.service.connect(),
    ];
    const conversationId = await chat.conversation([anna, ben, gone, reader, quiet, ...range(200).map(() => newId())]);
    for (const sender of [ben, anna, gone]) await chat.message(conversationId, sender);
    await on.service.receipt('read', reader, conversationId, 2);
    await chat.leave(conversationId, gone);
    const receipt = await on.service.receipt('read', reader, conversationId, 4);
    await eventually(() => on.service.published.some(({ userId, readSeq }) => userId === reader && readSeq === 4));
    const heard = (userId: string) =>
      on.service
        .pushed(userId, 'receipt:updated')
        .filter(({ payload }) => payload.conversationId === conversationId)
        .map(({ payload }) => payload.readSeq);
    expect([heard(anna), heard(ben), heard(gone), heard(quiet)]).toEqual([[receipt.readSeq], [2], [], []]);
  });

  it('returns the users who received and read a message', async () => {
    const [anna, ben, cara, dora, late] = [newId(), newId(), newId(), newId(), newId()];
    const conversationId = await chat.conversation([anna, ben, cara, dora]);
    const seq = await chat.message(conversationId, anna);
    await chat.join(conversationId, late);
    await chat.message(conversationId, anna);
    await on.service.receipt('read', ben, conversationId, seq);
    await on.service.receipt('delivered', cara, conversationId, seq);
    await on.service.receipt('read', late, conversationId, seq + 1);
    await on.service.receipt('read', anna, conversationId, seq);
    const { delivered, read } = await on.service.ask('message.receipts.v1', anna, {
      messageId: await chat.idOf(conversationId, seq),
    });
    expect(delivered.map(({ userId }) => userId).toSorted()).toEqual([ben, cara].toSorted());
    expect(read).toEqual([{ userId: ben, at: expect.stringMatching(/Z$/) }]);
  });

  it('counts mentions in unread messages', async () => {
    const [anna, ben] = [newId(), newId()];
    const conversationId = await chat.conversation([anna, ben]);
    for (const mentions of [[ben], [anna], [ben, anna], []]) await chat.message(conversationId, anna, { mentions });
    const erased = await chat.message(conversationId, anna, { mentions: [ben] });
    await chat.erase(conversationId, erased);
    expect(await on.service.ask('unread.list.v1', ben, {})).toEqual({
      total: 4,
      mentions: 2,
      conversations: [{ id: conversationId, unread: 4, mentions: 2, readSeq: 0, lastSeq: 6 }],
    });
    await on.service.receipt('read', ben, conversationId, 2);
    const { conversation } = await on.service.ask('conversation.get.v1', ben, { conversationId });
    expect(conversation.me).toMatchObject({ unread: 3, mentions: 1, readSeq: 2 });
  });

  it('begins at the last message for new members', async () => {
    const [anna, late] = [newId(), newId()];
    const conversationId = await chat.conversation([anna]);
    await chat.messages(conversationId, anna, 4);
    await chat.join(conversationId, late);
    expect(await on.service.ask('unread.list.v1', late, {})).toEqual({ total: 0, mentions: 0, conversations: [] });
    expect(await on.service.receipt('read', late, conversationId, 2)).toMatchObject({ deliveredSeq: 5, readSeq: 5 });
    await chat.message(conversationId, anna);
    const { conversation } = await on.service.ask('conversation.get.v1', late, { conversationId });
    expect(conversation.me).toMatchObject({ unread: 1, readSeq: 5, deliveredSeq: 5 });
  });

  it.each([1, 2, 3])('counts the same as a naive count, after random commands (seed %i)', async (seed) => {
    const random = seeded(seed);
    const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
    const users = range(4).map(() => newId());
    const conversations = [
      await chat.conversation(users),
      await chat.conversation(users.slice(0, 2), { kind: 'direct' }),
    ];
    interface Line {
      sender: string;
      counts: boolean;
    }
    const model = new Map(
      conversations.map((id, at) => [
        id,
        {
          lines: at === 0 ? [{ sender: users[0]!, counts: false }] : ([] as Line[]),
          read: new Map((at === 0 ? users : users.slice(0, 2)).map((userId) => [userId, 0])),
          former: new Map<string, number>(),
        },
      ]),
    );
    const expected = (userId: string) =>
      conversations.flatMap((id) => {
        const { lines, read } = model.get(id)!;
        const at = read.get(userId);
        return at === undefined
          ? []
          : [
              {
                id,
                unread: lines.slice(at).filter(({ sender, counts }) => counts && sender !== userId).length,
                readSeq: at,
              },
            ];
      });
    for (let step = 0; step < 120; step++) {
      const id = pick(conversations);
      const { lines, read, former } = model.get(id)!;
      const member = pick([...read.keys()]);
      const dice = random();
      if (dice < 0.5) {
        const counts = random() > 0.1;
        await chat.message(id, member, counts ? {} : { type: 'system' });
        lines.push({ sender: member, counts });
      } else if (dice < 0.65 && lines.length > 0) {
        const seq = 1 + Math.floor(random() * lines.length);
        await chat.erase(id, seq);
        lines[seq - 1]!.counts = false;
      } else if (dice < 0.9) {
        const seq = Math.floor(random() * (lines.length + 2));
        await on.service.receipt('read', member, id, seq);
        read.set(member, Math.max(read.get(member)!, Math.min(seq, lines.length)));
      } else if (id === conversations[0] && former.size > 0 && random() < 0.7) {
        const [back] = [...former.keys()];
        await chat.join(id, back!);
        former.delete(back!);
        read.set(back!, lines.length);
      } else if (id === conversations[0] && read.size > 1) {
        await chat.leave(id, member);
        former.set(member, read.get(member)!);
        read.delete(member);
      }
      if (step % 10 < 9) continue;
      for (const userId of users) {
        const unread = await on.service.ask('unread.list.v1', userId, {});
        const list = await on.service.ask('conversation.list.v1', userId, {});
        const wanted = expected(userId).toSorted((a, b) => (a.id < b.id ? -1 : 1));
        const listed = list.items.map(({ id: at, me }) => ({ id: at, unread: me!.unread, readSeq: me!.readSeq }));
        expect(listed.toSorted((a, b) => (a.id < b.id ? -1 : 1))).toEqual(wanted);
        const some = wanted.filter((one) => one.unread > 0);
        expect(
          unread.conversations
            .map(({ id: at, unread: count, readSeq }) => ({ id: at, unread: count, readSeq }))
            .toSorted((a, b) => (a.id < b.id ? -1 : 1)),
        ).toEqual(some);
        expect(unread.total).toBe(some.reduce((sum, one) => sum + one.unread, 0));
      }
    }
  });

  it('refuses receipts of strangers without affecting others of the same batch', async () => {
    const [anna, stranger] = [newId(), newId()];
    const conversationId = await chat.conversation([anna]);
    const codes = await Promise.all(
      [
        on.service.receipt('read', stranger, conversationId, 1),
        on.service.receipt('read', anna, conversationId, 1),
        on.service.receipt('read', anna, newId(), 1),
      ].map(codeOf),
    );
    expect(codes).toEqual(['not_found', 'answered', 'not_found']);
  });
});
