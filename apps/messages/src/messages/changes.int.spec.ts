import { BrokerFailure } from '@parley/broker/testing';
import { newId, type Message, type Reaction, type RequestPayload } from '@parley/contracts';
import { engines, running } from '@parley/store/testing';
import { codeOf, eventually, range } from '@parley/testing';
import { describe, expect, inject, it } from 'vitest';
import { newRunner, Service } from '../spec/service.js';
import { BotOwners } from '../people/bot-owners.js';
import { MessagesController } from './controller.js';

/** The `n`th of many different emojis. */
const emoji = (n: number): string => String.fromCodePoint(0x1f400 + n);

describe.each(engines(inject('servers').databaseUrl, 'messages'))('changes of messages on %s', (_, open) => {
  const on = running(open, (database) => Service.start(database));

  const edit = (userId: string, message: { id: string }, body: string) =>
    on.service.call('message.edit.v1', userId, { messageId: message.id, body });
  const remove = (userId: string, message: { id: string }) =>
    on.service.call('message.delete.v1', userId, { messageId: message.id });
  const react = (userId: string, message: { id: string }, symbol = '👍') =>
    on.service.call('reaction.add.v1', userId, { messageId: message.id, emoji: symbol });
  const takeBack = (userId: string, message: { id: string }, symbol = '👍') =>
    on.service.call('reaction.remove.v1', userId, { messageId: message.id, emoji: symbol });
  const pin = (userId: string, message: { id: string }) =>
    on.service.call('message.pin.v1', userId, { messageId: message.id });
  const unpin = (userId: string, message: { id: string }) =>
    on.service.call('message.unpin.v1', userId, { messageId: message.id });
  const said = async (userId: string, conversationId: string, body = 'hello') =>
    (await on.service.send(userId, { conversationId, body })).message;
  const setMember = (conversationId: string, userId: string, change: string) =>
    on.engine.owner.query(`update chat.member set ${change} where conversation_id = $1 and user_id = $2`, [
      conversationId,
      userId,
    ]);
  const updates = (userId: string, { id }: { id: string }) =>
    on.service.pushed(userId, 'message:updated').filter(({ payload }) => payload.message.id === id);
  const isPublished = (message: { id: string; rev: number }) =>
    eventually(() => on.service.updated().some(({ id, rev }) => id === message.id && rev === message.rev));
  const systemIn = async (conversationId: string) =>
    (
      await on.engine.owner.query<{ id: string }>(
        `select id from chat.message where conversation_id = $1 and type = 'system'`,
        [conversationId],
      )
    )[0]!;
  const revOf = async (conversationId: string) =>
    (
      await on.engine.owner.query<{ rev: number }>(`select rev from chat.conversation where id = $1`, [conversationId])
    )[0]!.rev;
  const count = async (table: string, { id }: { id: string }) =>
    (await on.engine.owner.query(`select 1 from chat.${table} where message_id = $1`, [id])).length;

  describe('edits', () => {
    it('replace the body and keep the old one', async () => {
      const [anna, ben] = [await on.service.connect(), await on.service.connect()];
      on.service.usernames.set('ben', ben);
      const conversationId = await on.service.group(anna, ben);
      const message = await said(anna, conversationId, 'frist');
      await react(ben, message);
      const { message: edited } = await edit(anna, message, 'first, @ben');
      expect(edited).toMatchObject({
        ...message,
        rev: message.rev + 2,
        body: 'first, @ben',
        mentions: [ben],
        reactions: [{ emoji: '👍', count: 1, userIds: [ben], mine: false }],
        editedAt: expect.any(String),
      });
      await isPublished(edited);
      const { payload, id } = updates(ben, message).at(-1)!;
      expect(id).toBe(`${conversationId}:${edited.rev}`);
      expect(payload).toEqual({ message: { ...edited, reactions: [{ emoji: '👍', count: 1, userIds: [ben] }] } });
      expect(updates(anna, message).at(-1)!.payload).toEqual(payload);
      const kept = await on.engine.owner.query(`select rev, body from chat.message_edit where message_id = $1`, [
        message.id,
      ]);
      expect(kept).toEqual([{ rev: edited.rev, body: 'frist' }]);
      expect((await edit(anna, message, 'without')).message.mentions).toEqual([]);
    });

    it('that change nothing take no rev and publish nothing', async () => {
      const anna = await on.service.connect();
      const conversationId = await on.service.group(anna);
      const message = await said(anna, conversationId);
      const rev = await revOf(conversationId);
      expect((await edit(anna, message, 'hello')).message).toEqual(message);
      expect(await revOf(conversationId)).toBe(rev);
      await isPublished((await edit(anna, message, 'other')).message);
      expect(updates(anna, message)).toHaveLength(1);
    });

    it('are for the sender while they may write', async () => {
      const [anna, ben] = [newId(), newId()];
      const conversationId = await on.service.group(anna, ben);
      const message = await said(ben, conversationId);
      expect(await codeOf(edit(anna, message, 'mine'))).toBe('forbidden');
      expect(await codeOf(edit(anna, await systemIn(conversationId), 'mine'))).toBe('forbidden');
      expect(await codeOf(edit(newId(), message, 'mine'))).toBe('not_found');
      expect(await codeOf(edit(ben, { id: newId() }, 'mine'))).toBe('not_found');
      const forward = (await on.service.send(ben, { conversationId, body: '', forwardOf: message.id })).message;
      expect(await codeOf(edit(ben, forward, 'other'))).toBe('forbidden');
      await setMember(conversationId, ben, `status = 'muted'`);
      expect(await codeOf(edit(ben, message, 'b'))).toBe('muted');
      await setMember(conversationId, ben, `status = 'banned'`);
      expect(await codeOf(edit(ben, message, 'b'))).toBe('banned');
      await setMember(conversationId, ben, `status = 'active', left_at = now()`);
      expect(await codeOf(edit(ben, message, 'b'))).toBe('not_found');
      await setMember(conversationId, ben, `left_at = null`);
      await on.engine.owner.query(`update chat.conversation set kind = 'channel' where id = $1`, [conversationId]);
      expect(await codeOf(edit(ben, message, 'b'))).toBe('forbidden');
      await on.engine.owner.query(`update chat.conversation set kind = 'group' where id = $1`, [conversationId]);
      await remove(ben, message);
      expect(await codeOf(edit(ben, message, 'b'))).toBe('conflict');
    });

    it.each([
      ['slow mode', { slowModeSeconds: 1 }],
      ['a reaction gate', { reactionGate: 1 }],
    ])('are allowed to members for 5 minutes, and to creator and admins always, under %s', async (_rule, policy) => {
      const [anna, ben, cara] = [newId(), newId(), newId()];
      const conversationId = await on.service.group(anna, ben, cara);
      await on.service.ask('member.update.v1', anna, { conversationId, userId: cara, role: 'admin' });
      const sent: Message[] = [];
      for (const by of [anna, ben, cara]) sent.push(await said(by, conversationId));
      const messages = () => sent.map((message) => codeOf(edit(message.senderId, message, newId())));
      const age = (interval: string) =>
        on.engine.owner.query(
          `update chat.message set created_at = created_at - $2::interval where conversation_id = $1 and type <> 'system'`,
          [conversationId, interval],
        );
      await age('1 day');
      expect(await Promise.all(messages())).toEqual(['answered', 'answered', 'answered']);
      await on.service.ask('conversation.update.v1', anna, { conversationId, policy });
      expect(await Promise.all(messages())).toEqual(['answered', 'forbidden', 'answered']);
      await age('-1 day');
      await age('4 minutes');
      expect(await Promise.all(messages())).toEqual(['answered', 'answered', 'answered']);
      await age('1 minute');
      expect(await Promise.all(messages())).toEqual(['answered', 'forbidden', 'answered']);
      expect(await codeOf(remove(ben, sent[1]!))).toBe('answered');
    });

    it('never mention the new holder of a username that the message named before', async () => {
      const [anna, former, holder] = [newId(), newId(), newId()];
      const conversationId = await on.service.group(anna, former, holder);
      on.service.usernames.set('moved', former);
      const message = await said(anna, conversationId, 'hello @moved');
      expect(message.mentions).toEqual([former]);
      on.service.usernames.set('moved', holder);
      on.service.usernames.set('other', former);
      expect((await edit(anna, message, 'hello again @moved')).message.mentions).toEqual([]);
      expect((await edit(anna, message, 'hello @moved and @other')).message.mentions).toEqual([former]);
    });

    it('are unavailable while auth cannot resolve their mentions', async () => {
      const anna = newId();
      const conversationId = await on.service.group(anna);
      const message = await said(anna, conversationId);
      const alone = await Service.start(on.engine.database, { auth: false });
      expect(await codeOf(alone.call('message.edit.v1', anna, { messageId: message.id, body: '@anna' }))).toBe(
        'unavailable',
      );
      expect(await codeOf(alone.call('message.edit.v1', anna, { messageId: message.id, body: 'plain' }))).toBe(
        'answered',
      );
      await alone.stop();
    });

    it('that are redelivered leave a later edit alone', async () => {
      const anna = await on.service.connect();
      const conversationId = await on.service.group(anna);
      const message = await said(anna, conversationId);
      const controller = new MessagesController(
        newRunner(on.service, on.engine.database),
        on.service.broker,
        new BotOwners(on.engine.database),
      );
      const deliver = async (requestId: string, body: string, redelivered: boolean): Promise<Message> => {
        const caller = { requestId, userId: anna, sessionId: newId(), kind: 'person' as const };
        const payload: RequestPayload<'message.edit.v1'> = { caller, input: { messageId: message.id, body } };
        const answers: unknown[] = [];
        await controller.edit({
          name: 'message.edit.v1',
          payload,
          correlationId: requestId,
          redelivered,
          deadline: undefined,
          reply: (answer) => void answers.push(answer),
          beforeAck: () => undefined,
          refuse: (error) => {
            throw error;
          },
        });
        return (answers[0] as { message: Message }).message;
      };
      const [first, second] = [newId(), newId()];
      await deliver(first, 'one', false);
      const later = await deliver(second, 'two', false);
      expect(await deliver(first, 'one', true)).toEqual(later);
      expect(await deliver(second, 'two', true)).toEqual(later);
      expect(await count('message_edit', message)).toBe(2);
      // Gateways drop a frame that they have seen. Domain events are published for every delivery.
      expect(updates(anna, message).map(({ id }) => id)).toEqual(
        [message.rev + 1, later.rev].map((rev) => `${conversationId}:${rev}`),
      );
      await eventually(() => on.service.updated().filter(({ id }) => id === message.id).length === 4);
    });

    it('are published once the broker is back after a failure after the commit', async () => {
      const failing = await Service.start(on.engine.database, {
        through: new BrokerFailure(['publish']).fail(2).through,
      });
      const anna = newId();
      const conversationId = await on.service.group(anna);
      const message = await said(anna, conversationId);
      const { message: edited } = await failing.call('message.edit.v1', anna, { messageId: message.id, body: 'two' });
      await eventually(() => failing.updated().length > 0);
      expect(failing.updated()).toEqual([edited]);
      expect(await revOf(conversationId)).toBe(edited.rev);
      await failing.stop();
    });
  });

  describe('deletions', () => {
    it('leave a tombstone without any content', async () => {
      const [anna, ben] = [await on.service.connect(), await on.service.connect()];
      const conversationId = await on.service.group(anna, ben);
      const message = await said(anna, conversationId, 'secret');
      await edit(anna, message, 'secret indeed');
      await react(ben, message);
      await pin(anna, message);
      const { message: gone } = await remove(anna, message);
      expect(gone).toEqual({
        id: message.id,
        conversationId,
        seq: message.seq,
        rev: message.rev + 4,
        senderId: anna,
        clientId: message.clientId,
        type: 'text',
        body: '',
        attachments: [],
        mentions: [],
        reactions: [],
        createdAt: message.createdAt,
        editedAt: expect.any(String),
        deletedAt: expect.any(String),
      });
      await isPublished(gone);
      expect(updates(ben, message).at(-1)!.payload).toEqual({ message: gone });
      const [row] = await on.engine.owner.query(
        `select body, mentions, attachments, reactions, pinned_at, pinned_by from chat.message where id = $1`,
        [message.id],
      );
      expect(row).toEqual({
        body: '',
        mentions: [],
        attachments: null,
        reactions: null,
        pinned_at: null,
        pinned_by: null,
      });
      expect([
        await count('message_edit', message),
        await count('reaction', message),
        await count('message_attachment', message),
      ]).toEqual([0, 0, 0]);
      const rev = await revOf(conversationId);
      expect((await remove(anna, message)).message).toEqual(gone);
      expect(await revOf(conversationId)).toBe(rev);
    });

    it('are for the sender, creator and admins', async () => {
      const [anna, admin, ben, cara] = [newId(), newId(), newId(), newId()];
      const conversationId = await on.service.group(anna, admin, ben, cara);
      await setMember(conversationId, admin, `role = 'admin'`);
      const tried = async (userId: string, by: string) => codeOf(remove(userId, await said(by, conversationId)));
      expect([
        await tried(cara, ben),
        await tried(ben, ben),
        await tried(admin, ben),
        await tried(admin, anna),
        await tried(anna, admin),
        await tried(ben, anna),
      ]).toEqual(['forbidden', 'answered', 'answered', 'answered', 'answered', 'forbidden']);
      expect(await codeOf(remove(anna, await systemIn(conversationId)))).toBe('forbidden');
      const message = await said(ben, conversationId);
      await setMember(conversationId, ben, `status = 'muted'`);
      await setMember(conversationId, cara, `status = 'muted'`);
      expect([
        await codeOf(remove(ben, message)),
        await codeOf(remove(cara, message)),
        await codeOf(remove(newId(), message)),
      ]).toEqual(['muted', 'forbidden', 'not_found']);
    });
  });

  describe('reactions', () => {
    it('are counted in the order of their first use', async () => {
      const [anna, ben, cara] = [await on.service.connect(), newId(), newId()];
      const conversationId = await on.service.group(anna, ben, cara);
      const message = await said(anna, conversationId);
      await react(ben, message, '🎉');
      await react(cara, message);
      const answer = (await react(anna, message, '🎉')).message;
      expect(answer.reactions).toEqual([
        { emoji: '🎉', count: 2, userIds: [ben, anna], mine: true },
        { emoji: '👍', count: 1, userIds: [cara], mine: false },
      ]);
      await isPublished(answer);
      expect(updates(anna, message).at(-1)).toMatchObject({
        id: `${conversationId}:${answer.rev}`,
        payload: { reaction: { userId: anna, emoji: '🎉', added: true } },
      });
      expect(updates(anna, message).at(-1)!.payload.message.reactions).toEqual([
        { emoji: '🎉', count: 2, userIds: [ben, anna] },
        { emoji: '👍', count: 1, userIds: [cara] },
      ]);
      await takeBack(ben, message, '🎉');
      const left = (await takeBack(anna, message, '🎉')).message;
      expect(left.reactions).toEqual([{ emoji: '👍', count: 1, userIds: [cara], mine: false }]);
      await isPublished(left);
      expect(updates(anna, message).at(-1)!.payload.reaction).toEqual({ userId: anna, emoji: '🎉', added: false });
      expect((await takeBack(cara, message)).message.reactions).toEqual([]);
    });

    it('that change nothing take no rev and publish nothing', async () => {
      const anna = await on.service.connect();
      const conversationId = await on.service.group(anna);
      const message = await said(anna, conversationId);
      const first = (await react(anna, message)).message;
      expect((await react(anna, message)).message).toEqual(first);
      expect((await takeBack(anna, message, '🎉')).message).toEqual(first);
      await isPublished((await takeBack(anna, message)).message);
      expect(updates(anna, message)).toHaveLength(2);
    });

    it('are counted exactly when many users react through two replicas', async () => {
      const people = range(30).map(() => newId());
      const conversationId = await on.service.group(people[0]!, ...people.slice(1));
      const message = await said(people[0]!, conversationId);
      const other = await Service.start(await on.engine.replica());
      const answers = await Promise.all(
        people.map((userId, n) =>
          (n % 2 ? on.service : other).call('reaction.add.v1', userId, { messageId: message.id, emoji: '👍' }),
        ),
      );
      const last = answers
        .map(({ message: after }) => after)
        .reduce((newest, after) => (after.rev > newest.rev ? after : newest));
      const [{ userIds, ...summary }] = last.reactions as [Reaction];
      expect(summary).toEqual({ emoji: '👍', count: 30, mine: true });
      expect([userIds.length, new Set(userIds).size]).toEqual([20, 20]);
      expect(new Set(answers.map(({ message: after }) => after.reactions[0]!.count)).size).toBe(30);
      await Promise.all(
        people
          .slice(0, 25)
          .map((userId, n) =>
            (n % 2 ? on.service : other).call('reaction.remove.v1', userId, { messageId: message.id, emoji: '👍' }),
          ),
      );
      const [row] = await on.engine.owner.query<{ reactions: Reaction[] }>(
        `select reactions from chat.message where id = $1`,
        [message.id],
      );
      expect(row!.reactions.map(({ count: n, userIds: who }) => [n, new Set(who)])).toEqual([
        [5, new Set(people.slice(25))],
      ]);
      await other.stop();
    });

    it('with the same emoji are one, with or without variation selectors', async () => {
      const [anna, ben] = [await on.service.connect(), newId()];
      const conversationId = await on.service.group(anna, ben);
      const message = await said(anna, conversationId);
      await react(anna, message, '❤');
      await react(anna, message, '❤️');
      await react(ben, message, '❤️');
      await react(ben, message, '👍️');
      const { reactions } = (await react(anna, message, '👍')).message;
      expect(reactions.map(({ emoji: key, count: n }) => [key, n])).toEqual([
        ['❤️', 2],
        ['👍', 2],
      ]);
      await takeBack(ben, message, '❤');
      expect((await takeBack(anna, message, '👍️')).message.reactions.map(({ count: n }) => n)).toEqual([1, 1]);
      for (const no of ['a', '👍👍', '👩‍👩'])
        expect([await codeOf(react(anna, message, no)), await codeOf(takeBack(anna, message, no))]).toEqual([
          'invalid',
          'invalid',
        ]);
    });

    it('of earlier versions are united with the next reaction', async () => {
      const [anna, ben, cara] = [await on.service.connect(), newId(), newId()];
      const conversationId = await on.service.group(anna, ben, cara);
      const message = await said(anna, conversationId);
      const stored: [string, string[]][] = [
        ['❤', [anna, ben]],
        ['👩‍👩', [anna]],
        ['❤️', [ben, cara]],
      ];
      for (const [key, users] of stored)
        await on.engine.owner.query(
          `insert into chat.reaction (conversation_id, message_id, emoji, user_id, created_at) select $1, $2, $3, u, now() from unnest($4::uuid[]) u`,
          [conversationId, message.id, key, users],
        );
      await on.engine.owner.query(`update chat.message set reactions = $2::jsonb where id = $1`, [
        message.id,
        JSON.stringify(stored.map(([key, users]) => ({ emoji: key, count: users.length, userIds: users }))),
      ]);
      const summary = ({ reactions }: Message) => reactions.map(({ emoji: key, count: n }) => [key, n]);
      const united = (await react(cara, message, '❤️')).message;
      expect(united.rev).toBeGreaterThan(message.rev);
      expect(summary(united)).toEqual([
        ['👩‍👩', 1],
        ['❤️', 3],
      ]);
      expect(summary((await takeBack(ben, message, '❤')).message)).toEqual([
        ['👩‍👩', 1],
        ['❤️', 2],
      ]);
      expect(summary((await takeBack(anna, message, '👩‍👩')).message)).toEqual([['❤️', 2]]);
      expect(await codeOf(react(anna, message, '👩‍👩'))).toBe('invalid');
    });

    it('are limited to 50 different emojis', async () => {
      const [anna, ben] = [newId(), newId()];
      const conversationId = await on.service.group(anna, ben);
      const message = await said(anna, conversationId);
      for (const n of range(50)) await react(anna, message, emoji(n));
      expect(await codeOf(react(anna, message, emoji(50)))).toBe('too_large');
      expect((await react(ben, message, emoji(0))).message.reactions).toHaveLength(50);
    });

    it('are for every member who is not muted, also in channels', async () => {
      const [anna, ben] = [newId(), newId()];
      const { conversation } = await on.service.create(anna, { kind: 'channel', title: 'news', memberIds: [ben] });
      const message = await said(anna, conversation.id);
      expect(await codeOf(react(ben, message))).toBe('answered');
      expect([
        await codeOf(react(newId(), message)),
        await codeOf(react(ben, await systemIn(conversation.id))),
      ]).toEqual(['not_found', 'forbidden']);
      await setMember(conversation.id, ben, `status = 'muted'`);
      expect([await codeOf(react(ben, message)), await codeOf(takeBack(ben, message))]).toEqual(['muted', 'muted']);
      await setMember(conversation.id, ben, `status = 'active'`);
      await remove(anna, message);
      expect([await codeOf(react(ben, message)), await codeOf(takeBack(ben, message))]).toEqual([
        'conflict',
        'conflict',
      ]);
    });
  });

  describe('pins', () => {
    it('are for creator and admins', async () => {
      const [anna, ben] = [await on.service.connect(), newId()];
      const conversationId = await on.service.group(anna, ben);
      const message = await said(ben, conversationId);
      expect(await codeOf(pin(ben, message))).toBe('forbidden');
      const pinned = (await pin(anna, message)).message;
      expect(pinned).toEqual({ ...message, rev: message.rev + 1, pinnedAt: expect.any(String) });
      await isPublished(pinned);
      expect(updates(anna, message).at(-1)!.payload).toEqual({ message: pinned });
      expect((await pin(anna, message)).message).toEqual(pinned);
      const { pinnedAt: _pinnedAt, ...unpinned } = pinned;
      expect((await unpin(anna, message)).message).toEqual({ ...unpinned, rev: pinned.rev + 1 });
      expect((await unpin(anna, message)).message.rev).toBe(pinned.rev + 1);
      expect(await codeOf(pin(anna, await systemIn(conversationId)))).toBe('forbidden');
      await remove(ben, message);
      expect(await codeOf(pin(anna, message))).toBe('conflict');
    });

    it('are limited to 100 in a conversation', async () => {
      const anna = newId();
      const conversationId = await on.service.group(anna);
      const [first, ...others] = await Promise.all(range(101).map(() => said(anna, conversationId)));
      await on.engine.owner.query(
        `update chat.message set pinned_at = now(), pinned_by = sender_id where id = any($1::uuid[])`,
        [others.map(({ id }) => id)],
      );
      expect(await codeOf(pin(anna, first!))).toBe('too_large');
      await unpin(anna, others[0]!);
      expect(await codeOf(pin(anna, first!))).toBe('answered');
    });
  });

  it('are refused in a direct conversation only while one of the two blocks the other', async () => {
    const [anna, ben] = [newId(), newId()];
    const { conversation } = await on.service.create(anna, { kind: 'direct', memberIds: [ben] });
    const message = await said(anna, conversation.id);
    expect(await codeOf(pin(ben, message))).toBe('answered');
    await on.engine.owner.query(`insert into chat.block (blocker_id, blocked_id, created_at) values ($1, $2, now())`, [
      anna,
      ben,
    ]);
    const tries = [
      edit(anna, message, 'b'),
      react(ben, message),
      takeBack(ben, message),
      pin(anna, message),
      unpin(ben, message),
    ];
    expect(await Promise.all(tries.map(codeOf))).toEqual(tries.map(() => 'blocked'));
    expect(await codeOf(remove(anna, message))).toBe('answered');
  });
});
