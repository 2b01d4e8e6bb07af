import { newId } from '@parley/contracts';
import { codeOf } from '@parley/testing';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { Chat } from '../spec/chat.js';
import { engines, running } from '@parley/store/testing';
import { Service } from '../spec/service.js';

describe.each(engines(inject('servers').databaseUrl, 'history'))('live events on %s', (_, open) => {
  const on = running(open, (database) => Service.start(database));
  let chat: Chat;
  beforeAll(async () => {
    chat = new Chat(on.engine.owner);
  });

  describe('typing', () => {
    const type = (userId: string, conversationId: string, active = true, connectionId = newId()) =>
      on.service.broker.request('history.typing.v1', { userId, connectionId, conversationId, active });

    it('is pushed to the members except the typing connection', async () => {
      const [anna, ben, gone, banned] = [
        await on.service.connect(),
        await on.service.connect(),
        await on.service.connect(),
        await on.service.connect(),
      ];
      const conversationId = await chat.conversation([anna, ben, gone, banned]);
      await chat.leave(conversationId, gone);
      await chat.member(conversationId, banned, `status = 'banned'`);
      const connectionId = newId();
      await type(anna, conversationId, true, connectionId);
      await type(anna, conversationId, false, connectionId);
      const expected = [true, false].map((active) => ({
        payload: { conversationId, userId: anna, active },
        except: connectionId,
      }));
      for (const userId of [anna, ben]) expect(on.service.pushed(userId, 'typing')).toEqual(expected);
      for (const userId of [gone, banned]) expect(on.service.pushed(userId, 'typing')).toEqual([]);
    });

    it('is refused to users who may not write', async () => {
      const [anna, ben, muted, stranger] = [newId(), newId(), newId(), newId()];
      const channel = await chat.conversation([anna, ben], { kind: 'channel' });
      const group = await chat.conversation([anna, ben, muted], { visibility: 'public' });
      const direct = await chat.conversation([anna, ben], { kind: 'direct' });
      await chat.member(group, muted, `status = 'muted'`);
      await chat.member(channel, ben, `status = 'muted'`);
      await chat.block(ben, anna);
      const codes = [
        type(anna, channel),
        type(ben, channel),
        type(muted, group),
        type(anna, group),
        type(anna, direct),
        type(ben, direct),
        type(stranger, group),
        type(stranger, channel),
        type(anna, newId()),
      ];
      expect(await Promise.all(codes.map(codeOf))).toEqual([
        'answered',
        'forbidden',
        'muted',
        'answered',
        'blocked',
        'blocked',
        'forbidden',
        'not_found',
        'not_found',
      ]);
    });

    it('may be stopped by members who may no longer write', async () => {
      const [anna, muted, gone, banned] = [await on.service.connect(), newId(), newId(), newId()];
      const conversationId = await chat.conversation([anna, muted, gone, banned]);
      await chat.member(conversationId, muted, `status = 'muted'`);
      await chat.leave(conversationId, gone);
      await chat.member(conversationId, banned, `status = 'banned'`);
      expect(await type(muted, conversationId, false)).toEqual({});
      expect(await Promise.all([gone, banned].map((userId) => codeOf(type(userId, conversationId, false))))).toEqual([
        'not_found',
        'banned',
      ]);
      expect(on.service.pushed(anna, 'typing').map(({ payload }) => payload)).toEqual([
        { conversationId, userId: muted, active: false },
      ]);
      expect(await codeOf(type(newId(), conversationId, false))).toBe('not_found');
    });
  });

  describe('a peer signal', () => {
    const signal = (userId: string, to: string, conversationId: string, data: RequestData = { sdp: 'x' }) =>
      on.service.ask('peer.signal.v1', userId, { to, conversationId, data });
    type RequestData = Parameters<typeof on.service.ask<'peer.signal.v1'>>[2]['data'];

    it('goes to all connections of the peer', async () => {
      const [anna, ben] = [newId(), await on.service.connect()];
      const conversationId = await chat.conversation([anna, ben], { kind: 'direct' });
      expect(await signal(anna, ben, conversationId, { candidate: [1, null] })).toEqual({ delivered: true });
      expect(on.service.pushed(ben, 'peer:signal')).toEqual([
        { payload: { from: anna, conversationId, data: { candidate: [1, null] } }, except: undefined },
      ]);
      expect(await signal(ben, anna, conversationId)).toEqual({ delivered: false });
    });

    it('is passed only between the two people of a direct conversation without blocks', async () => {
      const [anna, ben, cara] = [newId(), await on.service.connect(), newId()];
      const direct = await chat.conversation([anna, ben], { kind: 'direct' });
      const group = await chat.conversation([anna, ben]);
      const codes = [
        signal(anna, ben, group),
        signal(cara, ben, direct),
        signal(anna, cara, direct),
        signal(anna, anna, direct),
        signal(anna, ben, newId()),
      ];
      expect(await Promise.all(codes.map(codeOf))).toEqual([
        'forbidden',
        'not_found',
        'not_found',
        'invalid',
        'not_found',
      ]);
      await chat.block(ben, anna);
      expect([await codeOf(signal(anna, ben, direct)), await codeOf(signal(ben, anna, direct))]).toEqual([
        'blocked',
        'blocked',
      ]);
      await chat.unblock(ben, anna);
      expect(await signal(anna, ben, direct)).toEqual({ delivered: true });
      expect(on.service.pushed(ben, 'peer:signal')).toHaveLength(1);
    });
  });

  it('presence is visible to members of a common conversation and to contacts of each other, with the blocks among them', async () => {
    const [anna, ben, cara, dora, friend] = [newId(), newId(), newId(), newId(), newId()];
    const [listed, stranger] = [newId(), newId()];
    await chat.conversation([anna, ben], { kind: 'direct' });
    await chat.conversation([anna, cara, dora]);
    await chat.contact(anna, friend);
    await chat.contact(friend, anna);
    await chat.contact(anna, listed);
    await chat.contact(stranger, anna);
    await chat.block(anna, cara);
    await chat.block(dora, anna);
    await chat.block(anna, stranger);
    await chat.block(ben, cara);
    const { userIds, blocked } = await on.service.broker.request('history.visible.v1', {
      userId: anna,
      userIds: [anna, ben, cara, dora, friend, listed, stranger],
    });
    expect(userIds.toSorted()).toEqual([anna, ben, cara, dora, friend].toSorted());
    expect(blocked.toSorted()).toEqual([cara, dora].toSorted());
  });
});
