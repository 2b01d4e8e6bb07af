import { newId, shardOf } from '@parley/contracts';
import { eventually, range } from '@parley/testing';
import { describe, expect, inject, it } from 'vitest';
import { engines, running } from '@parley/store/testing';
import { Service } from '../spec/service.js';

const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => ({ code: 'answered' }),
    (error: { code: string; details?: unknown }) => ({ code: error.code, details: error.details }),
  );
const codeOf = async (promise: Promise<unknown>): Promise<string> => (await refusal(promise)).code;

describe.each(engines(inject('servers').databaseUrl, 'messages'))('conversation.create on %s', (_, open) => {
  const on = running(open, (database) => Service.start(database));

  it('sends a new group to every member with their own membership', async () => {
    const [anna, ben, cara] = [await on.service.connect(), await on.service.connect(), await on.service.connect()];
    const requestId = newId();
    const { conversation, created } = await on.service.create(
      anna,
      {
        kind: 'group',
        title: 'Tea',
        topic: 'all about it',
        color: '#aabbcc',
        memberIds: [ben, cara, ben, anna],
        policy: { slowModeSeconds: 5 },
      },
      requestId,
    );
    expect(created).toBe(true);
    expect(conversation).not.toHaveProperty('memberIds');
    expect(conversation).toMatchObject({
      id: requestId,
      kind: 'group',
      visibility: 'private',
      title: 'Tea',
      topic: 'all about it',
      color: '#aabbcc',
      createdBy: anna,
      lastSeq: 1,
      rev: 2,
      memberCount: 3,
      policy: { slowModeSeconds: 5 },
      me: {
        role: 'creator',
        status: 'active',
        readSeq: 0,
        deliveredSeq: 0,
        unread: 0,
        mentions: 0,
        notifications: 'all',
      },
      lastMessage: { seq: 1, rev: 2, type: 'system', senderId: anna, body: '', system: { kind: 'created' } },
    });
    await eventually(() => on.service.created().some(({ conversationId }) => conversationId === requestId));
    const roles = [anna, ben, cara].map((userId) =>
      on.service.pushed(userId, 'conversation:new').map(({ payload }) => payload.conversation.me!.role),
    );
    expect(roles).toEqual([['creator'], ['member'], ['member']]);
    expect(on.service.pushed(ben).map(({ event }) => event)).toEqual(['conversation:new', 'message:new']);
    const [event] = on.service.published('conversation.created.v1');
    expect(event!.memberIds.toSorted()).toEqual([anna, ben, cara].toSorted());
    expect(event!.conversation).not.toHaveProperty('me');
    const [row] = await on.engine.owner.query(
      `select conversation_rev, members_rev, rev, last_seq from chat.conversation where id = $1`,
      [requestId],
    );
    expect(row).toEqual({ conversation_rev: 1, members_rev: 1, rev: 2, last_seq: 1 });
  });

  it('answers the same conversation for a redelivered request', async () => {
    const [anna, ben] = [newId(), newId()];
    for (const input of [
      { kind: 'group' as const, memberIds: [ben] },
      { kind: 'direct' as const, memberIds: [ben] },
    ]) {
      const requestId = newId();
      const answers = await Promise.all(range(3).map(() => on.service.create(anna, input, requestId)));
      expect(answers).toEqual(range(3).map(() => answers[0]));
      expect(answers[0]!.created).toBe(true);
    }
  });

  it('keeps one direct conversation per pair, with both people as creators, their ids and no system message', async () => {
    const [anna, ben] = [newId(), await on.service.connect()];
    const first = await on.service.create(anna, { kind: 'direct', memberIds: [ben] });
    const second = await on.service.create(ben, { kind: 'direct', memberIds: [anna] });
    expect(first).toMatchObject({
      created: true,
      conversation: {
        kind: 'direct',
        visibility: 'private',
        lastSeq: 0,
        rev: 1,
        memberCount: 2,
        memberIds: [anna, ben].toSorted(),
        me: { role: 'creator' },
      },
    });
    expect(first.conversation).not.toHaveProperty('lastMessage');
    await eventually(() =>
      expect(on.service.pushed(ben, 'conversation:new').map(({ payload }) => payload.conversation.memberIds)).toEqual([
        [anna, ben].toSorted(),
      ]),
    );
    expect(second).toMatchObject({
      created: false,
      conversation: { id: first.conversation.id, me: { role: 'creator' } },
    });
  });

  it('creates a pair once when both people create it at the same time through two replicas', async () => {
    const other = await Service.start(await on.engine.replica());
    const pairs = range(8).map(() => [newId(), newId()] as const);
    const creations = pairs.map(([anna, ben]) =>
      Promise.all(
        range(8).map((n) =>
          (n % 2 ? on.service : other).create(n % 4 < 2 ? anna : ben, {
            kind: 'direct',
            memberIds: [n % 4 < 2 ? ben : anna],
          }),
        ),
      ),
    );
    for (const answers of await Promise.all(creations)) {
      expect(new Set(answers.map(({ conversation }) => conversation.id)).size).toBe(1);
      expect(answers.filter(({ created }) => created)).toHaveLength(1);
    }
    const [row] = await on.engine.owner.query(
      `select (select count(*) from chat.conversation where kind = 'direct') = (select count(*) from chat.direct_pair) as same`,
    );
    expect(row).toEqual({ same: true });
    await other.stop();
  });

  it('refuses invalid combinations of values', async () => {
    const [anna, ben] = [newId(), newId()];
    const create = (input: Parameters<Service['create']>[1], kind?: 'guest') =>
      codeOf(on.service.create(anna, input, newId(), kind));
    expect(await create({ kind: 'direct' })).toBe('invalid');
    expect(await create({ kind: 'direct', memberIds: [anna] })).toBe('invalid');
    expect(await create({ kind: 'direct', memberIds: [ben, newId()] })).toBe('invalid');
    expect(await create({ kind: 'direct', memberIds: [ben], visibility: 'public' })).toBe('invalid');
    for (const extra of [{ title: 'x' }, { topic: 'x' }, { color: '#000000' }, { policy: { guests: false } }]) {
      expect(await create({ kind: 'direct', memberIds: [ben], ...extra })).toBe('forbidden');
    }
    expect(await create({ kind: 'channel', title: 'news' }, 'guest')).toBe('forbidden');
    expect(await create({ kind: 'group' }, 'guest')).toBe('answered');
    expect(await create({ kind: 'group', memberIds: range(5000).map(() => newId()) })).toBe('too_large');
  });

  it('refuses users that do not exist', async () => {
    const [anna, ben, ghost] = [newId(), newId(), newId()];
    on.service.unknown.add(ghost);
    const requestId = newId();
    const refused = await refusal(on.service.create(anna, { kind: 'group', memberIds: [ben, ghost] }, requestId));
    expect(refused).toEqual({ code: 'not_found', details: { userIds: [ghost] } });
    expect(await on.engine.owner.query(`select 1 from chat.conversation where id = $1`, [requestId])).toEqual([]);
  });

  it('creates a group with the maximum number of members', async () => {
    const { conversation } = await on.service.create(newId(), {
      kind: 'group',
      memberIds: range(4999).map(() => newId()),
    });
    expect(conversation.memberCount).toBe(5000);
  });

  it('is unavailable without auth, without holding up messages of the same shard', async () => {
    const alone = await Service.start(on.engine.database, { auth: false });
    const anna = newId();
    const { conversation } = await alone.create(anna, { kind: 'group' });
    const sameShard = newId(conversation.id);
    expect(shardOf(sameShard)).toBe(shardOf(conversation.id));
    const [creation, message] = await Promise.all([
      codeOf(alone.create(anna, { kind: 'direct', memberIds: [newId()] }, sameShard)),
      alone.send(anna, { conversationId: conversation.id }),
    ]);
    expect([creation, message.message.seq]).toEqual(['unavailable', 2]);
    await alone.stop();
  });
});
