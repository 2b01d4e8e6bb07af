import type { Delivery } from '@parley/broker';
import { accessRefusal, blockedPairs, iso, mayBeBlocked, permissionRefusal, type Audience } from '@parley/chat';
import { ChatError, type Line, type RequestPayload } from '@parley/contracts';
import type { Database, Row, Sql } from '@parley/store';
import type { News } from '../commands/publisher.js';
import { lockConversations, sendersOf, type LockedConversation, type Sender } from '../sending/sql.js';

export type DrawCommand = RequestPayload<'drawing.draw.v1'>;
type Asked = Pick<Delivery<DrawCommand>, 'payload' | 'redelivered'>;

/** Lines of one board. */
export const LINES_MAX = 5000;

/**
 * Draws any number of lines, of any conversations, in one transaction of six round trips, as a rule: begin, locks, what the callers are, the boards, the insert, commit. Outcomes come in the order of
 * the commands and are committed when they come: a refusal, or what is to be told. A line takes no `rev`: boards are loaded, not caught up with. One whose id is on the board stays as it is.
 */
export function drawLines(
  { database, audience }: { readonly database: Database; readonly audience: Audience },
  asked: readonly Asked[],
): Promise<(readonly News[] | ChatError)[]> {
  return database.transaction(async (sql) => {
    const conversations = new Map(
      (await lockConversations(sql, [...new Set(asked.map(conversationOf))])).map((row) => [row.id, row]),
    );
    const callers = await sendersOf(sql, asked.map(questionOf));
    const refusals = await refusalsOf(sql, conversations, asked, callers);
    const boards = await boardsOf(
      sql,
      asked.filter((_, at) => refusals[at] === undefined),
    );
    const taken = asked.map((one, at) => refusals[at] ?? boards.get(conversationOf(one))!.take(one, callers[at]!.now));
    const lines = await store(
      sql,
      taken.flatMap((one) => (one instanceof FreshLine ? one : [])),
    );
    const members = await audience.of(
      sql,
      [...boards.keys()].map((id) => ({ conversationId: id, membersRev: conversations.get(id)!.members_rev })),
    );
    return taken.map((one, at) => {
      if (one instanceof ChatError) return one;
      const line = one instanceof FreshLine ? lines.get(one.key) : one;
      const conversation = conversations.get(conversationOf(asked[at]!))!;
      return line === undefined ? [] : [newsOf(line, conversation, members.get(conversation.id) ?? [], asked[at]!)];
    });
  });
}

const conversationOf = ({ payload }: Asked): string => payload.input.conversationId;
const keyOf = (conversationId: string, id: string): string => `${conversationId} ${id}`;

const questionOf = (one: Asked) => ({ conversationId: conversationOf(one), senderId: one.payload.caller.userId });

async function refusalsOf(
  sql: Sql,
  conversations: ReadonlyMap<string, LockedConversation>,
  asked: readonly Asked[],
  callers: readonly Sender[],
): Promise<(ChatError | undefined)[]> {
  const refusals = asked.map((one, at) => refusalOf(conversations.get(conversationOf(one)), callers[at]!));
  const doubtful = [...asked.keys()].filter(
    (at) => refusals[at] === undefined && mayBeBlocked(conversations.get(conversationOf(asked[at]!))!, callers[at]!),
  );
  const blocked = await blockedPairs(
    sql,
    doubtful.map((at) => ({ conversationId: conversationOf(asked[at]!), userId: asked[at]!.payload.caller.userId })),
  );
  for (const n of blocked) refusals[doubtful[n]!] = new ChatError('blocked');
  return refusals;
}

const refusalOf = (conversation: LockedConversation | undefined, standing: Sender): ChatError | undefined =>
  accessRefusal(conversation, standing, 'member') ??
  permissionRefusal('draw', { conversation: conversation!, member: standing });

interface LineRow extends Row {
  conversation_id: string;
  id: string;
  user_id: string;
  color: string;
  width: number;
  points: number[];
  created_at: Date;
}
const LINE = 'conversation_id, id, user_id, color, width, points, created_at';
const lineOf = ({ id, user_id, color, width, points, created_at }: LineRow): Line => ({
  id,
  userId: user_id,
  color,
  width,
  points,
  createdAt: iso(created_at),
});

/** A line to be stored as the `n`th of its board. */
class FreshLine {
  constructor(
    readonly asked: Asked,
    readonly n: number,
    readonly at: Date,
  ) {}

  get key(): string {
    return keyOf(conversationOf(this.asked), this.asked.payload.input.line.id);
  }
}

/** A board as the lines of this transaction come to it. */
class Board {
  private readonly ids = new Set<string>();

  constructor(
    /** Lines are numbered without holes, so this is their count too. */
    private last: number,
    private readonly before: ReadonlyMap<string, Line>,
  ) {}

  /** A new line; one that was there and may not have been told; or nothing to tell. */
  take(asked: Asked, at: Date): FreshLine | Line | undefined | ChatError {
    const { id } = asked.payload.input.line;
    const line = this.before.get(id);
    if (line) return asked.redelivered && line.userId === asked.payload.caller.userId ? line : undefined;
    if (this.ids.has(id)) return undefined;
    if (this.last >= LINES_MAX) return new ChatError('too_large', `A board holds at most ${LINES_MAX} lines`);
    this.last += 1;
    this.ids.add(id);
    return new FreshLine(asked, this.last, at);
  }
}

const BOARDS = `
  select b.id, coalesce((select max(l.n) from chat.drawing_line l where l.conversation_id = b.id), 0) as last,
    (select coalesce(jsonb_agg(to_jsonb(l)), '[]') from unnest($2::uuid[], $3::text[]) as q(conversation_id, id)
      join chat.drawing_line l on l.conversation_id = q.conversation_id and l.id = q.id where q.conversation_id = b.id) as before
  from unnest($1::uuid[]) as b(id)`;
/** The boards of the commands, with those of their lines that are there already. */
async function boardsOf(sql: Sql, asked: readonly Asked[]): Promise<Map<string, Board>> {
  if (asked.length === 0) return new Map();
  const rows = await sql.query<{ id: string; last: number; before: LineRow[] }>(BOARDS, [
    [...new Set(asked.map(conversationOf))],
    asked.map(conversationOf),
    asked.map(({ payload }) => payload.input.line.id),
  ]);
  return new Map(
    rows.map(({ id, last, before }) => [id, new Board(last, new Map(before.map((row) => [row.id, lineOf(row)])))]),
  );
}

const STORE = `
  insert into chat.drawing_line (conversation_id, n, id, user_id, color, width, points, created_at)
  select conversation_id, n, id, user_id, color, width, points::real[], created_at
  from unnest($1::uuid[], $2::bigint[], $3::text[], $4::uuid[], $5::text[], $6::real[], $7::text[], $8::timestamptz[]) as l(conversation_id, n, id, user_id, color, width, points, created_at)
  returning ${LINE}`;
/** Answers the lines as they are stored, with less precision than a client may have given, so that everybody sees the same. */
async function store(sql: Sql, fresh: readonly FreshLine[]): Promise<Map<string, Line>> {
  if (fresh.length === 0) return new Map();
  const lines = fresh.map(({ asked }) => asked.payload.input.line);
  const rows = await sql.query<LineRow>(STORE, [
    fresh.map(({ asked }) => conversationOf(asked)),
    fresh.map(({ n }) => n),
    lines.map(({ id }) => id),
    fresh.map(({ asked }) => asked.payload.caller.userId),
    lines.map(({ color }) => color),
    lines.map(({ width }) => width),
    lines.map(({ points }) => `{${points.join(',')}}`),
    fresh.map(({ at }) => at),
  ]);
  return new Map(rows.map((row) => [keyOf(row.conversation_id, row.id), lineOf(row)]));
}

/** To everybody but the connection that drew it. An id may be used again on an emptied board. */
function newsOf(
  line: Line,
  { id, drawing_rev }: LockedConversation,
  members: readonly string[],
  { payload: { caller } }: Asked,
): News {
  const payload = { conversationId: id, userId: line.userId, line };
  return {
    to: members,
    event: 'drawing:line',
    payload,
    id: `${id}:line:${drawing_rev}:${line.id}`,
    ...(caller.connectionId === undefined ? {} : { except: caller.connectionId }),
  };
}
