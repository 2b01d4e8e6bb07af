import { createHash, randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import {
  ChatError,
  foldName,
  Id,
  newId,
  type Actor,
  type BotToken,
  type CallInput,
  type CallOutput,
  type RequestAnswer,
  type User,
} from '@parley/contracts';
import type { Sql } from '@parley/store';
import { decodeCursor, encodeCursor } from '../cursor.js';
import { PARTS, type AuthParts } from '../parts.js';
import { Sessions } from '../sessions/sessions.js';
import { taken, userColumns, userOf, type UserRow } from '../users/users.js';

const MOST_BOTS = 20;
const DEFAULT_PAGE = 50;
const newToken = (): string => `parley_bot_${randomBytes(32).toString('base64url')}`;
const digest = (token: string): Buffer => createHash('sha256').update(token).digest();

interface BotRow extends UserRow {
  session_id: string;
}

/**
 * Bots: users that come in with a token instead of a password. A bot has one token at a time, which does not expire; it is a session, so what ends sessions ends it. Only its
 * hash is kept.
 */
@Injectable()
export class Bots {
  constructor(
    @Inject(PARTS) private readonly parts: AuthParts,
    @Inject(Sessions) private readonly sessions: Sessions,
  ) {}

  /** `forbidden` to guests and bots; `too_large`: the caller has as many as one may; `conflict`: the username is taken. */
  async create(
    { userId, kind }: Actor,
    { username, displayName = username }: CallInput<'bot.create'>,
  ): Promise<BotToken> {
    if (kind !== 'person') throw new ChatError('forbidden', 'Only people have bots');
    return this.parts.database
      .transaction(async (sql) => {
        // Of one owner one at a time, so that many at once are not more than allowed.
        await sql.query(`select 1 as one from auth."user" where id = $1 for update`, [userId]);
        const live = await sql.query(
          `select user_id from auth.bot where owner_id = $1 and deleted_at is null limit ${MOST_BOTS}`,
          [userId],
        );
        if (live.length === MOST_BOTS) throw new ChatError('too_large', `At most ${MOST_BOTS} bots each`);
        const [row] = await sql.query<UserRow>(
          `insert into auth."user" as u (id, username, display_name, folded_name, kind) values ($1, $2, $3, $4, 'bot') returning ${userColumns}`,
          [newId(), username, displayName, foldName(displayName)],
        );
        const { sessionId, token } = await this.issue(sql, row!.id);
        await sql.query(`insert into auth.bot (user_id, owner_id, session_id, token_hash) values ($1, $2, $3, $4)`, [
          row!.id,
          userId,
          sessionId,
          digest(token),
        ]);
        return { user: userOf(row!), token };
      })
      .catch(taken);
  }

  /** The caller's, newest first. */
  async list(
    { userId }: Actor,
    { cursor, limit = DEFAULT_PAGE }: CallInput<'bot.list'>,
  ): Promise<CallOutput<'bot.list'>> {
    const before = cursor === undefined ? null : decodeCursor(cursor, 'bot');
    if (before !== null && !Id.safeParse(before).success)
      throw new ChatError('invalid', 'cursor: unknown', { details: [{ path: 'cursor', message: 'unknown' }] });
    const rows = await this.parts.database.query<UserRow>(
      `select ${userColumns} from auth.bot b join auth."user" u on u.id = b.user_id
        where b.owner_id = $1 and b.deleted_at is null and ($2::uuid is null or u.id < $2) order by u.id desc limit $3`,
      [userId, before, limit + 1],
    );
    const items: User[] = rows.slice(0, limit).map(userOf);
    return rows.length > limit ? { items, nextCursor: encodeCursor('bot', items.at(-1)!.id) } : { items };
  }

  /** The earlier token is refused everywhere, and its sockets are closed. */
  async renew({ userId: ownerId }: Actor, { userId }: CallInput<'bot.token'>): Promise<BotToken> {
    const { ended, ...answer } = await this.parts.database.transaction(async (sql) => {
      const bot = await lock(sql, ownerId, userId);
      const { sessionId, token } = await this.issue(sql, userId);
      await sql.query(`update auth.bot set session_id = $2, token_hash = $3 where user_id = $1`, [
        userId,
        sessionId,
        digest(token),
      ]);
      return { user: userOf(bot), token, ended: await this.sessions.endOthers(sql, { userId, sessionId }, 'ended') };
    });
    await this.sessions.revoked(userId, ended, 'ended');
    return answer;
  }

  /** For good. The user stays, for what it wrote; it has no token and no password, and its name stays taken. */
  async remove({ userId: ownerId }: Actor, { userId }: CallInput<'bot.delete'>): Promise<void> {
    const ended = await this.parts.database.transaction(async (sql) => {
      await lock(sql, ownerId, userId);
      await sql.query(`update auth.bot set deleted_at = now() where user_id = $1`, [userId]);
      return this.sessions.endOthers(sql, { userId }, 'ended');
    });
    await this.sessions.revoked(userId, ended, 'ended');
  }

  /** Whose a token is. */
  async verify(token: string): Promise<RequestAnswer<'auth.bot.v1'>> {
    const [row] = await this.parts.database.query<{ user_id: string; session_id: string }>(
      `select b.user_id, b.session_id from auth.bot b join auth.session s on s.id = b.session_id
        where b.token_hash = $1 and b.deleted_at is null and s.ended_at is null`,
      [digest(token)],
    );
    if (!row) throw new ChatError('unauthenticated', 'the token is not good');
    return { userId: row.user_id, sessionId: row.session_id };
  }

  private async issue(sql: Sql, userId: string): Promise<{ sessionId: string; token: string }> {
    const sessionId = newId();
    await sql.query(
      `insert into auth.session (id, user_id, device_name, expires_at) values ($1, $2, 'bot', now() + interval '100 years')`,
      [sessionId, userId],
    );
    return { sessionId, token: newToken() };
  }
}

/** Refuses with `not_found` what is not the owner's. */
async function lock(sql: Sql, ownerId: string, userId: string): Promise<BotRow> {
  const [row] = await sql.query<BotRow>(
    `select ${userColumns}, b.session_id from auth.bot b join auth."user" u on u.id = b.user_id
      where b.user_id = $1 and b.owner_id = $2 and b.deleted_at is null for update of b`,
    [userId, ownerId],
  );
  if (!row) throw new ChatError('not_found', 'No such bot');
  return row;
}
