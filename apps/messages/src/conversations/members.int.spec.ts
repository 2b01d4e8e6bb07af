import { BrokerFailure } from '@parley/broker/testing';
import { newId, type ServerEvent } from '@parley/contracts';
import { codeOf, eventually, range } from '@parley/testing';
import { describe, expect, inject, it } from 'vitest';
import { engines, running } from '@parley/store/testing';
import { Service } from '../spec/service.js';
import { expectConsistent } from '../spec/invariants.js';

const inMs = (ms: number): string => new Date(Date.now() + ms).toISOString();

describe.each(engines(inject('servers').databaseUrl, 'messages'))('members on %s', (_, open) => {
  const on = running(open, (database) => Service.start(database, { through: failure.through }));
  const failure = new BrokerFailure();

  const people = (count: number): Promise<string[]> => Promise.all(range(count).map(() => on.service.connect()));
  const publicGroup = async (creator: string, policy = {}): Promise<string> =>
    (await on.service.create(creator, { kind: 'group', visibility: 'public', title: 'open', policy })).conversation.id;
  const join = (userId: string, conversationId: string, requestId?: string) =>
    on.service.ask('conversation.join.v1', userId, { conversationId }, requestId);
  const leave = (userId: string, conversationId: string, requestId?: string) =>
    on.service.ask('conversation.leave.v1', userId, { conversationId }, requestId);
  const add = (by: string, conversationId: string, userId: string, more: { role?: string } = {}, requestId?: string) =>
    on.service.ask('member.add.v1', by, { conversationId, userId, ...more }, requestId);
  const remove = (by: string, conversationId: string, userId: string, requestId?: string) =>
    on.service.ask('member.remove.v1', by, { conversationId, userId }, requestId);
  const update = (by: string, conversationId: string, userId: string, more: object, requestId?: string) =>
    on.service.ask('member.update.v1', by, { conversationId, userId, ...more }, requestId);
  const count = async (conversationId: string): Promise<number> =>
    (
      await on.engine.owner.query<{ member_count: number }>(
        `select member_count from chat.conversation where id = $1`,
        [conversationId],
      )
    )[0]!.member_count;
  const notes = async (conversationId: string) =>
    (
      await on.engine.owner.query<{ sender_id: string; system: object }>(
        `select sender_id, system from chat.message where conversation_id = $1 and type = 'system' order by seq`,
        [conversationId],
      )
    ).slice(1);
  const pushesOf = (userId: string, conversationId: string): [string, unknown][] =>
    on.service.pushed(userId).flatMap(({ event, payload }): [string, unknown][] => {
      const id =
        ('conversation' in payload && payload.conversation.id) ||
        ('message' in payload && payload.message.conversationId) ||
        ('conversationId' in payload && payload.conversationId);
      return id === conversationId ? [[event, payload]] : [];
    });
  const eventsOf = (userId: string, conversationId: string): string[] =>
    pushesOf(userId, conversationId).map(([event]) => event);
  const last = <E extends 'member:changed' | 'conversation:new' | 'conversation:removed'>(
    userId: string,
    conversationId: string,
    event: E,
  ) => pushesOf(userId, conversationId).findLast(([name]) => name === event)?.[1] as ServerEvent<E> | undefined;
  const settled = (conversationId: string) => eventually(() => expectConsistent(on.engine.owner, conversationId));

  it('may join a public conversation', async () => {
    const [anna, ben] = await people(2);
    const conversationId = await publicGroup(anna!);
    await on.service.send(anna!, { conversationId });
    expect(await join(ben!, conversationId)).toMatchObject({
      conversation: {
        id: conversationId,
        lastSeq: 3,
        rev: 5,
        memberCount: 2,
        me: { role: 'member', readSeq: 3, unread: 0 },
      },
    });
    await eventually(() =>
      expect(eventsOf(anna!, conversationId)).toEqual([
        'conversation:new',
        'message:new',
        'message:new',
        'member:changed',
        'message:new',
      ]),
    );
    expect(eventsOf(ben!, conversationId)).toEqual(['conversation:new', 'member:changed', 'message:new']);
    expect(last(ben!, conversationId, 'conversation:new')).toMatchObject({
      conversation: {
        id: conversationId,
        lastSeq: 3,
        rev: 5,
        memberCount: 2,
        lastMessage: { seq: 3, type: 'system', senderId: ben, system: { kind: 'joined' } },
        me: {
          role: 'member',
          status: 'active',
          readSeq: 3,
          deliveredSeq: 3,
          unread: 0,
          mentions: 0,
          notifications: 'all',
        },
      },
    });
    expect(last(anna!, conversationId, 'member:changed')).toMatchObject({
      conversationId,
      rev: 4,
      memberCount: 2,
      member: { userId: ben, role: 'member', status: 'active', readSeq: 3, deliveredSeq: 3 },
    });
    // With the description's `rev` a client would not notice that it missed this event.
    const [row] = await on.engine.owner.query(
      `select conversation_rev, members_rev, rev from chat.conversation where id = $1`,
      [conversationId],
    );
    expect(row).toEqual({ conversation_rev: 1, members_rev: 4, rev: 5 });
    await settled(conversationId);
  });

  it('who join twice are answered twice and announced once', async () => {
    const [anna, ben] = await people(2);
    const conversationId = await publicGroup(anna!);
    const requestId = newId();
    const answers = await Promise.all([
      join(ben!, conversationId, requestId),
      join(ben!, conversationId, requestId),
      join(ben!, conversationId),
    ]);
    const joined = { id: conversationId, memberCount: 2, me: { role: 'member', readSeq: 2, unread: 0 } };
    expect(answers).toMatchObject(range(3).map(() => ({ conversation: joined })));
    expect(await notes(conversationId)).toEqual([{ sender_id: ben, system: { kind: 'joined' } }]);
    await settled(conversationId);
  });

  it('cannot join a private or full conversation, while banned, or as guests where guests are not admitted', async () => {
    const [anna, ben, guest] = await people(3);
    on.service.guests.add(guest!);
    expect(await codeOf(join(ben!, await on.service.group(anna!)))).toBe('not_found');
    expect(await codeOf(join(ben!, newId()))).toBe('not_found');
    expect(await codeOf(join(guest!, await publicGroup(anna!, { guests: false })))).toBe('forbidden');
    expect(await codeOf(join(guest!, await publicGroup(anna!)))).toBe('answered');
    const conversationId = await publicGroup(anna!);
    await join(ben!, conversationId);
    await update(anna!, conversationId, ben!, { status: 'banned' });
    expect(await codeOf(join(ben!, conversationId))).toBe('banned');
    await on.engine.owner.query(`update chat.conversation set member_count = 5000 where id = $1`, [conversationId]);
    expect(await codeOf(join(newId(), conversationId))).toBe('too_large');
    expect(await codeOf(add(anna!, conversationId, newId()))).toBe('too_large');
  });

  it('get nothing from leaving until joining again', async () => {
    const [anna, ben] = await people(2);
    const conversationId = await publicGroup(anna!);
    await join(ben!, conversationId);
    await leave(ben!, conversationId);
    await on.service.send(anna!, { conversationId, clientId: 'after' });
    await eventually(() =>
      on.service.pushed(anna!, 'message:new').some(({ payload }) => payload.message.clientId === 'after'),
    );
    expect(eventsOf(ben!, conversationId).slice(3)).toEqual(['conversation:removed']);
    expect(last(ben!, conversationId, 'conversation:removed')).toEqual({ conversationId, reason: 'left' });
    expect(last(anna!, conversationId, 'member:changed')).toEqual({
      conversationId,
      userId: ben,
      left: true,
      rev: 5,
      memberCount: 1,
    });
    expect(await notes(conversationId)).toEqual([
      { sender_id: ben, system: { kind: 'joined' } },
      { sender_id: ben, system: { kind: 'left' } },
    ]);
    expect(await codeOf(leave(ben!, conversationId))).toBe('forbidden');
    await join(ben!, conversationId);
    await eventually(() => last(ben!, conversationId, 'conversation:new')?.conversation.me?.readSeq === 5);
    await settled(conversationId);
  });

  describe('who left after somebody had added them', () => {
    /** Moves all departures of a conversation into the past. */
    const pass = (conversationId: string, interval: string) =>
      on.engine.owner.query(`update chat.departure set left_at = left_at - $2::interval where conversation_id = $1`, [
        conversationId,
        interval,
      ]);
    const refusal = { code: 'forbidden', message: expect.stringContaining('left after you had added them') as string };

    it.each<[string, (anna: string, ben: string) => Promise<string>]>([
      ['when it was created', (anna, ben) => on.service.group(anna, ben)],
      [
        'later',
        async (anna, ben) => {
          const conversationId = await on.service.group(anna);
          await add(anna, conversationId, ben);
          return conversationId;
        },
      ],
    ])('to it %s are not added to it again by the same person within a day', async (_when, begin) => {
      const [anna, ben] = [newId(), newId()];
      const conversationId = await begin(anna, ben);
      await leave(ben, conversationId);
      await expect(add(anna, conversationId, ben)).rejects.toMatchObject(refusal);
      await expect(add(anna, conversationId, ben, { role: 'admin' })).rejects.toMatchObject(refusal);
      expect(await count(conversationId)).toBe(1);
      await pass(conversationId, '23 hours 59 minutes');
      await expect(add(anna, conversationId, ben)).rejects.toMatchObject(refusal);
      await pass(conversationId, '1 minute');
      expect(await codeOf(add(anna, conversationId, ben))).toBe('answered');
      await leave(ben, conversationId);
      await expect(add(anna, conversationId, ben)).rejects.toMatchObject(refusal);
      await settled(conversationId);
    });

    it('are not added again by taking turns', async () => {
      const [anna, ben, cara] = [newId(), newId(), newId()];
      const conversationId = await on.service.group(anna, ben, cara);
      await update(anna, conversationId, cara, { role: 'admin' });
      await leave(ben, conversationId);
      expect(await codeOf(add(cara, conversationId, ben))).toBe('answered');
      await leave(ben, conversationId);
      for (const by of [anna, cara]) await expect(add(by, conversationId, ben)).rejects.toMatchObject(refusal);
    });

    it('come back by themselves, and are added to other conversations', async () => {
      const [anna, ben] = [newId(), newId()];
      const conversationId = await publicGroup(anna);
      await add(anna, conversationId, ben);
      await leave(ben, conversationId);
      const other = await on.service.group(anna, ben);
      expect(await count(other)).toBe(2);
      expect(await codeOf(join(ben, conversationId))).toBe('answered');
      await leave(ben, conversationId);
      await expect(add(anna, conversationId, ben)).rejects.toMatchObject(refusal);
    });

    it('but had joined by themselves, or were removed, are added at once', async () => {
      const [anna, ben, cara] = [newId(), newId(), newId()];
      const conversationId = await publicGroup(anna);
      await join(ben, conversationId);
      await leave(ben, conversationId);
      expect(await codeOf(add(anna, conversationId, ben))).toBe('answered');
      await add(anna, conversationId, cara);
      await remove(anna, conversationId, cara);
      expect(await codeOf(add(anna, conversationId, cara))).toBe('answered');
    });

    it('are still refused after their departure was delivered again', async () => {
      const [anna, ben, requestId] = [newId(), newId(), newId()];
      const conversationId = await on.service.group(anna, ben);
      failure.fail(1);
      await leave(ben, conversationId, requestId);
      await expect(add(anna, conversationId, ben)).rejects.toMatchObject(refusal);
    });
  });

  it('include the creator, who may leave only as the last member or after handing over', async () => {
    const [anna, ben] = await people(2);
    const conversationId = await publicGroup(anna!);
    await join(ben!, conversationId);
    expect(await codeOf(leave(anna!, conversationId))).toBe('conflict');
    const handed = await update(anna!, conversationId, ben!, { role: 'creator' });
    expect(handed.member).toMatchObject({ userId: ben, role: 'creator', status: 'active' });
    expect(await codeOf(leave(anna!, conversationId))).toBe('answered');
    expect(await codeOf(leave(ben!, conversationId))).toBe('answered');
    await eventually(() => last(ben!, conversationId, 'conversation:removed')?.reason === 'left');
    expect(await codeOf(join(anna!, conversationId))).toBe('not_found');
    await eventually(() =>
      on.service.published('conversation.deleted.v1').some((event) => event.conversationId === conversationId),
    );
    expect(await notes(conversationId)).toEqual([
      { sender_id: ben, system: { kind: 'joined' } },
      { sender_id: anna, system: { kind: 'creator', userId: ben } },
      { sender_id: anna, system: { kind: 'left' } },
    ]);
    const roles = on.service
      .pushed(ben!, 'member:changed')
      .flatMap(({ payload }) =>
        'member' in payload && payload.conversationId === conversationId
          ? [[payload.member.userId, payload.member.role, payload.rev]]
          : [],
      );
    expect(roles.slice(-2)).toEqual([
      [anna, 'admin', 5],
      [ben, 'creator', 6],
    ]);
  });

  it('are added by those who may invite', async () => {
    const [anna, ben, cara, dan] = await people(4);
    const conversationId = await on.service.group(anna!, ben!);
    expect(await codeOf(add(ben!, conversationId, cara!))).toBe('forbidden');
    expect(await add(anna!, conversationId, cara!, { role: 'admin' })).toMatchObject({
      member: { userId: cara, role: 'admin', status: 'active', readSeq: 2, deliveredSeq: 2 },
    });
    expect(await codeOf(add(cara!, conversationId, dan!, { role: 'admin' }))).toBe('forbidden');
    expect(await add(cara!, conversationId, dan!)).toMatchObject({ member: { userId: dan, role: 'member' } });
    expect(await add(anna!, conversationId, dan!, { role: 'admin' })).toMatchObject({
      member: { userId: dan, role: 'member' },
    });
    const ghost = newId();
    on.service.unknown.add(ghost);
    expect(await codeOf(add(anna!, conversationId, ghost))).toBe('not_found');
    expect(await codeOf(add(ben!, conversationId, ghost))).toBe('forbidden');
    await on.service.ask('conversation.update.v1', anna!, {
      conversationId,
      policy: { membersInvite: true, guests: false },
    });
    expect(await codeOf(add(ben!, conversationId, newId()))).toBe('answered');
    const guest = newId();
    on.service.guests.add(guest);
    expect(await codeOf(add(anna!, conversationId, guest))).toBe('forbidden');
    expect(eventsOf(dan!, conversationId)[0]).toBe('conversation:new');
    expect((await notes(conversationId)).map(({ system }) => system)).toEqual([
      { kind: 'added', userId: cara },
      { kind: 'added', userId: dan },
      { kind: 'added', userId: expect.any(String) },
    ]);
    await settled(conversationId);
  });

  it('cannot be added while auth is unavailable', async () => {
    const alone = await Service.start(on.engine.database, { auth: false });
    const [anna, ben] = [newId(), newId()];
    const conversationId = await publicGroup(anna);
    await join(ben, conversationId);
    const ask = (by: string) => codeOf(alone.ask('member.add.v1', by, { conversationId, userId: newId() }));
    expect(await Promise.all([ask(anna), ask(ben)])).toEqual(['unavailable', 'forbidden']);
    await alone.stop();
  });

  it('get nothing after their removal, also while others write', async () => {
    const [anna, ben, cara] = await people(3);
    const conversationId = await on.service.group(anna!, ben!, cara!);
    const before = range(20).map((n) => on.service.send(cara!, { conversationId, clientId: `b${n}` }));
    const removed = remove(anna!, conversationId, ben!);
    const during = range(20).map((n) => on.service.send(cara!, { conversationId, clientId: `d${n}` }));
    await removed;
    const after = range(20).map((n) => on.service.send(cara!, { conversationId, clientId: `a${n}` }));
    await Promise.all([...before, ...during, ...after]);
    const [row] = await on.engine.owner.query<{ rev: number }>(
      `select rev from chat.member where conversation_id = $1 and user_id = $2`,
      [conversationId, ben],
    );
    await eventually(
      () =>
        on.service
          .pushed(anna!, 'message:new')
          .filter(({ payload }) => payload.message.conversationId === conversationId).length === 62,
    );
    expect(eventsOf(ben!, conversationId).at(-1)).toBe('conversation:removed');
    expect(last(ben!, conversationId, 'conversation:removed')).toEqual({ conversationId, reason: 'removed' });
    const heard = on.service
      .pushed(ben!, 'message:new')
      .filter(({ payload }) => payload.message.conversationId === conversationId);
    expect(heard.every(({ payload }) => payload.message.rev < row!.rev)).toBe(true);
    expect(await codeOf(on.service.send(ben!, { conversationId }))).toBe('not_found');
    expect(await notes(conversationId)).toEqual([{ sender_id: anna, system: { kind: 'removed', userId: ben } }]);
    await settled(conversationId);
  });

  it('can be changed only by members with a higher role', async () => {
    const [anna, ben, cara, dan] = await people(4);
    const conversationId = await on.service.group(anna!, ben!, cara!, dan!);
    for (const admin of [ben!, cara!])
      expect(await update(anna!, conversationId, admin, { role: 'admin' })).toMatchObject({
        member: { role: 'admin' },
      });
    const refused: [string, () => Promise<unknown>][] = [
      ['forbidden', () => remove(ben!, conversationId, anna!)],
      ['forbidden', () => remove(ben!, conversationId, cara!)],
      ['forbidden', () => remove(dan!, conversationId, dan!)],
      ['forbidden', () => update(ben!, conversationId, cara!, { status: 'banned' })],
      ['forbidden', () => update(ben!, conversationId, anna!, { status: 'muted' })],
      ['forbidden', () => update(ben!, conversationId, dan!, { role: 'admin' })],
      ['forbidden', () => update(ben!, conversationId, ben!, { role: 'creator' })],
      ['forbidden', () => update(dan!, conversationId, ben!, { status: 'muted' })],
      ['forbidden', () => update(anna!, conversationId, anna!, { status: 'muted' })],
      ['conflict', () => update(anna!, conversationId, anna!, { role: 'member' })],
      ['not_found', () => update(anna!, conversationId, newId(), { status: 'muted' })],
      ['not_found', () => remove(anna!, conversationId, newId())],
      ['not_found', () => update(newId(), conversationId, dan!, { status: 'muted' })],
      ['invalid', () => update(anna!, conversationId, dan!, { status: 'muted', mutedUntil: inMs(-1000) })],
      ['invalid', () => update(anna!, conversationId, dan!, { status: 'banned', bannedUntil: inMs(-1000) })],
      ['invalid', () => update(anna!, conversationId, dan!, { mutedUntil: inMs(1000) })],
      ['invalid', () => update(anna!, conversationId, dan!, { status: 'muted', bannedUntil: inMs(1000) })],
      ['invalid', () => update(anna!, conversationId, dan!, { role: 'creator', status: 'active' })],
    ];
    for (const [code, attempt] of refused) expect(await codeOf(attempt()), String(attempt)).toBe(code);
    expect(await update(ben!, conversationId, dan!, { status: 'muted' })).toMatchObject({
      member: { status: 'muted' },
    });
    expect(await update(anna!, conversationId, cara!, { role: 'member', status: 'muted' })).toMatchObject({
      member: { role: 'member', status: 'muted' },
    });
    await settled(conversationId);
  });

  it('may only leave while they are muted', async () => {
    const [anna, ben, cara] = await people(3);
    const conversationId = await publicGroup(anna!);
    await join(ben!, conversationId);
    await add(anna!, conversationId, cara!, { role: 'admin' });
    const mutedUntil = inMs(3_600_000);
    expect(await update(cara!, conversationId, ben!, { status: 'muted', mutedUntil })).toMatchObject({
      member: { userId: ben, status: 'muted', mutedUntil },
    });
    const { rev } = last(ben!, conversationId, 'member:changed')!;
    expect(await update(cara!, conversationId, ben!, { status: 'muted', mutedUntil })).toMatchObject({
      member: { mutedUntil },
    });
    expect(await codeOf(on.service.send(ben!, { conversationId }))).toBe('muted');
    await leave(ben!, conversationId);
    await join(ben!, conversationId);
    expect(await codeOf(on.service.send(ben!, { conversationId }))).toBe('muted');
    await eventually(() => last(ben!, conversationId, 'conversation:new')?.conversation.me?.mutedUntil === mutedUntil);
    expect(last(ben!, conversationId, 'member:changed')!.rev).toBeGreaterThan(rev);
    const active = await update(cara!, conversationId, ben!, { status: 'active' });
    expect(active.member).not.toHaveProperty('mutedUntil');
    expect(await codeOf(on.service.send(ben!, { conversationId }))).toBe('answered');
    await update(anna!, conversationId, cara!, { status: 'muted' });
    expect(await codeOf(remove(cara!, conversationId, ben!))).toBe('muted');
    expect(await codeOf(update(cara!, conversationId, ben!, { role: 'admin' }))).toBe('forbidden');
    await settled(conversationId);
  });

  it('get nothing during a ban and continue where they were after it', async () => {
    const [anna, ben] = await people(2);
    const conversationId = await publicGroup(anna!);
    await join(ben!, conversationId);
    await update(anna!, conversationId, ben!, { role: 'admin' });
    expect(await update(anna!, conversationId, ben!, { status: 'banned' })).toMatchObject({
      member: { userId: ben, role: 'member', status: 'banned' },
    });
    expect(await count(conversationId)).toBe(1);
    await on.service.send(anna!, { conversationId, clientId: 'meanwhile' });
    await eventually(() =>
      on.service.pushed(anna!, 'message:new').some(({ payload }) => payload.message.clientId === 'meanwhile'),
    );
    expect(eventsOf(ben!, conversationId).at(-1)).toBe('conversation:removed');
    expect(last(ben!, conversationId, 'conversation:removed')!.reason).toBe('banned');
    expect(last(anna!, conversationId, 'member:changed')).toMatchObject({
      member: { userId: ben, status: 'banned' },
      memberCount: 1,
    });
    expect(await codeOf(add(anna!, conversationId, ben!))).toBe('conflict');
    expect(await codeOf(update(anna!, conversationId, ben!, { role: 'creator' }))).toBe('conflict');
    expect(await codeOf(leave(ben!, conversationId))).toBe('banned');
    await update(anna!, conversationId, ben!, { status: 'active' });
    await eventually(() => last(ben!, conversationId, 'conversation:new')?.conversation.me?.unread === 1);
    expect(last(ben!, conversationId, 'conversation:new')).toMatchObject({
      conversation: {
        memberCount: 2,
        me: { role: 'member', readSeq: 2, unread: 1 },
        lastMessage: { clientId: 'meanwhile' },
      },
    });
    expect((await notes(conversationId)).map(({ system }) => system)).toEqual([
      { kind: 'joined' },
      { kind: 'banned', userId: ben },
    ]);
    await settled(conversationId);
  });

  it('who are banned and removed stay banned', async () => {
    const [anna, ben] = await people(2);
    const conversationId = await publicGroup(anna!);
    await join(ben!, conversationId);
    await update(anna!, conversationId, ben!, { status: 'banned' });
    await remove(anna!, conversationId, ben!);
    expect(await codeOf(join(ben!, conversationId))).toBe('banned');
    await update(anna!, conversationId, ben!, { status: 'active' });
    expect([
      await count(conversationId),
      await codeOf(on.service.send(ben!, { conversationId })),
      await codeOf(join(ben!, conversationId)),
    ]).toEqual([1, 'forbidden', 'answered']);
    await settled(conversationId);
  });

  it('are counted and announced again when a ban expires', async () => {
    const [anna, ben] = await people(2);
    const conversationId = await publicGroup(anna!);
    await join(ben!, conversationId);
    await update(anna!, conversationId, ben!, { status: 'banned', bannedUntil: inMs(300) });
    await eventually(() => last(ben!, conversationId, 'conversation:new')?.conversation.rev === 7);
    expect(last(ben!, conversationId, 'conversation:new')).toMatchObject({
      conversation: { memberCount: 2, me: { status: 'active' } },
    });
    await eventually(() =>
      expect(last(anna!, conversationId, 'member:changed')).toMatchObject({
        member: { userId: ben, status: 'active' },
        memberCount: 2,
        rev: 7,
      }),
    );
    expect(last(anna!, conversationId, 'member:changed')).not.toHaveProperty('member.bannedUntil');
    await settled(conversationId);
  });

  it('are shown with their present positions, not with those at joining', async () => {
    const [anna, ben] = await people(2);
    const conversationId = await publicGroup(anna!);
    await join(ben!, conversationId);
    for (const n of range(3)) await on.service.send(anna!, { conversationId, clientId: `n${n}` });
    await on.engine.owner.query(
      `insert into history.cursor (conversation_id, user_id, delivered_seq, read_seq, updated_at) values ($1, $2, 5, 4, now())`,
      [conversationId, ben],
    );
    expect(await update(anna!, conversationId, ben!, { role: 'admin' })).toMatchObject({
      member: { role: 'admin', readSeq: 4, deliveredSeq: 5 },
    });
    await update(anna!, conversationId, ben!, { status: 'banned' });
    await update(anna!, conversationId, ben!, { status: 'active' });
    await eventually(() =>
      expect(last(ben!, conversationId, 'conversation:new')).toMatchObject({
        conversation: { me: { readSeq: 4, deliveredSeq: 5, unread: 1 } },
      }),
    );
  });

  it('of direct conversations cannot be changed', async () => {
    const [anna, ben] = await people(2);
    const { conversation } = await on.service.create(anna!, { kind: 'direct', memberIds: [ben!] });
    const refused = [
      leave(anna!, conversation.id),
      add(anna!, conversation.id, newId()),
      remove(anna!, conversation.id, ben!),
      update(anna!, conversation.id, ben!, { status: 'muted' }),
      update(anna!, conversation.id, ben!, { role: 'creator' }),
    ];
    expect(await Promise.all(refused.map(codeOf))).toEqual(refused.map(() => 'forbidden'));
    expect([await codeOf(join(ben!, conversation.id)), await codeOf(join(newId(), conversation.id))]).toEqual([
      'answered',
      'not_found',
    ]);
  });

  it('are changed once for any number of failures after the commit', async () => {
    const [anna, ben, cara] = await people(3);
    const conversationId = await publicGroup(anna!);
    const commands: [string, (requestId: string) => Promise<unknown>][] = [
      ['join', (requestId) => join(ben!, conversationId, requestId)],
      ['add', (requestId) => add(anna!, conversationId, cara!, {}, requestId)],
      ['promote', (requestId) => update(anna!, conversationId, cara!, { role: 'admin' }, requestId)],
      [
        'mute',
        (requestId) => update(anna!, conversationId, ben!, { status: 'muted', mutedUntil: inMs(60_000) }, requestId),
      ],
      ['ban', (requestId) => update(anna!, conversationId, ben!, { status: 'banned' }, requestId)],
      ['unban', (requestId) => update(anna!, conversationId, ben!, { status: 'active' }, requestId)],
      ['hand over', (requestId) => update(anna!, conversationId, cara!, { role: 'creator' }, requestId)],
      ['leave', (requestId) => leave(ben!, conversationId, requestId)],
      ['remove', (requestId) => remove(cara!, conversationId, anna!, requestId)],
      ['end', (requestId) => leave(cara!, conversationId, requestId)],
    ];
    for (const [what, command] of commands) {
      const [before] = await on.engine.owner.query<{ rev: number }>(`select rev from chat.conversation where id = $1`, [
        conversationId,
      ]);
      const { count: failed } = failure;
      failure.fail();
      expect(await codeOf(command(newId())), what).toBe('answered');
      await eventually(() => failure.count === failed + 1);
      const [after] = await on.engine.owner.query<{ rev: number }>(`select rev from chat.conversation where id = $1`, [
        conversationId,
      ]);
      expect(after!.rev - before!.rev, what).toBe({ promote: 1, mute: 1, unban: 1, end: 1, 'hand over': 3 }[what] ?? 2);
      await settled(conversationId);
    }
    await eventually(() => last(cara!, conversationId, 'conversation:removed') !== undefined);
    expect((await notes(conversationId)).map(({ system }) => (system as { kind: string }).kind)).toEqual([
      'joined',
      'added',
      'banned',
      'creator',
      'left',
      'removed',
    ]);
    expect(eventsOf(ben!, conversationId).filter((event) => event.startsWith('conversation:'))).toEqual([
      'conversation:new',
      'conversation:removed',
      'conversation:new',
      'conversation:removed',
    ]);
    expect(eventsOf(anna!, conversationId).at(-1)).toBe('conversation:removed');
  });

  it.each([1, 2, 3])('are counted and numbered exactly under concurrent commands (seed %i)', async (seed) => {
    let state = seed;
    const random = (below: number): number => {
      state = (state * 48271) % 2147483647;
      return state % below;
    };
    const everybody = range(8).map(() => newId());
    const anybody = (): string => everybody[random(everybody.length)]!;
    const conversationId = await publicGroup(everybody[0]!, { membersInvite: true });
    const moves: ((by: string, whom: string) => Promise<unknown>)[] = [
      (by) => join(by, conversationId),
      (by) => join(by, conversationId),
      (by) => leave(by, conversationId),
      (by, whom) => add(by, conversationId, whom),
      (by, whom) => remove(by, conversationId, whom),
      (by, whom) => update(by, conversationId, whom, { status: 'banned' }),
      (by, whom) => update(by, conversationId, whom, { status: 'active' }),
      (by, whom) => update(by, conversationId, whom, { status: 'muted' }),
      (by, whom) => update(by, conversationId, whom, { role: 'admin' }),
      (by, whom) => update(by, conversationId, whom, { role: 'creator' }),
      (by) => on.service.send(by, { conversationId }),
    ];
    for (let round = 0; round < 10; round++) {
      // The present creator acts often. Others also try commands that are not allowed to them.
      const [creator] = await on.engine.owner.query<{ user_id: string }>(
        `select user_id from chat.member where conversation_id = $1 and role = 'creator'`,
        [conversationId],
      );
      const codes = await Promise.all(
        range(12).map(() => codeOf(moves[random(moves.length)]!(random(2) ? creator!.user_id : anybody(), anybody()))),
      );
      expect(
        codes.filter((code) => code === 'internal' || code === 'unavailable'),
        `seed ${seed}, round ${round}`,
      ).toEqual([]);
      await expectConsistent(on.engine.owner, conversationId);
      const [row] = await on.engine.owner.query(
        `select count(*) as creators from chat.member where conversation_id = $1 and role = 'creator' and left_at is null and status = 'active'`,
        [conversationId],
      );
      expect(row, `seed ${seed}, round ${round}`).toEqual({ creators: 1 });
    }
  });
});
