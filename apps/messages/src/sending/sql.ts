import {
  conversationColumns,
  hasBlocks,
  messageColumns,
  statusNow,
  type ConversationRow,
  type MessageRow,
} from '@parley/chat';
import type { Attachment, Forwarded } from '@parley/contracts';
import { without } from '@parley/faults';
import type { Row, Sql } from '@parley/store';

/** A conversation whose row this transaction has locked: nobody else gives out its `seq` and `rev`, or changes its members, until the commit. */
export interface LockedConversation extends ConversationRow {
  kind: 'direct' | 'group' | 'channel';
  visibility: 'private' | 'public';
  conversation_rev: number;
  members_rev: number;
  drawing_rev: number;
  active_at: Date;
  deleted_at: Date | null;
}
/** Always in id order, so that two transactions never wait for each other. */
const LOCK = `
  select ${conversationColumns('c')}, c.conversation_rev, c.members_rev, c.drawing_rev, c.active_at, c.deleted_at
  from chat.conversation c where c.id = any($1::uuid[]) order by c.id for update`;
export const lockConversations = (sql: Sql, ids: readonly string[]): Promise<LockedConversation[]> =>
  sql.query<LockedConversation>(LOCK, [ids]);

export interface Question {
  readonly conversationId: string;
  readonly senderId: string;
  readonly clientId: string;
}
const columns = (questions: readonly Omit<Question, 'clientId'>[]): [string[], string[]] => [
  questions.map(({ conversationId }) => conversationId),
  questions.map(({ senderId }) => senderId),
];

/** What somebody is in a conversation: nulls for one who never was a member. */
export interface Sender extends Row {
  now: Date;
  role: string | null;
  status: string | null;
  left_at: Date | null;
  /** Blocks somebody or is blocked by somebody, anywhere: see `mayBeBlocked`. Not joined with the conversation's other member: planning that costs every small batch more than the second query costs the few that need it. */
  has_blocks: boolean;
}
const SENDERS = `
  select clock_timestamp() as now, m.role, ${statusNow('m')} as status, m.left_at,
    ${hasBlocks('q.sender_id')} as has_blocks
  from unnest($1::uuid[], $2::uuid[]) with ordinality as q(conversation_id, sender_id, n)
  left join chat.member m on m.conversation_id = q.conversation_id and m.user_id = q.sender_id
  order by q.n`;
/** One row for each question, in their order. Exact after {@link lockConversations}. */
export const sendersOf = (sql: Sql, questions: readonly Omit<Question, 'clientId'>[]): Promise<Sender[]> =>
  sql.query<Sender>(SENDERS, columns(questions));

// `limit 1` keeps each look-up an index probe of one partition.
const KNOWN = `
  select q.n, k.*
  from unnest($1::uuid[], $2::uuid[], $3::text[]) with ordinality as q(conversation_id, sender_id, client_id, n)
  cross join lateral (
    select ${messageColumns('m')}
    from chat.message m where m.conversation_id = q.conversation_id and m.sender_id = q.sender_id and m.client_id = q.client_id limit 1) k`;
/** The messages that are stored under the clientIds already, by the questions' positions. Exact after {@link lockConversations}. */
export async function knownOf(sql: Sql, questions: readonly Question[]): Promise<Map<number, MessageRow>> {
  if (questions.length === 0) return new Map();
  const rows = await sql.query<MessageRow & { n: number }>(KNOWN, [
    ...columns(questions),
    questions.map(({ clientId }) => clientId),
  ]);
  return new Map(rows.map(({ n, ...row }) => [n - 1, row as MessageRow]));
}

/** A message to be stored. */
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
  on conflict ${without('dedupe') ? '' : '(conversation_id, sender_id, client_id)'} do nothing returning 1`;
/**
 * Inserts the messages and moves their conversations on, in one statement. The conversations carry their new `last_seq`, `rev` and `active_at`.
 * False when a clientId was known after all: then the transaction must not be committed.
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

const STORE_IF_UNCHANGED = `
  with expected as (select * from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[]) as e(id, known_rev, last_seq, rev)),
  held as (
    select c.id, date_trunc('milliseconds', greatest(clock_timestamp(), c.active_at)) as now
    from expected e join chat.conversation c on c.id = e.id and c.rev = e.known_rev order by c.id for update of c),
  sure as (
    select 1 where (select count(*) from held) = cardinality($1)
      and not exists (select 1 from chat.block b where b.blocker_id = any($5::uuid[])) and not exists (select 1 from chat.block b where b.blocked_id = any($5::uuid[]))),
  advanced as (
    update chat.conversation c set last_seq = e.last_seq, rev = e.rev, active_at = h.now
    from expected e join held h on h.id = e.id cross join sure where c.id = e.id),
  stored as (
    insert into chat.message (id, conversation_id, seq, rev, sender_id, client_id, type, body, created_at, trace_id)
    select n.id, n.conversation_id, n.seq, n.rev, n.sender_id, n.client_id, n.type, n.body, h.now, n.trace_id
    from unnest($6::uuid[], $7::uuid[], $8::bigint[], $9::bigint[], $10::uuid[], $11::text[], $12::text[], $13::text[], $14::uuid[])
      as n(id, conversation_id, seq, rev, sender_id, client_id, type, body, trace_id)
    join held h on h.id = n.conversation_id cross join sure)
  select h.id, h.now from held h cross join sure`;
/**
 * Stores plain messages and moves their conversations on, in one statement and a transaction of its own, if every conversation still has the `rev` that it had `before`, and none of `alone`, who write in direct
 * conversations, blocks anybody or is blocked. Answers the time of the messages by conversation, which is the database's, and never before that of the message before; undefined when nothing was
 * stored. Rejects with a unique violation, and stores nothing, when a clientId is known.
 *
 * What is joined to a row that this has waited for is read as it was before, so nothing else is: that the conversation has its `rev` says that its members have not changed either.
 */
export async function storeIfUnchanged(
  sql: Sql,
  conversations: readonly { readonly before: LockedConversation; readonly after: LockedConversation }[],
  messages: readonly NewMessage[],
  alone: readonly string[],
): Promise<Map<string, Date> | undefined> {
  const column = <K extends keyof NewMessage>(key: K) => messages.map((message) => message[key]);
  const rows = await sql.query<{ id: string; now: Date }>(STORE_IF_UNCHANGED, [
    conversations.map(({ after }) => after.id),
    conversations.map(({ before }) => before.rev),
    conversations.map(({ after }) => after.last_seq),
    conversations.map(({ after }) => after.rev),
    alone,
    column('id'),
    column('conversationId'),
    column('seq'),
    column('rev'),
    column('senderId'),
    column('clientId'),
    column('type'),
    column('body'),
    column('traceId'),
  ]);
  return rows.length === 0 ? undefined : new Map(rows.map(({ id, now }) => [id, now]));
}

const LINK = `
  with linked as (
    insert into chat.message_attachment (attachment_id, conversation_id, message_id)
    select * from unnest($1::uuid[], $2::uuid[], $3::uuid[]) on conflict do nothing)
  update chat.attachment set attached_at = coalesce(attached_at, $4) where id = any($1::uuid[])`;
/** Notes which attachments the messages carry, so that their members see them. No query when they carry none, which is the rule. */
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
