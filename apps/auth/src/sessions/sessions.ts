import { createHash, randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import {
  ChatError,
  Id,
  newId,
  type Actor,
  type CallInput,
  type CallOutput,
  type Caller,
  type RequestAnswer,
  type RevocationReason,
  type Session,
  type User,
} from '@parley/contracts';
import type { Sql } from '@parley/store';
import { Announcer } from '../event-publisher.js';
import { decodeCursor, encodeCursor } from '../cursor.js';
import { PARTS, SETTINGS, type AuthParts, type Settings } from '../parts.js';
import { SigningKeys } from './signing-keys.js';
import { userColumns, userOf, type UserRow } from '../users/users.js';

/** A session that a transaction opened or went on with. `refreshToken` exists only here and at the client. */
export interface Granted {
  readonly user: User;
  readonly sessionId: string;
  readonly refreshToken: string;
  /** By the database's clock. */
  readonly at: Date;
}
type Refreshed = { readonly granted: Granted } | { readonly reused: { userId: string; sessionId: string } } | undefined;

interface TokenRow extends UserRow {
  session_id: string;
  spent_at: Date | null;
}
interface SessionRow extends Record<string, unknown> {
  id: string;
  device_name: string | null;
  address: string | null;
  created_at: Date;
  last_seen_at: Date;
}

const DEFAULT_PAGE = 50;
/** Rows that one step of the sweeper takes. */
const BATCH = 500;
const digest = (token: string): Buffer => createHash('sha256').update(token).digest();

/** Sessions (devices) and their refresh tokens. Only the hash of a token is kept; each is good once. */
@Injectable()
export class Sessions {
  constructor(
    @Inject(PARTS) private readonly parts: AuthParts,
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(SigningKeys) private readonly keys: SigningKeys,
    @Inject(Announcer) private readonly announcer: Announcer,
  ) {}

  /** Opens a session within the caller's transaction. */
  async open(sql: Sql, user: User, caller: Caller, deviceName: string | undefined): Promise<Granted> {
    const sessionId = newId();
    await sql.query(
      `insert into auth.session (id, user_id, device_name, address, expires_at) values ($1, $2, $3, $4, now() + $5 * interval '1 millisecond')`,
      [sessionId, user.id, deviceName, caller.address, this.settings.sessionMs],
    );
    return { user, sessionId, ...(await this.issue(sql, sessionId)) };
  }

  /** Goes on with a live session of `user` under a new refresh token, all earlier ones spent; undefined when it has ended. */
  async renew(sql: Sql, user: User, sessionId: string, caller: Caller): Promise<Granted | undefined> {
    const live = await sql.query(
      `update auth.session set last_seen_at = now(), expires_at = now() + $3 * interval '1 millisecond', address = coalesce($4, address)
        where id = $1 and user_id = $2 and ended_at is null and expires_at > now() returning id`,
      [sessionId, user.id, this.settings.sessionMs, caller.address],
    );
    if (live.length === 0) return undefined;
    await sql.query(`update auth.refresh_token set spent_at = now() where session_id = $1 and spent_at is null`, [
      sessionId,
    ]);
    return { user, sessionId, ...(await this.issue(sql, sessionId)) };
  }

  /** What the client gets, once its session is committed. */
  async grant({ user, sessionId, refreshToken, at }: Granted): Promise<Session> {
    return { user, sessionId, refreshToken, ...(await this.keys.sign(user, sessionId, at)) };
  }

  /** Exchanges a refresh token. One that was spent before ends its session: somebody has a copy, and nobody can tell who. */
  async refresh(caller: Caller, refreshToken: string): Promise<Session> {
    const outcome = await this.parts.database.transaction<Refreshed>(async (sql) => {
      // The token's row is the lock: a second exchange of it waits here, and then sees it spent.
      const [row] = await sql.query<TokenRow>(
        `select t.session_id, t.spent_at, ${userColumns}
           from auth.refresh_token t join auth.session s on s.id = t.session_id join auth."user" u on u.id = s.user_id
          where t.hash = $1 for update of t`,
        [digest(refreshToken)],
      );
      if (!row) return undefined;
      if (row.spent_at !== null) return { reused: { userId: row.id, sessionId: row.session_id } };
      const granted = await this.renew(sql, userOf(row), row.session_id, caller);
      return granted && { granted };
    });
    if (outcome && 'granted' in outcome) return this.grant(outcome.granted);
    if (outcome) await this.end(outcome.reused.userId, [outcome.reused.sessionId], 'reuse');
    throw new ChatError('unauthenticated', 'the refresh token is not good');
  }

  /** Ends those of `sessionIds` that live and belong to `userId`; answers which. They are revoked everywhere from then on. */
  async end(userId: string, sessionIds: readonly string[], reason: RevocationReason): Promise<string[]> {
    const rows = await this.parts.database.query<{ id: string }>(
      `update auth.session set ended_at = now(), ended_reason = $3 where user_id = $1 and id = any($2::uuid[]) and ended_at is null returning id`,
      [userId, sessionIds, reason],
    );
    return this.revoked(
      userId,
      rows.map(({ id }) => id),
      reason,
    );
  }

  /** Within a transaction: ends the user's sessions but one, or all. {@link revoked} has to follow the commit. */
  async endOthers(
    sql: Sql,
    { userId, sessionId }: { readonly userId: string; readonly sessionId?: string },
    reason: RevocationReason,
  ): Promise<string[]> {
    const rows = await sql.query<{ id: string }>(
      `update auth.session set ended_at = now(), ended_reason = $3 where user_id = $1 and id is distinct from $2 and ended_at is null returning id`,
      [userId, sessionId, reason],
    );
    return rows.map(({ id }) => id);
  }

  /** Tells everybody of sessions that ended. */
  async revoked(userId: string, sessionIds: string[], reason: RevocationReason): Promise<string[]> {
    if (sessionIds.length > 0) await this.announcer.announce('session.revoked.v1', { userId, sessionIds, reason });
    return sessionIds;
  }

  /** The caller's live sessions, newest first. */
  async list(
    caller: Actor,
    { cursor, limit = DEFAULT_PAGE }: CallInput<'auth.sessions'>,
  ): Promise<CallOutput<'auth.sessions'>> {
    const before = cursor === undefined ? null : decodeCursor(cursor, 'session');
    if (before !== null && !Id.safeParse(before).success)
      throw new ChatError('invalid', 'cursor: unknown', { details: [{ path: 'cursor', message: 'unknown' }] });
    const rows = await this.parts.database.query<SessionRow>(
      `select id, device_name, address, created_at, last_seen_at from auth.session
        where user_id = $1 and ended_at is null and expires_at > now() and ($2::uuid is null or id < $2) order by id desc limit $3`,
      [caller.userId, before, limit + 1],
    );
    const items = rows.slice(0, limit).map((row) => deviceOf(row, caller.sessionId));
    return rows.length > limit ? { items, nextCursor: encodeCursor('session', items.at(-1)!.id) } : { items };
  }

  /** Sessions whose access tokens may still be alive though they ended, and the time by which tokens are issued. */
  async revocations(): Promise<RequestAnswer<'auth.revocations.v1'>> {
    const [row] = await this.parts.database.query<{ at: Date; ids: string[] }>(
      `select clock_timestamp() as at, (select coalesce(json_agg(id), '[]') from auth.session where ended_at > now() - $1 * interval '1 millisecond') as ids`,
      [this.settings.accessTokenMs + 60_000],
    );
    return { sessionIds: row!.ids, at: row!.at.getTime() };
  }

  /** Ends a batch of expired sessions; answers how many. Several replicas may sweep at once. */
  async endExpired(): Promise<number> {
    const rows = await this.parts.database.query<{ id: string; user_id: string }>(
      `update auth.session set ended_at = now(), ended_reason = 'expired'
        where id in (select id from auth.session where ended_at is null and expires_at <= now() order by expires_at limit ${BATCH} for update skip locked)
        returning id, user_id`,
    );
    const byUser = Map.groupBy(rows, (row) => row.user_id);
    await Promise.all(
      [...byUser].map(([userId, ended]) =>
        this.revoked(
          userId,
          ended.map(({ id }) => id),
          'expired',
        ),
      ),
    );
    return rows.length;
  }

  /** Removes a batch of what no longer protects anybody: sessions that ended, and tokens that were spent, a session's lifetime ago. */
  async forgetOld(): Promise<number> {
    const age = `now() - $1 * interval '1 millisecond'`;
    const sessions = await this.parts.database.query(
      `delete from auth.session where id in (
         select id from auth.session s where ended_at < ${age} and not exists (select 1 from auth.bot b where b.session_id = s.id) limit ${BATCH} for update skip locked) returning id`,
      [this.settings.sessionMs],
    );
    const tokens = await this.parts.database.query(
      `delete from auth.refresh_token where hash in (select hash from auth.refresh_token where spent_at < ${age} limit ${BATCH} for update skip locked) returning 1 as one`,
      [this.settings.sessionMs],
    );
    return Math.max(sessions.length, tokens.length);
  }

  private async issue(sql: Sql, sessionId: string): Promise<Pick<Granted, 'refreshToken' | 'at'>> {
    const refreshToken = randomBytes(32).toString('base64url');
    const [row] = await sql.query<{ created_at: Date }>(
      `insert into auth.refresh_token (hash, session_id) values ($1, $2) returning created_at`,
      [digest(refreshToken), sessionId],
    );
    return { refreshToken, at: row!.created_at };
  }
}

const deviceOf = (row: SessionRow, current: string) => ({
  id: row.id,
  ...(row.device_name === null ? {} : { deviceName: row.device_name }),
  createdAt: row.created_at.toISOString(),
  lastSeenAt: row.last_seen_at.toISOString(),
  ...(row.address === null ? {} : { address: row.address }),
  current: row.id === current,
});
