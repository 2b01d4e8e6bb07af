import { describe, expect, it } from 'vitest';
import { Id, newId, shardOf } from './index.js';

describe('ids', () => {
  it('are UUIDv7 strings that begin with their time', () => {
    const id = newId(undefined, 0x0193_4567_89ab);
    expect(Id.safeParse(id).success).toBe(true);
    expect(id.startsWith('01934567-89ab-7')).toBe(true);
  });

  it('are all different', () => {
    const ids = Array.from({ length: 10_000 }, () => newId(undefined, 1));
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('place a message in the shard of its conversation, for any number of shards', () => {
    const conversationId = newId();
    const messageId = newId(conversationId);
    for (const shards of [1, 16, 256]) expect(shardOf(messageId, shards)).toBe(shardOf(conversationId, shards));
  });

  it('spread conversations over all shards', () => {
    const seen = new Set(Array.from({ length: 2000 }, () => shardOf(newId())));
    expect(seen.size).toBe(16);
  });
});
