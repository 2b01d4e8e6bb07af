import { setTimeout as pause } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Broker, type Delivery } from '@parley/broker';
import {
  accessRefusal,
  Audience,
  deliveredSeq,
  isMemberNow,
  mentionCount,
  readSeq,
  statusNow,
  unreadCount,
  type ConversationAccess,
} from '@parley/chat';
import { type RequestPayload, type ServerEvent } from '@parley/contracts';
import { reached } from '@parley/faults';
import { Push } from '@parley/realtime';
import { Database, type Sql } from '@parley/store';
import { Settings } from '../config.js';
import { toReceipt, type ReceiptRow } from './member-receipts.js';

export type ReceiptDelivery = Delivery<RequestPayload<'receipt.read.v1'>>;
export type ReceiptKind = 'delivered' | 'read';

/**
 * The positions to which a user wants their cursors in a conversation moved; 0 leaves a cursor alone. Reading implies
 * delivery.
 */
interface CursorMove {
  readonly conversationId: string;
  readonly userId: string;
  delivered: number;
  read: number;
}
type CursorKey = Pick<CursorMove, 'conversationId' | 'userId'>;

// Moves cursors of present members forward, at most to the last message. Rows are written in one order, so that
// replicas never deadlock. Cursors that did not move are not returned. `read_before` is as of the statement's start:
// exact enough to find the senders of newly read messages.
const MOVE = `
  with wanted as (
    select c.id as conversation_id, m.user_id,
      greatest(least(w.delivered, c.last_seq), m.base_seq) as delivered_seq, greatest(least(w.read, c.last_seq), m.base_seq) as read_seq, m.base_seq
    from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[]) as w(conversation_id, user_id, delivered, read)
    join chat.conversation c on c.id = w.conversation_id and c.deleted_at is null
    join chat.member m on m.conversation_id = c.id and m.user_id = w.user_id and ${isMemberNow('m')}),
  before as (
    select k.conversation_id, k.user_id, k.read_seq, k.delivered_seq from history.cursor k join wanted using (conversation_id, user_id)),
  moved as (
    insert into history.cursor as k (conversation_id, user_id, delivered_seq, read_seq, delivered_at, read_at, updated_at)
    select conversation_id, user_id, delivered_seq, read_seq, clock_timestamp(), case when read_seq > base_seq then clock_timestamp() end, clock_timestamp()
    from wanted where delivered_seq > base_seq order by conversation_id, user_id
    on conflict (conversation_id, user_id) do update set
      delivered_seq = greatest(k.delivered_seq, excluded.delivered_seq), read_seq = greatest(k.read_seq, excluded.read_seq),
      delivered_at = case when excluded.delivered_seq > k.delivered_seq then excluded.delivered_at else k.delivered_at end,
      read_at = case when excluded.read_seq > k.read_seq then excluded.updated_at else k.read_at end,
      updated_at = excluded.updated_at
    where excluded.delivered_seq > k.delivered_seq or excluded.read_seq > k.read_seq
    returning k.conversation_id, k.user_id, k.delivered_seq, k.read_seq, k.updated_at)
  select moved.*, c.member_count, c.members_rev,
    greatest(before.read_seq, wanted.base_seq) as read_before, greatest(before.delivered_seq, wanted.base_seq) as delivered_before
  from moved join wanted using (conversation_id, user_id) join chat.conversation c on c.id = moved.conversation_id
  left join before using (conversation_id, user_id)`;

interface MovedCursor extends ReceiptRow {
  member_count: number;
  members_rev: number;
  read_before: number;
  delivered_before: number;
}

// Runs after MOVE, so it sees at least its result. Reading ($3) removes the reader's own unread mark, also when no
// cursor moves. Marks are locked in one order, too.
const REQUESTERS = `
  with marked as (
    select p.conversation_id, p.user_id from unnest($1::uuid[], $2::uuid[]) as w(conversation_id, user_id)
    join history.preference p on p.conversation_id = w.conversation_id and p.user_id = w.user_id and p.unread_from is not null
    join chat.member m on m.conversation_id = w.conversation_id and m.user_id = w.user_id and ${isMemberNow('m')} and p.updated_at >= m.joined_at
    where $3 order by p.conversation_id, p.user_id for update of p),
  unmarked as (
    update history.preference p set unread_from = null, updated_at = clock_timestamp() from marked
    where p.conversation_id = marked.conversation_id and p.user_id = marked.user_id returning p.conversation_id, p.user_id)
  select w.n, c.id is not null as conversation_exists, u.user_id is not null as unmarked, c.visibility, c.deleted_at, m.role, ${statusNow('m')} as status, m.left_at, c.created_at,
    w.conversation_id, w.user_id, ${readSeq('m', 'k')} as read_seq, ${deliveredSeq('m', 'k')} as delivered_seq, coalesce(k.updated_at, m.joined_at) as updated_at
  from unnest($1::uuid[], $2::uuid[]) with ordinality as w(conversation_id, user_id, n)
  left join chat.conversation c on c.id = w.conversation_id
  left join chat.member m on m.conversation_id = c.id and m.user_id = w.user_id
  left join history.cursor k on k.conversation_id = c.id and k.user_id = w.user_id
  left join unmarked u on u.conversation_id = w.conversation_id and u.user_id = w.user_id
  order by w.n`;
type RequesterRow = Pick<ConversationAccess, 'visibility' | 'deleted_at' | 'role' | 'status' | 'left_at'> & {
  conversation_exists: boolean;
  /** True when the user's own unread mark was removed. */
  unmarked: boolean;
} & ReceiptRow;
type Reader = Pick<ReceiptRow, 'conversation_id' | 'user_id' | 'read_seq'>;

// Cursors whose move may not have been published. Their previous position is unknown, so the position at joining is
// used.
const UNPUBLISHED = `
  select c.id as conversation_id, m.user_id, k.delivered_seq, k.read_seq, k.updated_at, c.member_count, c.members_rev, m.base_seq as read_before, m.base_seq as delivered_before
  from unnest($1::uuid[], $2::uuid[]) as w(conversation_id, user_id)
  join chat.conversation c on c.id = w.conversation_id and c.deleted_at is null
  join chat.member m on m.conversation_id = c.id and m.user_id = w.user_id and ${isMemberNow('m')}
  join history.cursor k on k.conversation_id = c.id and k.user_id = m.user_id and k.delivered_seq > m.base_seq`;

/** The furthest positions for each conversation and user. */
function movesOf(deliveries: readonly ReceiptDelivery[], kind: ReceiptKind): CursorMove[] {
  const moves = new Map<string, CursorMove>();
  for (const { payload } of deliveries) {
    const { caller, input } = payload;
    const { conversationId, seq } = input;
    const key = keyOf(conversationId, caller.userId);
    const move = moves.get(key) ?? { conversationId, userId: caller.userId, delivered: 0, read: 0 };
    moves.set(key, move);
    move.delivered = Math.max(move.delivered, seq);
    if (kind === 'read') move.read = Math.max(move.read, seq);
  }
  return [...moves.values()];
}

const keyOf = (conversationId: string, userId: string): string => `${conversationId} ${userId}`;
const columns = (cursors: readonly CursorKey[]): [string[], string[]] => [
  cursors.map(({ conversationId }) => conversationId),
  cursors.map(({ userId }) => userId),
];

/** Retry interval, number of retries, and maximum number of cursors, for moves that may not have been published. */
const RETRY = { everyMs: 500, times: 120, maxCursors: 20_000 } as const;

/** Moves delivered and read cursors forward in batches, and publishes the moves. */
@Injectable()
export class Receipts {
  /** Cursors that may have moved without publication, because the database or the broker was lost in between. */
  private readonly unpublished = new Map<string, CursorKey>();
  private retrying = false;

  constructor(
    private readonly database: Database,
    private readonly broker: Broker,
    private readonly push: Push,
    private readonly audience: Audience,
    private readonly settings: Settings,
  ) {}

  /**
   * Answers every delivery with the current cursors, which are never behind the requested position and never beyond the
   * last message. Reading also removes the reader's own unread mark. Then pushes and publishes the cursors that moved.
   * Throws `Unavailable` when the database or the broker is unavailable; the caller repeats the receipt. A repeated
   * receipt may find nothing left to move, so this process retries the publication for about a minute.
   */
  async move(deliveries: readonly ReceiptDelivery[], kind: ReceiptKind): Promise<void> {
    await reached('history.received');
    const moves = movesOf(deliveries, kind);
    try {
      await this.carryOut(deliveries, moves, kind);
    } catch (error) {
      for (const { conversationId, userId } of moves)
        if (this.unpublished.size < RETRY.maxCursors)
          this.unpublished.set(keyOf(conversationId, userId), { conversationId, userId });
      void this.retryPublication();
      throw error;
    }
  }

  /** Never rejects. */
  private async retryPublication(): Promise<void> {
    if (this.retrying) return;
    this.retrying = true;
    for (let times = 0; times < RETRY.times && this.unpublished.size > 0; times++) {
      await pause(RETRY.everyMs, undefined, { ref: false });
      const keys = [...this.unpublished.keys()];
      try {
        const moved = await this.database.query<MovedCursor>(UNPUBLISHED, columns([...this.unpublished.values()]));
        await this.publish(moved, moved, []);
        for (const key of keys) this.unpublished.delete(key);
      } catch {
        // Still unavailable; callers get the error for their own receipts.
      }
    }
    this.unpublished.clear();
    this.retrying = false;
  }

  private async carryOut(
    deliveries: readonly ReceiptDelivery[],
    moves: readonly CursorMove[],
    kind: ReceiptKind,
  ): Promise<void> {
    const moved = await this.database.query<MovedCursor>(MOVE, [
      ...columns(moves),
      moves.map(({ delivered }) => delivered),
      moves.map(({ read }) => read),
    ]);
    await reached('history.moved');
    const unmarked = await this.answer(deliveries, moves, kind);
    const readers = new Map<string, Reader>(
      [...unmarked, ...moved.filter(({ read_seq, read_before }) => read_seq > read_before)].map((row) => [
        keyOf(row.conversation_id, row.user_id),
        row,
      ]),
    );
    if (moved.length > 0 || readers.size > 0) await this.publish(moved, [...readers.values()], deliveries);
  }

  /** Returns the deliveries. Returns the users whose unread mark was removed. */
  private async answer(
    deliveries: readonly ReceiptDelivery[],
    moves: readonly CursorMove[],
    kind: ReceiptKind,
  ): Promise<Reader[]> {
    const rows = await this.database.query<RequesterRow>(REQUESTERS, [...columns(moves), kind === 'read']);
    const byKey = new Map(rows.map((row) => [keyOf(row.conversation_id, row.user_id), row]));
    for (const delivery of deliveries) {
      const { caller, input } = delivery.payload;
      const row = byKey.get(keyOf(input.conversationId, caller.userId))!;
      const refused = accessRefusal(row.conversation_exists ? row : undefined, row, 'member');
      if (refused) delivery.refuse(refused);
      else delivery.reply({ receipt: toReceipt(row) });
    }
    return rows.filter(({ unmarked }) => unmarked);
  }

  private async publish(
    moved: readonly MovedCursor[],
    readers: readonly Reader[],
    deliveries: readonly ReceiptDelivery[],
  ): Promise<void> {
    const audiences = await this.audiencesOf(moved);
    const counts = await unreadAfter(this.database, readers);
    await Promise.all([
      ...moved.map((row, at) => this.push.toUsers(audiences[at]!, 'receipt:updated', toReceipt(row))),
      ...counts.map((count, at) =>
        this.push.toUsers([readers[at]!.user_id], 'unread:changed', count, exceptCaller(readers[at]!, deliveries)),
      ),
    ]);
    await Promise.all(moved.map((row) => this.broker.publish('receipt.updated.v1', { receipt: toReceipt(row) })));
  }

  /**
   * The users that each receipt is pushed to: all members, or in a large conversation the senders of the messages that
   * it is about.
   */
  private async audiencesOf(moved: readonly MovedCursor[]): Promise<(readonly string[])[]> {
    const isSmall = ({ member_count }: MovedCursor) => member_count <= this.settings.receiptsToAllUpTo;
    const members = await this.audience.of(
      this.database,
      moved.filter(isSmall).map((row) => ({ conversationId: row.conversation_id, membersRev: row.members_rev })),
    );
    const senders = await sendersOf(
      this.database,
      moved.filter((row) => !isSmall(row)),
    );
    return moved.map((row) => (isSmall(row) ? members.get(row.conversation_id) : senders.get(row)) ?? []);
  }
}

/** Leaves out the reader's connection that sent the receipt and has the answer, if there is just one. */
function exceptCaller(
  { conversation_id, user_id }: Reader,
  deliveries: readonly ReceiptDelivery[],
): { except?: string } {
  const own = deliveries.filter(
    ({ payload: { caller, input } }) => caller.userId === user_id && input.conversationId === conversation_id,
  );
  const connections = new Set(own.map(({ payload }) => payload.caller.connectionId));
  const [only] = connections;
  return connections.size === 1 && only !== undefined ? { except: only } : {};
}

const UNREAD_AFTER = `
  select r.n, ${unreadCount('c.id', 'c.last_seq', 'r.user_id', 'r.read_seq')} as unread, ${mentionCount('c.id', 'r.user_id', 'r.read_seq')} as mentions
  from unnest($1::uuid[], $2::uuid[], $3::bigint[]) with ordinality as r(conversation_id, user_id, read_seq, n)
  join chat.conversation c on c.id = r.conversation_id order by r.n`;

async function unreadAfter(sql: Sql, readers: readonly Reader[]): Promise<ServerEvent<'unread:changed'>[]> {
  if (readers.length === 0) return [];
  const rows = await sql.query<{ unread: number; mentions: number }>(UNREAD_AFTER, [
    readers.map(({ conversation_id }) => conversation_id),
    readers.map(({ user_id }) => user_id),
    readers.map(({ read_seq }) => read_seq),
  ]);
  return rows.map(({ unread, mentions }, at) => ({
    conversationId: readers[at]!.conversation_id,
    unread,
    mentions,
    readSeq: readers[at]!.read_seq,
  }));
}

/** Senders are looked up among at most this many of the newest messages that a receipt is about. */
const MAX_EXAMINED = 1000;
const SENDERS = `
  select r.n, array_agg(distinct s.sender_id) as senders
  from unnest($1::uuid[], $2::bigint[], $3::bigint[]) with ordinality as r(conversation_id, above, upto, n)
  cross join lateral (
    select o.sender_id from chat.message o where o.conversation_id = r.conversation_id and o.seq > greatest(r.above, r.upto - ${MAX_EXAMINED}) and o.seq <= r.upto and o.type <> 'system') s
  join chat.member m on m.conversation_id = r.conversation_id and m.user_id = s.sender_id and ${isMemberNow('m')}
  group by r.n`;

/** The present members who sent the newly received or read messages. */
async function sendersOf(sql: Sql, moved: readonly MovedCursor[]): Promise<Map<MovedCursor, string[]>> {
  if (moved.length === 0) return new Map();
  const rows = await sql.query<{ n: number; senders: string[] }>(SENDERS, [
    moved.map(({ conversation_id }) => conversation_id),
    moved.map(({ read_before, delivered_before, read_seq }) =>
      read_seq > read_before ? read_before : delivered_before,
    ),
    moved.map(({ delivered_seq }) => delivered_seq),
  ]);
  return new Map(rows.map(({ n, senders }) => [moved[n - 1]!, senders]));
}
