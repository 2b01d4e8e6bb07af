import { expect } from 'vitest';
import type { Database } from '@parley/store';

/**
 * Checks the invariants of a conversation after any history of commands: `seq` without gaps, each `rev` of one row
 * only, an exact count of members, and `rev` the greatest of all.
 */
export async function expectConsistent(owner: Database, conversationId: string): Promise<void> {
  const [conversation] = await owner.query<{
    last_seq: number;
    rev: number;
    conversation_rev: number;
    members_rev: number;
    member_count: number;
  }>(`select last_seq, rev, conversation_rev, members_rev, member_count from chat.conversation where id = $1`, [
    conversationId,
  ]);
  const messages = await owner.query<{ seq: number; rev: number }>(
    `select seq, rev from chat.message where conversation_id = $1 order by seq`,
    [conversationId],
  );
  const members = await owner.query<{ rev: number; counted: boolean }>(
    `select rev, left_at is null and status <> 'banned' as counted from chat.member where conversation_id = $1 order by rev`,
    [conversationId],
  );
  const { last_seq, rev, conversation_rev, members_rev, member_count } = conversation!;
  expect(messages.map(({ seq }) => seq)).toEqual(Array.from({ length: last_seq }, (_, at) => at + 1));
  expect(member_count).toBe(members.filter(({ counted }) => counted).length);
  expect(members_rev).toBe(members.at(-1)?.rev);
  // The members of a new conversation share its first rev. Later ones belong to one row each.
  const revs = [
    ...messages.map((message) => message.rev),
    ...members.map((member) => member.rev).filter((one) => one > 1),
  ];
  expect(new Set(revs).size).toBe(revs.length);
  expect(Math.max(conversation_rev, ...revs)).toBe(rev);
}
