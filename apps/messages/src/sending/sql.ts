/** The statements of the slow path, which run under the conversations' locks. */
import { messageColumns, type MessageRow } from '@parley/chat';
import type { Attachment, Forwarded } from '@parley/contracts';
import type { Sql } from '@parley/store';
import type { LockedConversation } from '../commands/conversation-rows.js';
import type { ClientKey } from './context.js';

// `limit 1` keeps each look-up an index probe of one partition.
const SENT = `
  select q.n, k.*
  from unnest($1::uuid[], $2::uuid[], $3::text[]) with ordinality as q(conversation_id, sender_id, client_id, n)
  cross join lateral (
    select ${messageColumns('m')}
    from chat.message m where m.conversation_id = q.conversation_id and m.sender_id = q.sender_id and m.client_id = q.client_id limit 1) k`;
/**
 * The messages that are already stored under the keys, by the keys' indexes. Exact under the conversations' locks. No
 * query for an empty list.
 */
export async function findSent(sql: Sql, keys: readonly ClientKey[]): Promise<Map<number, MessageRow>> {
  if (keys.length === 0) return new Map();
  const rows = await sql.query<MessageRow & { n: number }>(SENT, [
    keys.map(({ conversationId }) => conversationId),
    keys.map(({ userId }) => userId),
    keys.map(({ clientId }) => clientId),
  ]);
  return new Map(rows.map(({ n, ...row }) => [n - 1, row as MessageRow]));
}

/** A message to store. */
export interface NewMessage {
  readonly id: string;
  readonly conversationId: string;
  readonly seq: number;
  readonly rev: number;
  readonly senderId: string;
  readonly clientId: string;
  readonly type: string;
  readonly body: string;
  readonly replyTo: string | undefined;
  readonly createdAt: Date;
  readonly mentions: readonly string[];
  readonly attachments: readonly Attachment[];
  readonly forwardedFrom: Forwarded | undefined;
  readonly traceId: string | undefined;
}
const STORE = `
  with advanced as (
    update chat.conversation c set last_seq = a.last_seq, rev = a.rev, active_at = a.active_at
    from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::timestamptz[]) as a(id, last_seq, rev, active_at)
    where c.id = a.id)
  insert into chat.message (id, conversation_id, seq, rev, sender_id, client_id, type, body, reply_to, created_at, mentions, attachments, forwarded_from, trace_id)
  select id, conversation_id, seq, rev, sender_id, client_id, type, body, reply_to, created_at, coalesce(mentions::uuid[], '{}'), attachments::jsonb, forwarded_from::jsonb, trace_id
  from unnest($5::uuid[], $6::uuid[], $7::bigint[], $8::bigint[], $9::uuid[], $10::text[], $11::text[], $12::text[], $13::uuid[], $14::timestamptz[], $15::text[], $16::text[], $17::text[], $18::uuid[])
    as n(id, conversation_id, seq, rev, sender_id, client_id, type, body, reply_to, created_at, mentions, attachments, forwarded_from, trace_id)
  on conflict (conversation_id, sender_id, client_id) do nothing returning 1`;
/**
 * Inserts the messages and advances their conversations in one statement. `conversations` carry their new `last_seq`,
 * `rev` and `active_at`. False when a message with the same `clientId` exists: then the transaction must not commit.
 */
export async function storeMessages(
  sql: Sql,
  conversations: readonly LockedConversation[],
  messages: readonly NewMessage[],
): Promise<boolean> {
  const column = <K extends keyof NewMessage>(key: K) => messages.map((message) => message[key]);
  const stored = await sql.query(STORE, [
    conversations.map(({ id }) => id),
    conversations.map(({ last_seq }) => last_seq),
    conversations.map(({ rev }) => rev),
    conversations.map(({ active_at }) => active_at),
    column('id'),
    column('conversationId'),
    column('seq'),
    column('rev'),
    column('senderId'),
    column('clientId'),
    column('type'),
    column('body'),
    column('replyTo'),
    column('createdAt'),
    messages.map(({ mentions }) => (mentions.length === 0 ? undefined : `{${mentions.join(',')}}`)),
    messages.map(({ attachments }) => (attachments.length === 0 ? undefined : JSON.stringify(attachments))),
    messages.map(({ forwardedFrom }) => forwardedFrom && JSON.stringify(forwardedFrom)),
    column('traceId'),
  ]);
  return stored.length === messages.length;
}

const LINK = `
  with linked as (
    insert into chat.message_attachment (attachment_id, conversation_id, message_id)
    select * from unnest($1::uuid[], $2::uuid[], $3::uuid[]) on conflict do nothing)
  update chat.attachment set attached_at = coalesce(attached_at, $4) where id = any($1::uuid[])`;
/**
 * Records which attachments the messages carry, which makes them visible to members. No query when there are none, the
 * usual case.
 */
export async function linkAttachments(sql: Sql, messages: readonly NewMessage[]): Promise<void> {
  const links = messages.flatMap(({ id, conversationId, attachments }) =>
    attachments.map((attachment) => ({ attachmentId: attachment.id, conversationId, id })),
  );
  if (links.length === 0) return;
  await sql.query(LINK, [
    links.map(({ attachmentId }) => attachmentId),
    links.map(({ conversationId }) => conversationId),
    links.map(({ id }) => id),
    messages[0]!.createdAt,
  ]);
}
