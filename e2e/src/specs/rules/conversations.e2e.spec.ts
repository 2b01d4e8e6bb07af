import type { CallArguments, Conversation } from '@parley/contracts';
import { eventually, uniqueName } from '@parley/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { shared } from '../../deployments/modes.js';
import {
  timeIn,
  allCodes,
  codeOf,
  codesOf,
  idsOf,
  namesOf,
  TestDeployment,
  eventsAbout,
} from '../../deployments/test-deployment.js';

describe.each(Object.entries(shared))('the rules of conversations, in %s mode', (_, start) => {
  let deployment: TestDeployment;
  beforeAll(async () => {
    deployment = await TestDeployment.open(start);
  });
  afterAll(() => deployment?.close());

  const me = async (who: Awaited<ReturnType<TestDeployment['guest']>>, conversationId: string) =>
    (await who.http('conversation.get', { conversationId })).conversation.me;

  describe('direct conversations', () => {
    it('exist once per pair, also when both users create one at the same time: 201 once, then 200 with the existing one', async () => {
      const [ann, ben] = await deployment.guests(2);
      const create = (who: typeof ann, other: typeof ann) =>
        who.fetch('POST', '/api/v1/conversations', { kind: 'direct', memberIds: [other.user.id] });
      const answers = await Promise.all([create(ann, ben), create(ben, ann), create(ann, ben), create(ben, ann)]);
      expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 200, 200, 201]);
      const found = answers.map(({ body }) => body as Conversation);
      expect(new Set(idsOf(found)).size).toBe(1);
      for (const one of found)
        expect(one).toMatchObject({
          kind: 'direct',
          visibility: 'private',
          memberCount: 2,
          lastSeq: 0,
          policy: {},
          me: { role: 'creator', status: 'active', unread: 0 },
        });
      expect(found[0]).not.toHaveProperty('title');
      const { id } = found[0]!;
      await deployment.settle(ann, ben);
      for (const who of [ann, ben]) expect(namesOf(eventsAbout(who, id))).toEqual(['conversation:new']);
      expect((await ann.members(id)).map(({ userId, role }) => [userId, role]).toSorted()).toEqual(
        [ann, ben].map(({ user }) => [user.id, 'creator']).toSorted(),
      );
    });

    it('have exactly two members and no description', async () => {
      const [ann, ben, cem] = await deployment.guests(3);
      for (const memberIds of [[], [ben.user.id, cem.user.id]])
        expect(await codesOf(ann, 'conversation.create', { kind: 'direct', memberIds })).toEqual([
          'invalid',
          'invalid',
        ]);
      const conversationId = await deployment.direct(ann, ben);
      for (const change of [{ title: 'x' }, { topic: 'x' }, { color: '#112233' }, { policy: { reactionGate: 1 } }]) {
        expect(await codeOf(ann.http('conversation.update', { conversationId, ...change }))).toBe('forbidden');
      }
      expect(await codeOf(ann.http('member.add', { conversationId, userId: cem.user.id }))).toBe('forbidden');
      expect(await codesOf(ben, 'conversation.leave', { conversationId })).toEqual(['forbidden', 'forbidden']);
      expect(await codeOf(ben.http('conversation.delete', { conversationId }))).toBe('forbidden');
    });
  });

  describe('groups and channels', () => {
    it('everybody writes in a group, only creator and admins in a channel', async () => {
      const [ann, ben] = [await deployment.person(), await deployment.guest()];
      const { id: group } = await deployment.group([ann, ben]);
      expect(await codeOf(ben.send(group, 'hello'))).toBe('ok');
      const { id: channel } = await deployment.group([ann, ben], { kind: 'channel' });
      const { message } = await ann.send(channel, 'news');
      expect(await codesOf(ben, 'message.send', { conversationId: channel, clientId: 'c', body: 'hello' })).toEqual([
        'forbidden',
        'forbidden',
      ]);
      expect(
        await codeOf(
          ben.call('drawing.draw', {
            conversationId: channel,
            line: { id: 'l', color: '#000000', width: 1, points: [0, 0] },
          }),
        ),
      ).toBe('forbidden');
      expect(await codeOf(ben.call('reaction.add', { messageId: message.id, emoji: '👍' }))).toBe('ok');
      expect((await ben.history(channel)).map(({ body }) => body)).toEqual(['', 'news']);
      await ann.http('member.update', { conversationId: channel, userId: ben.user.id, role: 'admin' });
      expect(await codeOf(ben.send(channel, 'hello'))).toBe('ok');
      await ann.http('member.update', { conversationId: channel, userId: ben.user.id, role: 'member' });
      expect(await codeOf(ben.send(channel, 'hello'))).toBe('forbidden');
    });

    it('a guest creates groups but no channels', async () => {
      const ann = await deployment.guest();
      expect(await codesOf(ann, 'conversation.create', { kind: 'channel', title: 'c' })).toEqual([
        'forbidden',
        'forbidden',
      ]);
      expect(await codeOf(ann.call('conversation.create', { kind: 'group', title: 'c', visibility: 'public' }))).toBe(
        'ok',
      );
    });

    it('exactly the members receive `conversation:new`, on every device', async () => {
      const [ann, ben, cem] = await deployment.guests(3);
      const tablet = await deployment.device(ben);
      const { id } = await deployment.group([ann, ben], {
        title: 'plans',
        topic: 'all of them',
        color: '#A1B2C3',
        policy: { membersInvite: true },
      });
      for (const who of [ann, ben, tablet]) {
        const { payload } = await who.waitFor('conversation:new', ({ conversation }) => conversation.id === id);
        expect(payload.conversation).toMatchObject({
          id,
          kind: 'group',
          visibility: 'private',
          title: 'plans',
          topic: 'all of them',
          color: '#a1b2c3',
          createdBy: ann.user.id,
          memberCount: 2,
          policy: { membersInvite: true },
          me: {
            role: who === ann ? 'creator' : 'member',
            status: 'active',
            unread: 0,
            mentions: 0,
            notifications: 'all',
          },
        });
      }
      await deployment.settle(cem);
      expect(eventsAbout(cem, id)).toEqual([]);
    });

    it('the list is ordered by activity, most recent first, in pages, each item with `me` and `lastMessage`', async () => {
      const [ann, ben] = await deployment.guests(2);
      const ids: string[] = [];
      for (const title of ['a', 'b', 'c']) ids.push((await deployment.group([ann, ben], { title })).id);
      const { message } = await ben.send(ids[1]!, 'the newest');
      const first = await ann.http('conversation.list', { limit: 2 });
      expect(idsOf(first.items)).toEqual([ids[1], ids[2]]);
      expect(first.items[0]).toMatchObject({ me: { unread: 1, role: 'creator' }, lastMessage: message });
      const rest = await ann.http('conversation.list', { limit: 2, cursor: first.nextCursor! });
      expect(idsOf(rest.items)).toEqual([ids[0]]);
      expect(rest).not.toHaveProperty('nextCursor');
    });
  });

  describe('public conversations', () => {
    it('are listed and found by a part of the title in any case, ordered by creation or activity, newest first', async () => {
      const [ann, ben] = await deployment.guests(2);
      const word = uniqueName('Öffentlich');
      const ids: string[] = [];
      for (const n of [0, 1, 2])
        ids.push((await deployment.group([ann], { title: `the ${word} ${n}`, visibility: 'public' })).id);
      await deployment.group([ann], { title: `the ${word} in private` });
      await ann.send(ids[0]!, 'newest');
      const found = async (input: CallArguments<'conversation.public'>) =>
        ben.http('conversation.public', { query: word.slice(1, -1).toUpperCase(), ...input });
      const created = await found({ order: 'created' });
      expect(idsOf(created.items)).toEqual([ids[2], ids[1], ids[0]]);
      for (const one of created.items)
        expect([one.me, one.lastMessage, one.memberCount, one.visibility]).toEqual([undefined, undefined, 1, 'public']);
      expect(idsOf((await found({ order: 'active' })).items)).toEqual([ids[0], ids[2], ids[1]]);
      const page = await found({ order: 'created', limit: 2 });
      expect(idsOf(page.items)).toEqual([ids[2], ids[1]]);
      expect(idsOf((await found({ order: 'created', limit: 2, cursor: page.nextCursor! })).items)).toEqual([ids[0]]);
      expect((await ann.http('conversation.public', { query: word })).items[0]).toMatchObject({
        me: { role: 'creator' },
      });
    });

    it('show only their description and member count before joining', async () => {
      const [ann, ben, cem] = await deployment.guests(3);
      const { id: conversationId } = await deployment.group([ann, cem], {
        visibility: 'public',
        title: 'open to all',
        topic: 'come in',
      });
      const { message } = await ann.send(conversationId, 'hello');
      const { conversation } = await ben.http('conversation.get', { conversationId });
      expect(conversation).toMatchObject({
        id: conversationId,
        title: 'open to all',
        topic: 'come in',
        memberCount: 2,
      });
      expect(conversation.me ?? conversation.lastMessage).toBeUndefined();
      expect(
        await allCodes([
          ben.http('conversation.members', { conversationId }),
          ben.http('conversation.history', { conversationId }),
          ben.call('conversation.history', { conversationId }),
          ben.call('conversation.open', { conversationId }),
          ben.http('drawing.get', { conversationId }),
          ben.http('conversation.changes', { conversationId, since: 0 }),
          ben.http('message.pins', { conversationId }),
          ben.http('message.receipts', { messageId: message.id }),
          ben.call('receipt.read', { conversationId, seq: 1 }),
          ben.send(conversationId, 'x'),
          ben.call('reaction.add', { messageId: message.id, emoji: '👍' }),
          ben.call('typing', { conversationId, active: true }),
        ]),
      ).toEqual(['forbidden']);
    });

    it('can be joined by anyone, repeatedly', async () => {
      const [ann, ben, cem] = await deployment.guests(3);
      const { id } = await deployment.group([ann, cem], { visibility: 'public' });
      const joined = await ben.fetch('POST', `/api/v1/conversations/${id}/join`);
      expect(joined).toMatchObject({
        status: 200,
        body: { id, memberCount: 3, me: { role: 'member', status: 'active', unread: 0 } },
      });
      expect(await ben.fetch('POST', `/api/v1/conversations/${id}/join`)).toMatchObject({
        status: 200,
        body: joined.body,
      });
      expect((await ben.call('conversation.join', { conversationId: id })).conversation).toEqual(joined.body);
      await deployment.settle(ann, ben, cem);
      expect(namesOf(eventsAbout(ben, id)).toSorted()).toEqual(['conversation:new', 'member:changed', 'message:new']);
      for (const who of [ann, cem]) {
        const changes = who.eventsOf('member:changed').filter(({ payload }) => payload.conversationId === id);
        expect(changes.map(({ payload }) => payload)).toEqual([
          {
            conversationId: id,
            member: expect.objectContaining({ userId: ben.user.id, role: 'member', status: 'active' }),
            rev: expect.any(Number),
            memberCount: 3,
          },
        ]);
      }
      const { id: secret } = await deployment.group([ann]);
      expect(await codesOf(ben, 'conversation.join', { conversationId: secret })).toEqual(['not_found', 'not_found']);
    });

    it('admit guests unless `policy.guests` is false', async () => {
      const [ann, ben, guest] = [await deployment.person(), await deployment.person(), await deployment.guest()];
      const { id: conversationId } = await deployment.group([ann], { visibility: 'public', policy: { guests: false } });
      expect(await codesOf(guest, 'conversation.join', { conversationId })).toEqual(['forbidden', 'forbidden']);
      expect(await codeOf(ann.http('member.add', { conversationId, userId: guest.user.id }))).toBe('forbidden');
      expect(await codesOf(ben, 'conversation.join', { conversationId })).toEqual(['ok', 'ok']);
    });

    it('show newcomers the whole history as read', async () => {
      const [ann, ben, cem] = await deployment.guests(3);
      const { id: conversationId } = await deployment.group([ann], { visibility: 'public' });
      for (const body of ['one', 'two']) await ann.send(conversationId, body);
      await ben.call('conversation.join', { conversationId });
      await ann.http('member.add', { conversationId, userId: cem.user.id });
      for (const [who, lastSeq] of [
        [ben, 4],
        [cem, 5],
      ] as const) {
        expect(await me(who, conversationId)).toMatchObject({ readSeq: lastSeq, deliveredSeq: lastSeq, unread: 0 });
        expect((await who.history(conversationId)).map(({ body }) => body).slice(0, 3)).toEqual(['', 'one', 'two']);
        expect((await who.http('unread.list', {})).conversations).toEqual([]);
      }
      await ann.send(conversationId, 'three');
      expect([(await me(ben, conversationId))?.unread, (await me(cem, conversationId))?.unread]).toEqual([1, 1]);
    });
  });

  describe('permissions', () => {
    it('somebody who left is not added again within a day by the person who had added them', async () => {
      const [ann, ben, cem] = await deployment.guests(3);
      const { id: conversationId } = await deployment.group([ann, ben, cem]);
      await ann.http('member.update', { conversationId, userId: cem.user.id, role: 'admin' });
      await ben.call('conversation.leave', { conversationId });
      const input = { conversationId, userId: ben.user.id };
      expect(await codeOf(ann.http('member.add', input))).toBe('forbidden');
      expect((await cem.http('member.add', input)).member.userId).toBe(ben.user.id);
      await ben.call('conversation.leave', { conversationId });
      expect(await codeOf(cem.http('member.add', input))).toBe('forbidden');
    });

    it('system messages are written for changes of members, title and creator', async () => {
      const [ann, ben, cem, dan] = await deployment.guests(4);
      const { id: conversationId } = await deployment.group([ann, dan], { visibility: 'public', title: 'before' });
      await ben.call('conversation.join', { conversationId });
      await ben.call('conversation.leave', { conversationId });
      for (const who of [ben, cem]) await ann.http('member.add', { conversationId, userId: who.user.id });
      await ann.http('member.remove', { conversationId, userId: ben.user.id });
      await ann.http('member.update', { conversationId, userId: cem.user.id, status: 'banned' });
      await ann.http('conversation.update', { conversationId, title: 'after', topic: 'a topic alone tells nothing' });
      await ann.http('conversation.update', { conversationId, topic: 'another' });
      await ann.http('member.update', { conversationId, userId: dan.user.id, role: 'creator' });
      const history = await dan.history(conversationId);
      expect(
        history.map(({ type, senderId, body, system }) => [
          type,
          senderId === ann.user.id,
          body,
          system?.kind,
          system?.userId,
        ]),
      ).toEqual([
        ['system', true, '', 'created', undefined],
        ['system', false, '', 'joined', undefined],
        ['system', false, '', 'left', undefined],
        ['system', true, '', 'added', ben.user.id],
        ['system', true, '', 'added', cem.user.id],
        ['system', true, '', 'removed', ben.user.id],
        ['system', true, '', 'banned', cem.user.id],
        ['system', true, '', 'renamed', undefined],
        ['system', true, '', 'creator', dan.user.id],
      ]);
      expect(history[7]!.system).toEqual({ kind: 'renamed', value: 'after' });
      expect(history.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
      expect(await me(dan, conversationId)).toMatchObject({ unread: 0, readSeq: expect.any(Number) });
      expect(await dan.http('unread.list', {})).toEqual({ total: 0, mentions: 0, conversations: [] });
    });

    it('the creator must hand over before leaving while others are there', async () => {
      const [ann, ben, cem] = await deployment.guests(3);
      const { id: conversationId } = await deployment.group([ann, ben, cem]);
      await ann.http('member.update', { conversationId, userId: cem.user.id, role: 'admin' });
      expect(await codeOf(cem.http('member.update', { conversationId, userId: cem.user.id, role: 'creator' }))).toBe(
        'forbidden',
      );
      expect(await codesOf(ann, 'conversation.leave', { conversationId })).toEqual(['conflict', 'conflict']);
      const handed = await ann.fetch('PATCH', `/api/v1/conversations/${conversationId}/members/${ben.user.id}`, {
        role: 'creator',
      });
      expect(handed).toMatchObject({ status: 200, body: { userId: ben.user.id, role: 'creator', status: 'active' } });
      expect((await cem.members(conversationId)).map(({ userId, role }) => [userId, role]).toSorted()).toEqual(
        [
          [ann.user.id, 'admin'],
          [ben.user.id, 'creator'],
          [cem.user.id, 'admin'],
        ].toSorted(),
      );
      for (const userId of [ann, ben].map(({ user }) => user.id))
        await cem.waitFor(
          'member:changed',
          (event) => 'member' in event && event.member.userId === userId && event.member.role !== 'member',
        );
      const from = cem.events.length;
      expect(await ann.fetch('POST', `/api/v1/conversations/${conversationId}/leave`)).toMatchObject({
        status: 204,
        body: '',
      });
      expect((await ann.waitFor('conversation:removed')).payload).toEqual({ conversationId, reason: 'left' });
      expect((await cem.waitFor('member:changed', () => true, 5_000, from)).payload).toEqual({
        conversationId,
        userId: ann.user.id,
        left: true,
        rev: expect.any(Number),
        memberCount: 2,
      });
      expect(await codeOf(ann.call('conversation.open', { conversationId }))).toBe('not_found');
    });

    it('a conversation ends when its creator leaves as the last member', async () => {
      const ann = await deployment.guest();
      const { id: conversationId } = await deployment.group([ann], { visibility: 'public' });
      await ann.call('conversation.leave', { conversationId });
      expect(await codesOf(ann, 'conversation.join', { conversationId })).toEqual(['not_found', 'not_found']);
    });

    it('an admin may do everything except what is left to the creator', async () => {
      const [ann, ben, cem, dan, eve] = await deployment.guests(5);
      const { id: conversationId } = await deployment.group([ann, ben, cem, dan]);
      for (const who of [ben, cem])
        await ann.http('member.update', { conversationId, userId: who.user.id, role: 'admin' });
      const { message } = await dan.send(conversationId, 'spam');
      const member = (who: typeof ann) => ({ conversationId, userId: who.user.id });
      for (const other of [ann, cem]) {
        expect(await codeOf(ben.http('member.remove', member(other)))).toBe('forbidden');
        for (const status of ['muted', 'banned'] as const)
          expect(await codeOf(ben.http('member.update', { ...member(other), status }))).toBe('forbidden');
      }
      expect(await codeOf(ben.http('member.update', { ...member(cem), role: 'member' }))).toBe('forbidden');
      expect(await codeOf(ben.http('member.update', { ...member(dan), role: 'admin' }))).toBe('forbidden');
      expect(await codeOf(ben.http('member.add', { ...member(eve), role: 'admin' }))).toBe('forbidden');
      expect(await codeOf(ben.http('conversation.delete', { conversationId }))).toBe('forbidden');
      expect(await codeOf(ben.http('message.pin', { messageId: message.id }))).toBe('ok');
      expect(await codeOf(ben.call('message.delete', { messageId: message.id }))).toBe('ok');
      expect(await codeOf(ben.http('member.add', member(eve)))).toBe('ok');
      const changed = await ben.fetch('PATCH', `/api/v1/conversations/${conversationId}`, {
        title: 'a',
        topic: 'b',
        color: '#000001',
        policy: { slowModeSeconds: 1 },
      });
      expect(changed).toMatchObject({
        status: 200,
        body: { title: 'a', topic: 'b', color: '#000001', policy: { slowModeSeconds: 1 }, me: { role: 'admin' } },
      });
      const { payload } = await dan.waitFor('conversation:updated', ({ conversation }) => conversation.title === 'a');
      expect(payload.conversation).toMatchObject({
        id: conversationId,
        topic: 'b',
        color: '#000001',
        policy: { slowModeSeconds: 1 },
      });
      for (const status of ['muted', 'banned'] as const)
        expect((await ben.http('member.update', { ...member(dan), status })).member).toMatchObject({
          userId: dan.user.id,
          status,
        });
      expect(await ben.fetch('DELETE', `/api/v1/conversations/${conversationId}/members/${eve.user.id}`)).toMatchObject(
        { status: 204, body: '' },
      );
    });

    it('members invite only with `policy.membersInvite`', async () => {
      const [ann, ben, cem] = await deployment.guests(3);
      const { id: conversationId } = await deployment.group([ann, ben]);
      const invite = () => ben.http('member.add', { conversationId, userId: cem.user.id });
      expect(await codeOf(invite())).toBe('forbidden');
      await ann.http('conversation.update', { conversationId, policy: { membersInvite: true } });
      expect((await invite()).member).toMatchObject({ userId: cem.user.id, role: 'member', status: 'active' });
      expect(
        (await cem.waitFor('conversation:new', ({ conversation }) => conversation.id === conversationId)).payload
          .conversation.me,
      ).toMatchObject({ role: 'member', unread: 0 });
    });
  });

  describe('muted, banned, removed', () => {
    it('a muted member only reads and sends receipts until the mute ends', async () => {
      const [ann, ben] = await deployment.guests(2);
      const { id: conversationId } = await deployment.group([ann, ben]);
      const { message } = await ann.send(conversationId, 'hello');
      const mutedUntil = timeIn(1_200);
      const { member } = await ann.http('member.update', {
        conversationId,
        userId: ben.user.id,
        status: 'muted',
        mutedUntil,
      });
      expect(member).toMatchObject({ status: 'muted', mutedUntil });
      expect(
        (await ben.waitFor('member:changed', (event) => 'member' in event && event.member.status === 'muted')).payload,
      ).toMatchObject({ conversationId, member: { userId: ben.user.id, mutedUntil } });
      expect(await codesOf(ben, 'message.send', { conversationId, clientId: 'early', body: 'x' })).toEqual([
        'muted',
        'muted',
      ]);
      expect(await me(ben, conversationId)).toMatchObject({ status: 'muted', mutedUntil });
      expect((await ben.call('receipt.read', { conversationId, seq: message.seq })).receipt.readSeq).toBe(message.seq);
      await eventually(async () => expect(await codeOf(ben.send(conversationId, 'at last'))).toBe('ok'));
      expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(mutedUntil));
      expect([
        await me(ben, conversationId),
        (await ann.members(conversationId)).find(({ userId }) => userId === ben.user.id),
      ]).toEqual([expect.objectContaining({ status: 'active' }), expect.objectContaining({ status: 'active' })]);
    });

    it('a call that the role does not allow is `forbidden`, even for a muted member', async () => {
      const [ann, ben] = [await deployment.person(), await deployment.guest()];
      const { id: conversationId } = await deployment.group([ann, ben], { kind: 'channel' });
      const { message } = await ann.send(conversationId, 'news');
      await ann.http('member.update', { conversationId, userId: ben.user.id, status: 'muted' });
      expect(await codesOf(ben, 'message.send', { conversationId, clientId: 'c', body: 'x' })).toEqual([
        'forbidden',
        'forbidden',
      ]);
      expect(await codesOf(ben, 'reaction.add', { messageId: message.id, emoji: '👍' })).toEqual(['muted', 'muted']);
    });

    it('a banned user gets `banned` for every call until the ban ends', async () => {
      const [ann, ben] = await deployment.guests(2);
      const tablet = await deployment.device(ben);
      const { id: conversationId } = await deployment.group([ann, ben], { visibility: 'public' });
      const { message } = await ben.send(conversationId, 'hello');
      await ben.sync();
      const bannedUntil = timeIn(1_500);
      expect(
        (await ann.http('member.update', { conversationId, userId: ben.user.id, status: 'banned', bannedUntil }))
          .member,
      ).toMatchObject({ status: 'banned', bannedUntil });
      for (const who of [ben, tablet])
        expect((await who.waitFor('conversation:removed')).payload).toEqual({ conversationId, reason: 'banned' });
      expect(
        await allCodes([
          ben.http('conversation.get', { conversationId }),
          ben.call('conversation.join', { conversationId }),
          ben.call('conversation.leave', { conversationId }),
          ben.send(conversationId, 'x'),
          ben.call('message.edit', { messageId: message.id, body: 'x' }),
          ben.call('receipt.read', { conversationId, seq: 1 }),
          ben.http('drawing.get', { conversationId }),
          ben.http('conversation.me', { conversationId, notifications: 'none' }),
        ]),
      ).toEqual(['banned']);
      expect((await ben.http('conversation.list', {})).items).toEqual([]);
      expect(await ben.call('sync', { cursors: { [conversationId]: 1 } })).toMatchObject({
        changes: [],
        added: [],
        removed: [conversationId],
        complete: true,
      });
      const from = ben.events.length;
      await ann.send(conversationId, 'without them');
      await eventually(async () =>
        expect(idsOf((await ben.http('conversation.list', {})).items)).toEqual([conversationId]),
      );
      expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(bannedUntil));
      expect(
        (await ben.waitFor('conversation:new', ({ conversation }) => conversation.id === conversationId, 10_000, from))
          .payload.conversation.me,
      ).toMatchObject({ status: 'active' });
      expect(eventsAbout(ben, conversationId, from)[0]?.name).toBe('conversation:new');
      expect(await codeOf(ben.send(conversationId, 'back'))).toBe('ok');
    });

    it('for a removed member the conversation no longer exists', async () => {
      const [ann, ben, cem] = await deployment.guests(3);
      const tablet = await deployment.device(ben);
      const { id: conversationId } = await deployment.group([ann, ben, cem]);
      const { message } = await ben.send(conversationId, 'hello');
      await ann.http('member.remove', { conversationId, userId: ben.user.id });
      expect(await codeOf(ben.send(conversationId, 'x')), 'what was acknowledged holds for the next call').toBe(
        'not_found',
      );
      for (const who of [ben, tablet])
        expect((await who.waitFor('conversation:removed')).payload).toEqual({ conversationId, reason: 'removed' });
      const { message: later } = await ann.send(conversationId, 'without them');
      await cem.call('typing', { conversationId, active: true });
      await cem.call('receipt.read', { conversationId, seq: later.seq });
      await cem.call('reaction.add', { messageId: message.id, emoji: '👍' });
      await cem.call('drawing.draw', { conversationId, line: { id: 'l', color: '#000000', width: 1, points: [0, 0] } });
      await ann.http('conversation.update', { conversationId, title: 'without them' });
      await deployment.settle(ben, tablet, cem);
      for (const who of [ben, tablet])
        expect(
          namesOf(eventsAbout(who, conversationId)).slice(
            namesOf(eventsAbout(who, conversationId)).indexOf('conversation:removed') + 1,
          ),
        ).toEqual([]);
      expect(cem.eventsOf('conversation:removed')).toEqual([]);
      expect(
        await allCodes([
          ben.http('conversation.get', { conversationId }),
          ben.call('message.delete', { messageId: message.id }),
          ben.http('message.receipts', { messageId: message.id }),
        ]),
      ).toEqual(['not_found']);
      expect(await ben.call('sync', { cursors: { [conversationId]: 1 } })).toMatchObject({
        changes: [],
        removed: [conversationId],
      });
    });

    it('a deleted conversation is `removed` for all members', async () => {
      const [ann, ben] = await deployment.guests(2);
      const { id: conversationId } = await deployment.group([ann, ben], {
        visibility: 'public',
        title: uniqueName('gone'),
      });
      expect(await ann.fetch('DELETE', `/api/v1/conversations/${conversationId}`)).toMatchObject({
        status: 204,
        body: '',
      });
      for (const who of [ann, ben]) {
        expect((await who.waitFor('conversation:removed')).payload).toEqual({ conversationId, reason: 'deleted' });
        expect(await codesOf(who, 'conversation.join', { conversationId })).toEqual(['not_found', 'not_found']);
        expect(await who.call('sync', { cursors: { [conversationId]: 1 } })).toMatchObject({
          removed: [conversationId],
        });
      }
    });
  });
});
