import type { News } from '../commands/publisher.js';
import type { Changed, Command } from '../commands/change.js';
import { invalid, knownUsers } from './users.js';
import type { Broker } from '@parley/broker';
import type { Row, Sql } from '@parley/store';

type Done = Changed<Record<string, never>>;
interface People {
  readonly database: Sql;
  readonly broker: Broker;
}

/** Puts somebody on the caller's list, or leaves them there. Refuses those who do not exist, and oneself. */
export async function addContact(
  { database, broker }: People,
  { caller: { userId: owner } }: Command,
  userId: string,
): Promise<Done> {
  await demandOther(broker, owner, userId);
  await database.query(
    `insert into chat.contact (owner_id, user_id, created_at) values ($1, $2, now()) on conflict do nothing`,
    [owner, userId],
  );
  return { answer: {}, news: [] };
}

/** Takes somebody off the list, who need not be on it. */
export async function removeContact(
  { database }: People,
  { caller: { userId: owner } }: Command,
  userId: string,
): Promise<Done> {
  await database.query(`delete from chat.contact where owner_id = $1 and user_id = $2`, [owner, userId]);
  return { answer: {}, news: [] };
}

/** Blocks somebody. Refuses those who do not exist, and oneself. */
export async function addBlock({ database, broker }: People, command: Command, userId: string): Promise<Done> {
  const { userId: blocker } = command.caller;
  await demandOther(broker, blocker, userId);
  const rows = await database.query(
    `insert into chat.block (blocker_id, blocked_id, created_at) values ($1, $2, now()) on conflict do nothing returning 1`,
    [blocker, userId],
  );
  return { answer: {}, news: changed(command, userId, true, rows) };
}

/** Blocks somebody no more, who need not be blocked. */
export async function removeBlock({ database }: People, command: Command, userId: string): Promise<Done> {
  const rows = await database.query(`delete from chat.block where blocker_id = $1 and blocked_id = $2 returning 1`, [
    command.caller.userId,
    userId,
  ]);
  return { answer: {}, news: changed(command, userId, false, rows) };
}

async function demandOther(broker: Broker, own: string, userId: string): Promise<void> {
  if (own === userId) throw invalid('userId', 'must be somebody else');
  await knownUsers(broker, [userId]);
}

/** Told when it changed, and again when an earlier delivery may have changed it. */
const changed = ({ caller, redelivered }: Command, blockedId: string, blocked: boolean, rows: readonly Row[]): News[] =>
  rows.length > 0 || redelivered
    ? [{ publish: 'block.changed.v1', payload: { blockerId: caller.userId, blockedId, blocked } }]
    : [];
