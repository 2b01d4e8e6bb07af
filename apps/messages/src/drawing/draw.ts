import { Injectable } from '@nestjs/common';
import type { Delivery } from '@parley/broker';
import {
  accessRefusal,
  Audience,
  blockedCallers,
  lineColumns,
  mayBeBlocked,
  permissionRefusal,
  toLine,
  type LineRow,
} from '@parley/chat';
import { ChatError, type Line, type RequestPayload } from '@parley/contracts';
import { Database, type Sql } from '@parley/store';
import type { Committed, OutgoingEvent } from '../commands/change.js';
import {
  callerStatesOf,
  lockConversations,
  type CallerState,
  type LockedConversation,
} from '../commands/conversation-rows.js';

export type DrawCommand = Pick<Delivery<RequestPayload<'drawing.draw.v1'>>, 'payload' | 'redelivered'>;

/** Maximum number of lines on one board. */
export const MAX_LINES = 5000;
/** Maximum number of coordinates on one board: about 4 MiB as JSON. */
export const MAX_COORDINATES = 400_000;

/** Draws lines on boards. */
@Injectable()
export class LineDrawer {
  constructor(
    private readonly database: Database,
    private readonly audience: Audience,
  ) {}

  /**
   * Draws any number of lines, in any conversations, in one transaction, as a rule of six round trips: begin, lock the
   * conversations, read the callers, read the boards, insert, commit. Outcomes are in the order of the commands and are
   * committed. A line takes no `rev`: boards are loaded whole, not caught up with. A line whose id is on the board
   * already stays as it is.
   */
  draw(commands: readonly DrawCommand[]): Promise<(Committed<object> | ChatError)[]> {
    return this.database.transaction(async (sql) => {
      const ids = [...new Set(commands.map(conversationIdOf))];
      const conversations = new Map((await lockConversations(sql, ids)).map((row) => [row.id, row]));
      const callers = await callerStatesOf(
        sql,
        commands.map((command) => ({ conversationId: conversationIdOf(command), caller: command.payload.caller })),
      );
      const refusals = await refusalsOf(sql, conversations, commands, callers);
      const boards = await boardsOf(
        sql,
        commands.filter((_, at) => refusals[at] === undefined),
      );
      const results = commands.map(
        (command, at) => refusals[at] ?? boards.get(conversationIdOf(command))!.add(command, callers[at]!.now),
      );
      const stored = await store(
        sql,
        results.flatMap((result) => (result instanceof NewLine ? result : [])),
      );
      const audiences = await this.audience.of(
        sql,
        [...boards.keys()].map((id) => ({ conversationId: id, membersRev: conversations.get(id)!.members_rev })),
      );
      return results.map((result, at) => {
        if (result instanceof ChatError) return result;
        const line = result instanceof NewLine ? stored.get(result.key) : result;
        const conversation = conversations.get(conversationIdOf(commands[at]!))!;
        const audience = audiences.get(conversation.id) ?? [];
        return { answer: {}, events: line ? [lineEvent(line, conversation, audience, commands[at]!)] : [] };
      });
    });
  }
}

const conversationIdOf = ({ payload }: DrawCommand): string => payload.input.conversationId;
const userIdOf = ({ payload }: DrawCommand): string => payload.caller.userId;
const keyOf = (conversationId: string, id: string): string => `${conversationId} ${id}`;

async function refusalsOf(
  sql: Sql,
  conversations: ReadonlyMap<string, LockedConversation>,
  commands: readonly DrawCommand[],
  callers: readonly CallerState[],
): Promise<(ChatError | undefined)[]> {
  const refusals = commands.map((command, at) => refusalOf(conversations.get(conversationIdOf(command)), callers[at]!));
  const unclear = [...commands.keys()].filter(
    (at) =>
      refusals[at] === undefined && mayBeBlocked(conversations.get(conversationIdOf(commands[at]!))!, callers[at]!),
  );
  const blocked = await blockedCallers(
    sql,
    unclear.map((at) => ({ conversationId: conversationIdOf(commands[at]!), caller: commands[at]!.payload.caller })),
  );
  for (const n of blocked) refusals[unclear[n]!] = new ChatError('blocked');
  return refusals;
}

const refusalOf = (conversation: LockedConversation | undefined, member: CallerState): ChatError | undefined =>
  accessRefusal(conversation, member, 'member') ?? permissionRefusal('draw', { conversation: conversation!, member });

/** A line to store as the `n`th of its board. */
class NewLine {
  constructor(
    readonly command: DrawCommand,
    readonly n: number,
    readonly createdAt: Date,
  ) {}

  get key(): string {
    return keyOf(conversationIdOf(this.command), this.command.payload.input.line.id);
  }
}

/** A board while the lines of this transaction are added. */
class Board {
  private readonly added = new Set<string>();

  constructor(
    private last: number,
    private count: number,
    private coordinates: number,
    private readonly existing: ReadonlyMap<string, Line>,
  ) {}

  /** A new line; the existing line of a redelivered command, which may not have been pushed; or nothing to push. */
  add(command: DrawCommand, at: Date): NewLine | Line | undefined | ChatError {
    const { id, points } = command.payload.input.line;
    const line = this.existing.get(id);
    if (line) return command.redelivered && line.userId === userIdOf(command) ? line : undefined;
    if (this.added.has(id)) return undefined;
    if (this.count >= MAX_LINES) return new ChatError('too_large', `A board holds at most ${MAX_LINES} lines`);
    if (this.coordinates + points.length > MAX_COORDINATES)
      return new ChatError('too_large', `A board holds at most ${MAX_COORDINATES} coordinates`);
    this.last += 1;
    this.count += 1;
    this.coordinates += points.length;
    this.added.add(id);
    return new NewLine(command, this.last, at);
  }
}

const BOARDS = `
  select b.id, s.last, s.count, s.coordinates,
    (select coalesce(jsonb_agg(to_jsonb(l)), '[]') from unnest($2::uuid[], $3::text[]) as q(conversation_id, id)
      join chat.drawing_line l on l.conversation_id = q.conversation_id and l.id = q.id where q.conversation_id = b.id) as existing
  from unnest($1::uuid[]) as b(id), lateral (
    select coalesce(max(l.n), 0) as last, count(*)::int as count, coalesce(sum(cardinality(l.points)), 0)::int as coordinates
    from chat.drawing_line l where l.conversation_id = b.id) s`;
/** The boards of the commands, each with those of the commands' lines that it already has. */
async function boardsOf(sql: Sql, commands: readonly DrawCommand[]): Promise<Map<string, Board>> {
  if (commands.length === 0) return new Map();
  const rows = await sql.query<{ id: string; last: number; count: number; coordinates: number; existing: LineRow[] }>(
    BOARDS,
    [
      [...new Set(commands.map(conversationIdOf))],
      commands.map(conversationIdOf),
      commands.map(({ payload }) => payload.input.line.id),
    ],
  );
  return new Map(
    rows.map(({ id, last, count, coordinates, existing }) => [
      id,
      new Board(last, count, coordinates, new Map(existing.map((row) => [row.id, toLine(row)]))),
    ]),
  );
}

const STORE = `
  insert into chat.drawing_line (conversation_id, n, id, user_id, color, width, points, created_at)
  select conversation_id, n, id, user_id, color, width, points::real[], created_at
  from unnest($1::uuid[], $2::bigint[], $3::text[], $4::uuid[], $5::text[], $6::real[], $7::text[], $8::timestamptz[]) as l(conversation_id, n, id, user_id, color, width, points, created_at)
  returning ${lineColumns}`;
/** Stores lines. Returns them as stored, with single precision, so that everybody sees the same. */
async function store(sql: Sql, added: readonly NewLine[]): Promise<Map<string, Line>> {
  if (added.length === 0) return new Map();
  const lines = added.map(({ command }) => command.payload.input.line);
  const rows = await sql.query<LineRow>(STORE, [
    added.map(({ command }) => conversationIdOf(command)),
    added.map(({ n }) => n),
    lines.map(({ id }) => id),
    added.map(({ command }) => userIdOf(command)),
    lines.map(({ color }) => color),
    lines.map(({ width }) => width),
    lines.map(({ points }) => `{${points.join(',')}}`),
    added.map(({ createdAt }) => createdAt),
  ]);
  return new Map(rows.map((row) => [keyOf(row.conversation_id, row.id), toLine(row)]));
}

/**
 * Pushed to all members except the connection that drew the line. The event's id includes `drawing_rev`, because a
 * line's id may be used again after the board was emptied.
 */
function lineEvent(
  line: Line,
  { id, drawing_rev }: LockedConversation,
  audience: readonly string[],
  { payload: { caller } }: DrawCommand,
): OutgoingEvent {
  return {
    to: audience,
    event: 'drawing:line',
    payload: { conversationId: id, userId: line.userId, line },
    id: `${id}:line:${drawing_rev}:${line.id}`,
    ...(caller.connectionId === undefined ? {} : { except: caller.connectionId }),
  };
}
