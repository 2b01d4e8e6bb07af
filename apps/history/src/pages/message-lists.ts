import {
  decodeCursor,
  DEFAULT_LIMIT,
  encodeCursor,
  fitting,
  hidingThing,
  iso,
  messageColumns,
  outranks,
  pageByTime,
  requireMember,
  toMessage,
  withOwnReactions,
  type ConversationAccess,
  type ListRequest,
  type MessageRow,
  type Moment,
  type Page,
} from '@parley/chat';
import { ChatError, Position, type CallInput, type CallOutput, type Message } from '@parley/contracts';
import type { Row, Sql } from '@parley/store';
import { z } from 'zod';

const OnePosition = z.tuple([Position]);

const PINS = `
  select ${messageColumns('m')} from chat.message m
  where m.conversation_id = $1 and m.pinned_at is not null and m.deleted_at is null and ($2::timestamptz is null or (m.pinned_at, m.id) < ($2::timestamptz, $3::uuid))
  order by m.pinned_at desc, m.id desc limit $4`;

/** A conversation's pinned messages, last pinned first. Does not check access. */
export async function listPins(
  sql: Sql,
  userId: string,
  conversationId: string,
  request: ListRequest,
): Promise<Page<Message>> {
  const { rows, ...next } = await pageByTime(
    'pins',
    request,
    ({ at, id }, limit) => sql.query<MessageRow>(PINS, [conversationId, at, id, limit]),
    (row) => [row.pinned_at!, row.id],
  );
  return { items: await withOwnReactions(sql, userId, rows.map(toMessage)), ...next };
}

const FILES = `
  select ${messageColumns('m')} from chat.message m
  where m.conversation_id = $1 and m.attachments is not null and m.deleted_at is null and ($2::bigint is null or m.seq < $2)
  order by m.seq desc limit $3`;

/** A conversation's messages with files, newest first. Does not check access. */
export async function listFiles(
  sql: Sql,
  userId: string,
  conversationId: string,
  { cursor, limit = DEFAULT_LIMIT }: ListRequest,
): Promise<Page<Message>> {
  const before = cursor === undefined ? undefined : decodeCursor('files', OnePosition, cursor)[0];
  const rows = await sql.query<MessageRow>(FILES, [conversationId, before, limit + 1]);
  const items = fitting(rows.slice(0, limit));
  return {
    items: await withOwnReactions(sql, userId, items.map(toMessage)),
    ...(rows.length > items.length ? { nextCursor: encodeCursor('files', [items.at(-1)!.seq]) } : {}),
  };
}

export const noMessage = (): ChatError => new ChatError('not_found', 'No such message');

/**
 * A message's position and sender, for a member of its conversation. Refuses others like {@link requireMember}, but with
 * the same `not_found` whether the message does not exist or they may not see it.
 */
export async function requireMessage(
  sql: Sql,
  userId: string,
  messageId: string,
): Promise<{ access: ConversationAccess; seq: number; senderId: string; deleted: boolean }> {
  const [row] = await sql.query<{ conversation_id: string; seq: number; sender_id: string; deleted: boolean }>(
    `select conversation_id, seq, sender_id, deleted_at is not null as deleted from chat.message where id = $1`,
    [messageId],
  );
  if (!row) throw noMessage();
  return {
    access: await hidingThing(noMessage, requireMember(sql, row.conversation_id, userId)),
    seq: row.seq,
    senderId: row.sender_id,
    deleted: row.deleted,
  };
}

const EDITS = `
  select e.rev, e.body, e.edited_at from chat.message_edit e
  where e.conversation_id = $1 and e.message_id = $2 and ($3::bigint is null or e.rev < $3) order by e.rev desc limit $4`;
interface EditRow extends Row {
  rev: number;
  body: string;
  edited_at: Moment;
}

/** The bodies that edits replaced, newest first, for creator and admins. Empty for a deleted message. */
export async function listEdits(
  sql: Sql,
  userId: string,
  { messageId, cursor, limit = DEFAULT_LIMIT }: CallInput<'message.edits'>,
): Promise<CallOutput<'message.edits'>> {
  const { access, deleted } = await requireMessage(sql, userId, messageId);
  if (!outranks(access.role, 'member')) throw new ChatError('forbidden', 'Only creator and admins see edits');
  const before = cursor === undefined ? undefined : decodeCursor('edits', OnePosition, cursor)[0];
  const rows = deleted ? [] : await sql.query<EditRow>(EDITS, [access.id, messageId, before, limit + 1]);
  const items = fitting(rows.slice(0, limit));
  return {
    items: items.map(({ body, edited_at }) => ({ body, editedAt: iso(edited_at) })),
    ...(rows.length > items.length ? { nextCursor: encodeCursor('edits', [items.at(-1)!.rev]) } : {}),
  };
}
