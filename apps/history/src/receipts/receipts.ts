import { setTimeout as delay } from 'node:timers/promises';
import type { Broker, Delivery } from '@parley/broker';
import {
  accessRefusal,
  deliveredSeq,
  isMemberNow,
  iso,
  mentionCount,
  readSeq,
  statusNow,
  unreadCount,
  type Audience,
  type ConversationAccess,
  type Moment,
} from '@parley/chat';
import { limits, type CallOutput, type RequestPayload, type ServerEvent } from '@parley/contracts';
import { reached } from '@parley/faults';
import type { Push } from '@parley/realtime';
import type { Database, Row, Sql } from '@parley/store';
import { toReceipt, type ReceiptRow } from '../sync/changes.js';
import { demandMessage } from '../pages/message-lists.js';

export type ReceiptDelivery = Delivery<RequestPayload<'receipt.read.v1'>>;
export type ReceiptKind = 'delivered' | 'read';

/** Where a user wants their cursors in a conversation; 0 leaves one alone. Read implies delivered. */
interface Wish {
  readonly conversationId: string;
  readonly userId: string;
  delivered: number;
  read: number;
}

// Only forwards, at most to the newest message, and only for members. Rows are taken in one order, so that two replicas never wait for each other.
// What did not move is not returned. `read_before` is as of the statement's start: good enough to say whose messages may have been read.
const MOVE = `
  with wish as (
    select c.id as conversation_id, m.user_id,
      greatest(least(w.delivered, c.last_seq), m.base_seq) as delivered_seq, greatest(least(w.read, c.last_seq), m.base_seq) as read_seq, m.base_seq
    from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[]) as w(conversation_id, user_id, delivered, read)
    join chat.conversation c on c.id = w.conversation_id and c.deleted_at is null
    join chat.member m on m.conversation_id = c.id and m.user_id = w.user_id and ${isMemberNow('m')}),
  before as (
    select k.conversation_id, k.user_id, k.read_seq, k.delivered_seq from history.cursor k join wish using (conversation_id, user_id)),
  moved as (
    insert into history.cursor as k (conversation_id, user_id, delivered_seq, read_seq, delivered_at, read_at, updated_at)
    select conversation_id, user_id, delivered_seq, read_seq, clock_timestamp(), case when read_seq > base_seq then clock_timestamp() end, clock_timestamp()
    from wish where delivered_seq > base_seq order by conversation_id, user_id
    on conflict (conversation_id, user_id) do update set
      delivered_seq = greatest(k.delivered_seq, excluded.delivered_seq), read_seq = greatest(k.read_seq, excluded.read_seq),
      delivered_at = case when excluded.delivered_seq > k.delivered_seq then excluded.delivered_at else k.delivered_at end,
      read_at = case when excluded.read_seq > k.read_seq then excluded.updated_at else k.read_at end,
      updated_at = excluded.updated_at
    where excluded.delivered_seq > k.delivered_seq or excluded.read_seq > k.read_seq
    returning k.conversation_id, k.user_id, k.delivered_seq, k.read_seq, k.updated_at)
  select moved.*, c.member_count, c.members_rev,
    greatest(before.read_seq, wish.base_seq) as read_before, greatest(before.delivered_seq, wish.base_seq) as delivered_before
  from moved join wish using (conversation_id, user_id) join chat.conversation c on c.id = moved.conversation_id
  left join before using (conversation_id, user_id)`;

interface Moved extends ReceiptRow {
  member_count: number;
  members_rev: number;
  read_before: number;
  delivered_before: number;
}

// Runs after MOVE, so that it sees no less. Reading ends the reader's own mark, also when it moves nothing ($3); rows are taken in one order here too.
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
// Where cursors are that may have moved without anybody having been told; as of their beginnings, as it is not known from where they moved.
const UNTOLD = `
  select c.id as conversation_id, m.user_id, k.delivered_seq, k.read_seq, k.updated_at, c.member_count, c.members_rev, m.base_seq as read_before, m.base_seq as delivered_before
  from unnest($1::uuid[], $2::uuid[]) as w(conversation_id, user_id)
  join chat.conversation c on c.id = w.conversation_id and c.deleted_at is null
  join chat.member m on m.conversation_id = c.id and m.user_id = w.user_id and ${isMemberNow('m')}
  join history.cursor k on k.conversation_id = c.id and k.user_id = m.user_id and k.delivered_seq > m.base_seq`;
type RequesterRow = Pick<ConversationAccess, 'visibility' | 'deleted_at' | 'role' | 'status' | 'left_at'> & {
  conversation_exists: boolean;
  unmarked: boolean;
} & ReceiptRow;
type Reader = Pick<ReceiptRow, 'conversation_id' | 'user_id' | 'read_seq'>;

/** The furthest of each (conversation, user). */
function wishesOf(deliveries: readonly ReceiptDelivery[], kind: ReceiptKind): Wish[] {
  const wishes = new Map<string, Wish>();
  for (const {
    payload: {
      caller,
      input: { conversationId, seq },
    },
  } of deliveries) {
    const key = `${conversationId} ${caller.userId}`;
    const wish = wishes.get(key) ?? { conversationId, userId: caller.userId, delivered: 0, read: 0 };
    wishes.set(key, wish);
    wish.delivered = Math.max(wish.delivered, seq);
    if (kind === 'read') wish.read = Math.max(wish.read, seq);
  }
  return [...wishes.values()];
}

const columns = (wishes: readonly Pick<Wish, 'conversationId' | 'userId'>[]): [string[], string[]] => [
  wishes.map(({ conversationId }) => conversationId),
  wishes.map(({ userId }) => userId),
];

/** How often, and how many times, members are told again of what they may not have been told of; and the most cursors of which that is remembered. */
const AGAIN = { everyMs: 500, times: 120, most: 20_000 } as const;

/** Moves delivered and read cursors forward, in batches, and tells those who want to know. */
export class Receipts {
  /** Cursors that may have moved without anybody having been told, because the database or the broker went away in between. */
  private readonly untold = new Map<string, Pick<Wish, 'conversationId' | 'userId'>>();
  private telling = false;

  constructor(
    private readonly database: Database,
    private readonly broker: Broker,
    private readonly push: Push,
    private readonly audience: Audience,
  ) {}

  /**
   * Answers every delivery with where the cursors are now, which is never behind what was asked and never ahead of the newest message. Reading also ends the reader's own mark. Then pushes and
   * publishes what moved; nothing when nothing did. Throws `Unavailable` when the database or the broker is away: the caller of a receipt repeats it. The repetition may find nothing to move, so
   * this process goes on for about a minute to tell those who want to know.
   */
  async move(deliveries: readonly ReceiptDelivery[], kind: ReceiptKind): Promise<void> {
    await reached('history.received');
    const wishes = wishesOf(deliveries, kind);
    try {
      await this.carryOut(deliveries, wishes, kind);
    } catch (error) {
      for (const { conversationId, userId } of wishes)
        if (this.untold.size < AGAIN.most) this.untold.set(`${conversationId} ${userId}`, { conversationId, userId });
      void this.tellAgain();
      throw error;
    }
  }

  /** Never rejects. */
  private async tellAgain(): Promise<void> {
    if (this.telling) return;
    this.telling = true;
    for (let times = 0; times < AGAIN.times && this.untold.size > 0; times++) {
      await delay(AGAIN.everyMs, undefined, { ref: false });
      const keys = [...this.untold.keys()];
      try {
        const rows = await this.database.query<Moved>(UNTOLD, columns([...this.untold.values()]));
        await this.tell(rows, rows, []);
        for (const key of keys) this.untold.delete(key);
      } catch {
        // Still away: whoever calls hears of that.
      }
    }
    this.untold.clear();
    this.telling = false;
  }

  private async carryOut(
    deliveries: readonly ReceiptDelivery[],
    wishes: readonly Wish[],
    kind: ReceiptKind,
  ): Promise<void> {
    const moved = await this.database.query<Moved>(MOVE, [
      ...columns(wishes),
      wishes.map(({ delivered }) => delivered),
      wishes.map(({ read }) => read),
    ]);
    await reached('history.moved');
    const unmarked = await this.answer(deliveries, wishes, kind);
    const readers = new Map<string, Reader>(
      [...unmarked, ...moved.filter(({ read_seq, read_before }) => read_seq > read_before)].map((row) => [
        `${row.conversation_id} ${row.user_id}`,
        row,
      ]),
    );
    if (moved.length > 0 || readers.size > 0) await this.tell(moved, [...readers.values()], deliveries);
  }

  /** Answers those whose mark ended. */
  private async answer(
    deliveries: readonly ReceiptDelivery[],
    wishes: readonly Wish[],
    kind: ReceiptKind,
  ): Promise<Reader[]> {
    const rows = await this.database.query<RequesterRow>(REQUESTERS, [...columns(wishes), kind === 'read']);
    const byKey = new Map(rows.map((row) => [`${row.conversation_id} ${row.user_id}`, row]));
    for (const delivery of deliveries) {
      const { caller, input } = delivery.payload;
      const row = byKey.get(`${input.conversationId} ${caller.userId}`)!;
      const refused = accessRefusal(row.conversation_exists ? row : undefined, row, 'member');
      if (refused) delivery.refuse(refused);
      else delivery.reply({ receipt: toReceipt(row) });
    }
    return rows.filter(({ unmarked }) => unmarked);
  }

  private async tell(
    moved: readonly Moved[],
    readers: readonly Reader[],
    deliveries: readonly ReceiptDelivery[],
  ): Promise<void> {
    const hearers = await this.hearers(moved);
    const counts = await unreadAfter(this.database, readers);
    await Promise.all([
      ...moved.map((row, at) => this.push.toUsers(hearers[at]!, 'receipt:updated', toReceipt(row))),
      ...counts.map((count, at) =>
        this.push.toUsers([readers[at]!.user_id], 'unread:changed', count, exceptCaller(readers[at]!, deliveries)),
      ),
    ]);
    await Promise.all(moved.map((row) => this.broker.publish('receipt.updated.v1', { receipt: toReceipt(row) })));
  }

  /** For each receipt who hears of it: all members, or in large conversations those whose messages it is about. */
  private async hearers(moved: readonly Moved[]): Promise<(readonly string[])[]> {
    const small = moved.filter(({ member_count }) => member_count <= limits.receiptsToAllUpTo);
    const members = await this.audience.of(
      this.database,
      small.map((row) => ({ conversationId: row.conversation_id, membersRev: row.members_rev })),
    );
    const large = moved.filter((row) => !small.includes(row));
    const senders = await sendersOf(this.database, large);
    return moved.map((row) =>
      row.member_count <= limits.receiptsToAllUpTo
        ? (members.get(row.conversation_id) ?? [])
        : (senders.get(row) ?? []),
    );
  }
}

/** The reader's connection that asked has its answer; their others hear of it. */
function exceptCaller(
  { conversation_id, user_id }: Reader,
  deliveries: readonly ReceiptDelivery[],
): { except?: string } {
  const asked = deliveries.filter(
    ({ payload: { caller, input } }) => caller.userId === user_id && input.conversationId === conversation_id,
  );
  const connections = new Set(asked.map(({ payload }) => payload.caller.connectionId));
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

/** Senders are looked for among this many of the newest messages that a receipt is about. */
const SENDERS_AMONG = 1000;
const SENDERS = `
  select r.n, array_agg(distinct s.sender_id) as senders
  from unnest($1::uuid[], $2::bigint[], $3::bigint[]) with ordinality as r(conversation_id, above, upto, n)
  cross join lateral (
    select o.sender_id from chat.message o where o.conversation_id = r.conversation_id and o.seq > greatest(r.above, r.upto - ${SENDERS_AMONG}) and o.seq <= r.upto and o.type <> 'system') s
  join chat.member m on m.conversation_id = r.conversation_id and m.user_id = s.sender_id and ${isMemberNow('m')}
  group by r.n`;

async function sendersOf(sql: Sql, moved: readonly Moved[]): Promise<Map<Moved, string[]>> {
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

// Who joined later has the message without having received it.
const HOLDERS = `
  select k.user_id, k.delivered_seq, k.read_seq, k.delivered_at, k.read_at
  from history.cursor k join chat.member m on m.conversation_id = k.conversation_id and m.user_id = k.user_id and ${isMemberNow('m')}
  where k.conversation_id = $1 and k.delivered_seq >= $2 and m.base_seq < $2 and k.user_id <> $3
  order by k.user_id`;
interface Holder extends Row {
  user_id: string;
  delivered_seq: number;
  read_seq: number;
  delivered_at: Moment | null;
  read_at: Moment | null;
}

/**
 * Who, beside its sender, has a message and has read it. `at` is when that member's cursor last moved: no earlier than this message reached them.
 * Refuses strangers to the conversation with `not_found`.
 */
export async function receiptsOfMessage(
  sql: Sql,
  userId: string,
  messageId: string,
): Promise<CallOutput<'message.receipts'>> {
  const { access, seq, senderId } = await demandMessage(sql, userId, messageId);
  const holders = await sql.query<Holder>(HOLDERS, [access.id, seq, senderId]);
  const at = (holder: Holder, moment: Moment | null): { userId: string; at: string } => ({
    userId: holder.user_id,
    at: iso(moment ?? holder.delivered_at!),
  });
  return {
    delivered: holders.map((holder) => at(holder, holder.delivered_at)),
    read: holders.filter(({ read_seq }) => read_seq >= seq).map((holder) => at(holder, holder.read_at)),
  };
}
