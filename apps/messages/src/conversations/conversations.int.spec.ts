import { BrokerFailure } from '@parley/broker/testing';
import { newId, type Conversation } from '@parley/contracts';
import { codeOf, eventually, range } from '@parley/testing';
import { describe, expect, inject, it } from 'vitest';
import { engines, running } from '@parley/store/testing';
import { Service } from '../spec/service.js';
import { expectConsistent } from '../spec/invariants.js';

describe.each(engines(inject('servers').databaseUrl, 'messages'))('conversations on %s', (_, open) => {
  const on = running(open, (database) => Service.start(database, { through: failure.through }));
  const failure = new BrokerFailure();

  const people = (count: number): Promise<string[]> => Promise.all(range(count).map(() => on.service.connect()));
  const change = (by: string, conversationId: string, more: object, requestId?: string) =>
    on.service.ask('conversation.update.v1', by, { conversationId, ...more }, requestId);
  const remove = (by: string, conversationId: string, requestId?: string) =>
    on.service.ask('conversation.delete.v1', by, { conversationId }, requestId);
  const rowOf = async (conversationId: string) =>
    (
      await on.engine.owner.query<{
        rev: number;
        title: string;
        folded_title: string;
        topic: string | null;
        visibility: string;
        policy: object;
        deleted_at: Date | null;
      }>(
        `select rev, title, folded_title, topic, visibility, policy, deleted_at from chat.conversation where id = $1`,
        [conversationId],
      )
    )[0]!;
  const updates = (userId: string, conversationId: string): Conversation[] =>
    on.service
      .pushed(userId, 'conversation:updated')
      .map(({ payload }) => payload.conversation)
      .filter(({ id }) => id === conversationId);
  const removals = (userId: string, conversationId: string) =>
    on.service
      .pushed(userId, 'conversation:removed')
      .map(({ payload }) => payload)
      .filter((removed) => removed.conversationId === conversationId);
  const published = (name: 'conversation.updated.v1' | 'conversation.deleted.v1', conversationId: string) =>
    on.service
      .published(name)
      .filter((event) => ('conversation' in event ? event.conversation.id : event.conversationId) === conversationId);

  it('update only the given values', async () => {
    const [anna, ben] = await people(2);
    const {
      conversation: { id },
    } = await on.service.create(anna!, {
      kind: 'group',
      title: 'Tea',
      topic: 'all about it',
      memberIds: [ben!],
      policy: { slowModeSeconds: 5 },
    });
    expect(await change(anna!, id, { title: 'KAFFEE', policy: { membersInvite: true }, topic: '' })).toMatchObject({
      conversation: {
        id,
        title: 'KAFFEE',
        lastSeq: 2,
        rev: 4,
        lastMessage: { seq: 2, system: { kind: 'renamed' } },
        me: { role: 'creator', readSeq: 0, unread: 0 },
      },
    });
    await eventually(() => expect(updates(ben!, id)).toHaveLength(1));
    const [described] = updates(ben!, id);
    expect(described).toMatchObject({
      id,
      title: 'KAFFEE',
      policy: { slowModeSeconds: 5, membersInvite: true },
      lastSeq: 1,
      rev: 3,
      memberCount: 2,
    });
    expect(described).not.toHaveProperty('topic');
    expect(described).not.toHaveProperty('me');
    await eventually(() =>
      expect(on.service.pushed(ben!).at(-1)).toMatchObject({
        event: 'message:new',
        payload: { message: { seq: 2, rev: 4, senderId: anna, system: { kind: 'renamed', value: 'KAFFEE' } } },
      }),
    );
    await eventually(() => expect(published('conversation.updated.v1', id)).toHaveLength(1));
    expect(await rowOf(id)).toMatchObject({ title: 'KAFFEE', folded_title: 'kaffee', topic: null });
    await change(anna!, id, { color: '#AABBCC'.toLowerCase() });
    await eventually(() =>
      expect(updates(ben!, id).at(-1)).toMatchObject({ color: '#aabbcc', title: 'KAFFEE', rev: 5 }),
    );
    await expectConsistent(on.engine.owner, id);
  });

  it('lose title, topic and colour by null or an empty text', async () => {
    const [anna, ben] = await people(2);
    for (const empty of [null, '']) {
      const { conversation: made } = await on.service.create(anna!, {
        kind: 'group',
        title: 'Tea',
        topic: 'all about it',
        color: '#aabbcc',
        memberIds: [ben!],
      });
      const { conversation } = await change(anna!, made.id, { title: empty, topic: empty, color: empty });
      for (const field of ['title', 'topic', 'color']) expect(conversation).not.toHaveProperty(field);
      expect(await rowOf(made.id)).toMatchObject({ title: null, folded_title: null, topic: null });
      await eventually(() => expect(updates(ben!, made.id).at(-1)).not.toHaveProperty('title'));
      expect(conversation.lastMessage?.system).toEqual({ kind: 'renamed' });
    }
  });

  it('publish nothing for values that are already set', async () => {
    const [anna] = await people(1);
    const {
      conversation: { id },
    } = await on.service.create(anna!, { kind: 'group', title: 'Tea', policy: { reactionGate: 1 } });
    for (const more of [
      {},
      { title: 'Tea' },
      { policy: { reactionGate: 1 } },
      { visibility: 'private' },
      { topic: '' },
    ])
      expect(await codeOf(change(anna!, id, more))).toBe('answered');
    expect((await rowOf(id)).rev).toBe(2);
    expect(updates(anna!, id)).toEqual([]);
  });

  it('may be changed according to the role', async () => {
    const [anna, ben, cara] = await people(3);
    const id = await on.service.group(anna!, ben!, cara!);
    await on.service.ask('member.update.v1', anna!, { conversationId: id, userId: ben, role: 'admin' });
    expect(await codeOf(change(cara!, id, { title: 'mine' }))).toBe('forbidden');
    expect(await codeOf(change(newId(), id, { title: 'mine' }))).toBe('not_found');
    expect([
      await codeOf(change(ben!, id, { title: 'ours', policy: { guests: false } })),
      await codeOf(change(ben!, id, { visibility: 'public' })),
      await codeOf(remove(ben!, id)),
    ]).toEqual(['answered', 'forbidden', 'forbidden']);
    expect([await codeOf(change(anna!, id, { visibility: 'public' })), (await rowOf(id)).visibility]).toEqual([
      'answered',
      'public',
    ]);
    await on.service.ask('member.update.v1', anna!, { conversationId: id, userId: ben, status: 'muted' });
    expect(await codeOf(change(ben!, id, { title: 'again' }))).toBe('muted');
    const { conversation: direct } = await on.service.create(anna!, { kind: 'direct', memberIds: [ben!] });
    for (const more of [{ title: 'x' }, { topic: 'x' }, { color: '#000000' }, { policy: {} }, { visibility: 'public' }])
      expect(await codeOf(change(anna!, direct.id, more))).toBe('forbidden');
    expect(await codeOf(remove(anna!, direct.id))).toBe('forbidden');
  });

  it('disappear for everybody when they are deleted', async () => {
    const [anna, ben, cara, dan] = await people(4);
    const id = await on.service.group(anna!, ben!, cara!, dan!);
    await on.service.ask('conversation.leave.v1', cara!, { conversationId: id });
    await on.service.ask('member.update.v1', anna!, { conversationId: id, userId: dan, status: 'banned' });
    expect(await remove(anna!, id)).toEqual({});
    await eventually(() => expect(published('conversation.deleted.v1', id)).toHaveLength(1));
    expect([anna, ben, cara, dan].map((userId) => removals(userId!, id).map(({ reason }) => reason))).toEqual([
      ['deleted'],
      ['deleted'],
      ['left'],
      ['banned'],
    ]);
    const attempts = [
      on.service.send(ben!, { conversationId: id }),
      remove(anna!, id),
      change(anna!, id, { title: 'x' }),
      on.service.ask('conversation.leave.v1', ben!, { conversationId: id }),
    ];
    expect(await Promise.all(attempts.map(codeOf))).toEqual(attempts.map(() => 'not_found'));
    await expectConsistent(on.engine.owner, id);
  });

  it('are changed and deleted once when the broker fails after the commit', async () => {
    const [anna, ben] = await people(2);
    const id = await on.service.group(anna!, ben!);
    const steps: [number, () => Promise<unknown>][] = [
      [2, () => change(anna!, id, { title: 'new', topic: 'newer' })],
      [1, () => change(anna!, id, { color: '#010203' })],
      [1, () => remove(anna!, id)],
    ];
    for (const [revs, step] of steps) {
      const [{ rev }, { count }] = [await rowOf(id), failure];
      failure.fail();
      expect(await codeOf(step())).toBe('answered');
      await eventually(() => failure.count === count + 1);
      expect((await rowOf(id)).rev - rev).toBe(revs);
      // The shard's next command is answered after the previous one was published.
      await codeOf(on.service.send(newId(), { conversationId: id }));
    }
    expect(updates(ben!, id).map(({ rev, lastSeq }) => [rev, lastSeq])).toEqual([
      [3, 1],
      [5, 2],
    ]);
    expect(removals(ben!, id)).toEqual([{ conversationId: id, reason: 'deleted' }]);
    expect(published('conversation.deleted.v1', id)).toHaveLength(1);
    expect(
      on.service
        .pushed(ben!, 'message:new')
        .filter(({ payload }) => payload.message.conversationId === id && payload.message.system?.kind === 'renamed'),
    ).toHaveLength(1);
    await expectConsistent(on.engine.owner, id);
  });

  it('store a folded title', async () => {
    const [anna, guest] = [newId(), newId()];
    on.service.guests.add(guest);
    const { conversation } = await on.service.create(anna, {
      kind: 'channel',
      title: 'ÜBER Ｔea',
      visibility: 'public',
    });
    expect((await rowOf(conversation.id)).folded_title).toBe('uber tea');
    expect(
      await codeOf(on.service.create(anna, { kind: 'group', memberIds: [guest], policy: { guests: false } })),
    ).toBe('forbidden');
    expect(await codeOf(on.service.create(anna, { kind: 'group', memberIds: [guest] }))).toBe('answered');
    expect(
      await codeOf(on.service.create(guest, { kind: 'group', visibility: 'public', title: 'open' }, newId(), 'guest')),
    ).toBe('answered');
  });
});
