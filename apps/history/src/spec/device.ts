import type { Member } from '@parley/contracts';
import type { LocalState } from '@parley/testing';
import { expect } from 'vitest';
import type { Service } from './service.js';

/** Syncs until it is complete, and loads added conversations whole. */
export async function catchUp(service: Service, device: LocalState): Promise<void> {
  for (let complete = false; !complete;) {
    const answer = await service.ask('sync.v1', device.userId, {
      ...(device.epoch === undefined ? {} : { epoch: device.epoch }),
      cursors: device.cursors(),
    });
    device.applySync(answer);
    ({ complete } = answer);
    for (const { id } of answer.added) {
      const opened = await service.ask('conversation.open.v1', device.userId, { conversationId: id, limit: 100 });
      device.applyPage(opened.messages.items);
      device.applyMembers(id, opened.members!);
    }
  }
}

/** Checks that the device has the same state as a new device would load (I9). */
export async function expectFresh(service: Service, device: LocalState): Promise<void> {
  const fresh = await service.ask('conversation.list.v1', device.userId, { limit: 100 });
  expect([...device.conversations.keys()].toSorted()).toEqual(fresh.items.map(({ id }) => id).toSorted());
  for (const { id, me, lastMessage, rev, title, memberCount } of fresh.items) {
    const held = device.conversations.get(id)!;
    const opened = await service.ask('conversation.open.v1', device.userId, { conversationId: id, limit: 100 });
    expect(device.messages(id)).toEqual(opened.messages.items);
    expect([
      held.cursor,
      held.conversation.title,
      device.messages(id).at(-1),
      device.unread(id),
      device.mentions(id),
    ]).toEqual([rev, title, lastMessage, me!.unread, me!.mentions]);
    expect([held.conversation.memberCount, held.mine.notifications, held.mine.unreadFrom]).toEqual([
      memberCount,
      me!.notifications,
      me!.unreadFrom,
    ]);
    const summaries = (members: Iterable<Member>) =>
      [...members].map(({ userId, role, status, joinedAt }) => [userId, role, status, joinedAt]).toSorted();
    expect(summaries(held.members.values())).toEqual(summaries(opened.members!));
    const moved = opened.members!.filter(({ deliveredSeq }) => deliveredSeq > 0);
    expect(moved.map(({ userId }) => held.receipts.get(userId))).toEqual(
      moved.map(({ readSeq, deliveredSeq }) => ({ readSeq, deliveredSeq })),
    );
  }
}
