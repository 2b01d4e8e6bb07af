import { newId, type Receipt } from '@parley/contracts';
import { describe, expect, it } from 'vitest';
import { ReceiptHighWater } from './receipt-high-water.js';

const [conversationId, userId, at] = [newId(), newId(), '2026-01-02T03:04:05.678Z'];
const receipt = (readSeq: number, deliveredSeq: number, who = userId): Receipt => ({
  conversationId,
  userId: who,
  readSeq,
  deliveredSeq,
  at,
});

describe('the receipts that are shown', () => {
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
