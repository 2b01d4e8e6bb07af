import { BrokerFailure } from '@parley/broker/testing';
import { newId } from '@parley/contracts';
import { codeOf, eventually } from '@parley/testing';
import { describe, expect, inject, it } from 'vitest';
import { engines, running } from '@parley/store/testing';
import { Service } from '../spec/service.js';

describe.each(engines(inject('servers').databaseUrl, 'messages'))('people on %s', (_, open) => {
  const on = running(open, (database) => Service.start(database, { through: failure.through }));
  const failure = new BrokerFailure();

  type Listing = 'contact.add.v1' | 'contact.remove.v1' | 'block.add.v1' | 'block.remove.v1';
  const list = (name: Listing, by: string, userId: string) => on.service.ask(name, by, { userId });
  const rows = (table: string, owner: string, other: string, by: string) =>
    on.engine.owner.query<{ other: string; created_at: Date }>(
      `select ${other} as other, created_at from chat.${table} where ${owner} = $1`,
      [by],
    );
  const changes = (by: string) => on.service.published('block.changed.v1').filter(({ blockerId }) => blockerId === by);

  it('are added to a list once and removed from it by its owner', async () => {
    const [anna, ben] = [newId(), newId()];
    expect(await list('contact.add.v1', anna, ben)).toEqual({});
    const [first] = await rows('contact', 'owner_id', 'user_id', anna);
    await list('contact.add.v1', anna, ben);
    expect(await rows('contact', 'owner_id', 'user_id', anna)).toEqual([first]);
    expect(await rows('contact', 'owner_id', 'user_id', ben)).toEqual([]);
    for (const _time of [1, 2]) expect(await list('contact.remove.v1', anna, ben)).toEqual({});
    expect(await rows('contact', 'owner_id', 'user_id', anna)).toEqual([]);
  });

  it.each(['contact.add.v1', 'block.add.v1'] as const)(
    'are refused by %s when they do not exist or are the caller',
    async (name) => {
      const [anna, ghost] = [newId(), newId()];
      on.service.unknown.add(ghost);
      expect([await codeOf(list(name, anna, ghost)), await codeOf(list(name, anna, anna))]).toEqual([
        'not_found',
        'invalid',
      ]);
    },
  );

  it('are told to gateways when their owner takes them off the contacts', async () => {
    const [anna, ben] = [newId(), newId()];
    await list('contact.add.v1', anna, ben);
    failure.fail(2);
    for (const _time of [1, 2]) await list('contact.remove.v1', anna, ben);
    await list('block.add.v1', anna, ben);
    await eventually(() => expect(changes(anna)).toHaveLength(1));
    expect(on.service.published('contact.removed.v1').filter(({ ownerId }) => ownerId === anna)).toEqual([
      { ownerId: anna, userId: ben },
    ]);
  });

  it('are blocked once, also concurrently', async () => {
    const [anna, ben] = [newId(), newId()];
    await Promise.all([1, 2, 3].map(() => list('block.add.v1', anna, ben)));
    expect(await rows('block', 'blocker_id', 'blocked_id', anna)).toHaveLength(1);
    await eventually(() => expect(changes(anna)).toEqual([{ blockerId: anna, blockedId: ben, blocked: true }]));
    for (const _time of [1, 2]) await list('block.remove.v1', anna, ben);
    await eventually(() =>
      expect(changes(anna)).toEqual([
        { blockerId: anna, blockedId: ben, blocked: true },
        { blockerId: anna, blockedId: ben, blocked: false },
      ]),
    );
  });

  it('have a block published although the broker fails after the commit', async () => {
    const [anna, ben] = [newId(), newId()];
    failure.fail(2);
    await list('block.add.v1', anna, ben);
    await eventually(() => expect(changes(anna)).toEqual([{ blockerId: anna, blockedId: ben, blocked: true }]));
    expect(await rows('block', 'blocker_id', 'blocked_id', anna)).toHaveLength(1);
  });

  it('cannot create or find a direct conversation while one of the two blocks the other', async () => {
    const [anna, ben, cara] = [newId(), newId(), newId()];
    const create = (by: string, other: string, requestId?: string) =>
      on.service.create(by, { kind: 'direct', memberIds: [other] }, requestId);
    const requestId = newId();
    const { conversation } = await create(anna, ben, requestId);
    await list('block.add.v1', anna, ben);
    await list('block.add.v1', anna, cara);
    expect(
      await Promise.all([create(anna, ben), create(ben, anna), create(anna, cara), create(cara, anna)].map(codeOf)),
    ).toEqual(['blocked', 'blocked', 'blocked', 'blocked']);
    // The request that created it gets the same answer again.
    expect(await create(anna, ben, requestId)).toMatchObject({ created: true, conversation: { id: conversation.id } });
    expect(await on.engine.owner.query(`select 1 from chat.direct_pair where $1 in (low, high)`, [cara])).toEqual([]);
    await list('block.remove.v1', anna, ben);
    await list('block.remove.v1', anna, cara);
    expect(await create(ben, anna)).toMatchObject({ created: false, conversation: { id: conversation.id } });
    expect((await create(cara, anna)).created).toBe(true);
    expect(await codeOf(on.service.create(anna, { kind: 'group', memberIds: [ben] }))).toBe('answered');
  });

  it('who block the caller are put into no conversation by them, by none of the ways', async () => {
    const [anna, ben, cara, dora] = [newId(), newId(), newId(), newId()];
    const conversationId = await on.service.group(anna, cara);
    const banned = await on.service.group(anna, ben, cara);
    await list('block.add.v1', ben, anna);
    const requestId = newId();
    for (const kind of ['group', 'channel'] as const)
      expect(
        await codeOf(on.service.create(anna, { kind, visibility: 'public', memberIds: [cara, ben, dora] }, requestId)),
      ).toBe('blocked');
    expect(await codeOf(on.service.create(anna, { kind: 'direct', memberIds: [ben] }))).toBe('blocked');
    expect(await on.engine.owner.query(`select 1 from chat.conversation where id = $1`, [requestId])).toEqual([]);
    expect(await codeOf(on.service.ask('member.add.v1', anna, { conversationId, userId: ben }))).toBe('blocked');
    // The end of a ban puts a member back, but not one who left.
    const setStatus = (by: string, status: string) =>
      codeOf(on.service.ask('member.update.v1', by, { conversationId: banned, userId: ben, status }));
    await on.service.ask('member.update.v1', anna, { conversationId: banned, userId: cara, role: 'admin' });
    expect(await setStatus(anna, 'banned')).toBe('answered');
    for (const status of ['active', 'muted']) expect(await setStatus(anna, status)).toBe('blocked');
    expect(await setStatus(cara, 'active')).toBe('answered');
    expect(await setStatus(anna, 'banned')).toBe('answered');
    expect(await codeOf(on.service.ask('member.remove.v1', anna, { conversationId: banned, userId: ben }))).toBe(
      'answered',
    );
    expect(await setStatus(anna, 'active')).toBe('answered');
    // The caller blocks, or somebody who is not the caller is blocked: both are no obstacle.
    await list('block.add.v1', anna, dora);
    await list('block.add.v1', dora, cara);
    expect(await codeOf(on.service.create(anna, { kind: 'group', memberIds: [cara, dora] }))).toBe('answered');
    expect(await codeOf(on.service.ask('member.add.v1', anna, { conversationId, userId: dora }))).toBe('answered');
    await list('block.remove.v1', ben, anna);
    expect(await codeOf(on.service.ask('member.add.v1', anna, { conversationId, userId: ben }))).toBe('answered');
  });

  it('who block the caller afterwards do not change the repeated answer of a creation or an addition', async () => {
    const [anna, ben] = [newId(), newId()];
    const [created, added] = [newId(), newId()];
    const create = () => on.service.create(anna, { kind: 'group', memberIds: [ben] }, created);
    const conversationId = await on.service.group(anna);
    const add = () => on.service.ask('member.add.v1', anna, { conversationId, userId: ben }, added);
    const before = [await create(), await add()];
    await list('block.add.v1', ben, anna);
    expect([await create(), await add()]).toEqual(before);
  });
});
