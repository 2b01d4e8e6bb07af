import { newId, type Receipt } from '@parley/contracts';
import { eventually } from '@parley/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestGateway } from '../spec/test-gateway.js';
import { ReceiptHighWater, RecentRemovals } from './push-listener.js';

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
    const seen: unknown[] = [];
    const createdAt = new Date().toISOString();
    const message = (seq: number) => ({ message: { conversationId: id, seq, createdAt } });
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

describe('the receipts that are shown', () => {
  const [conversationId, userId, at] = [newId(), newId(), '2026-01-02T03:04:05.678Z'];
  const receipt = (readSeq: number, deliveredSeq: number, who = userId): Receipt => ({
    conversationId,
    userId: who,
    readSeq,
    deliveredSeq,
    at,
  });

  it('never go back', () => {
    const receipts = new ReceiptHighWater();
    expect(receipts.advance(receipt(0, 3))).toEqual(receipt(0, 3));
    expect(receipts.advance(receipt(3, 5))).toEqual(receipt(3, 5));
    expect(receipts.advance(receipt(0, 5))).toBeUndefined();
    expect(receipts.advance(receipt(3, 5))).toBeUndefined();
  });

  it('combine the positions of two receipts', () => {
    const receipts = new ReceiptHighWater();
    receipts.advance(receipt(0, 9));
    expect(receipts.advance(receipt(4, 4))).toEqual(receipt(4, 9));
  });

  it('are forgotten first for the member who moved longest ago', () => {
    const receipts = new ReceiptHighWater(2);
    const [one, other] = [newId(), newId()];
    receipts.advance(receipt(1, 1));
    expect(receipts.advance(receipt(1, 1, one))).toEqual(receipt(1, 1, one));
    receipts.advance(receipt(2, 2));
    receipts.advance(receipt(1, 1, other));
    expect(receipts.advance(receipt(1, 1))).toBeUndefined();
    expect(receipts.advance(receipt(1, 1, one))).toEqual(receipt(1, 1, one));
  });
});
