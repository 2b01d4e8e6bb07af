import { newId } from '@parley/contracts';
import { eventually } from '@parley/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RecentRemovals } from './recent-removals.js';
import { TestGateway } from '../spec/test-gateway.js';

const [ann, ben] = [newId(), newId()];
const removed = (conversationId: string, users: string[]) => ({
  event: 'conversation:removed',
  users,
  payload: { conversationId, reason: 'removed' },
});
const typing = (conversationId: string) => ({
  event: 'typing',
  users: [ann, ben],
  payload: { conversationId, userId: ben, active: true },
});

describe('recent removals', () => {
  it.each([
    ['message:new', (id: string) => ({ message: { conversationId: id } })],
    ['message:updated', (id: string) => ({ message: { conversationId: id } })],
    ['receipt:updated', (id: string) => ({ conversationId: id })],
    ['conversation:updated', (id: string) => ({ conversation: { id } })],
    ['drawing:line', (id: string) => ({ conversationId: id })],
  ])('withhold %s from removed members until they are readmitted', (event, payloadOf) => {
    const [removals, id] = [new RecentRemovals(), newId()];
    const frame = { event, users: [ann, ben], payload: payloadOf(id) };
    expect(removals.audience(removed(id, [ann]))).toEqual([ann]);
    expect(removals.audience(frame)).toEqual([ben]);
    expect(removals.audience({ ...frame, payload: payloadOf(newId()) })).toEqual([ann, ben]);
    expect(removals.audience(removed(id, [ann]))).toEqual([ann]);
    expect(removals.audience({ event: 'conversation:new', users: [ann], payload: { conversation: { id } } })).toEqual([
      ann,
    ]);
    expect(removals.audience(frame)).toEqual([ann, ben]);
  });

  it('let frames through that are about no conversation', () => {
    const removals = new RecentRemovals();
    removals.audience(removed(newId(), [ann]));
    expect(removals.audience({ event: 'presence:changed', users: [ann], payload: { userId: ben } })).toEqual([ann]);
  });

  it('are forgotten after a while', () => {
    let now = 0;
    const [removals, id] = [new RecentRemovals(10, () => now), newId()];
    removals.audience(removed(id, [ann]));
    now = 29_999;
    expect(removals.audience(typing(id))).toEqual([ben]);
    now = 30_000;
    expect(removals.audience(typing(id))).toEqual([ann, ben]);
  });

  it('are bounded: the oldest are forgotten first', () => {
    const removals = new RecentRemovals(2);
    const [first, second, third] = [newId(), newId(), newId()];
    for (const id of [first, second, first, third]) removals.audience(removed(id, [ann]));
    expect([first, second, third].map((id) => removals.audience(typing(id)))).toEqual([[ben], [ann, ben], [ben]]);
  });
});

describe('the socket of a removed member', () => {
  let gateway: TestGateway;
  beforeAll(async () => void (gateway = await TestGateway.start()));
  afterAll(() => gateway.stop());

  it('gets no frame until it is readmitted', async () => {
    const [leaving, staying] = [await gateway.connect(), await gateway.connect()];
    const [id, users] = [newId(), [leaving.user.id, staying.user.id]];
    const heard: unknown[][] = [];
    leaving.socket.onAny((...event: unknown[]) => void heard.push(event));
    const [seen, message] = [[] as unknown[], (seq: number) => ({ message: { conversationId: id, seq } })];
    staying.socket.on('message:new', (payload) => void seen.push(payload));
    await gateway.push({
      kind: 'users',
      users: [leaving.user.id],
      event: 'conversation:removed',
      payload: { conversationId: id, reason: 'removed' },
    });
    await gateway.push({ kind: 'users', users, event: 'message:new', payload: message(1) });
    await gateway.push({
      kind: 'users',
      users: [leaving.user.id],
      event: 'conversation:new',
      payload: { conversation: { id } },
    });
    await gateway.push({ kind: 'users', users, event: 'message:new', payload: message(2) });
    await eventually(() => expect(seen).toEqual([message(1), message(2)]));
    await eventually(() => expect(heard).toHaveLength(3));
    expect(heard).toEqual([
      ['conversation:removed', { conversationId: id, reason: 'removed' }],
      ['conversation:new', { conversation: { id } }],
      ['message:new', message(2)],
    ]);
  });
});
