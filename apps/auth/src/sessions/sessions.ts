import { createHash, randomBytes } from 'node:crypto';
import { LockMode, sql, type QBFilterQuery, type SqlEntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { decodeCursor, DEFAULT_LIMIT, encodeCursor } from '@parley/chat';
import {
  ChatError,
  Id,
  newId,
  type Actor,
  type CallInput,
  type CallOutput,
  type Caller,
  type RequestAnswer,
  type RequestPayload,
  type RevocationReason,
  type Session,
  type User,
} from '@parley/contracts';
import { Database, RefreshTokenEntity, SessionEntity, UserEntity } from '@parley/store';
import { z } from 'zod';
import { AccountEvents } from '../account-events.js';
import { AuthSettings } from '../settings.js';
import { userOf } from '../users/users.js';
import { SigningKeys } from './signing-keys.js';

/** A session that a transaction opened or continued. The refresh token exists only here and at the client. */
export interface Grant {
  readonly user: User;
  readonly sessionId: string;
  readonly refreshToken: string;
  /** By the database's clock. */
  readonly at: Date;
}

/** Rows that one step of a sweep takes. */
const SWEEP_LIMIT = 500;
/** How long ended sessions stay listed after their last token expired. */
const REVOCATION_SLACK_MS = 60_000;
const digest = (token: string): Buffer => createHash('sha256').update(token).digest();
const later = (ms: number) => sql<Date>`now() + ${ms} * interval '1 millisecond'`;

/**
 * Sessions (devices) and their refresh tokens. Only the hash of a token is stored, and each token can be used once. All
 * times are the database's.
 */
@Injectable()
export class Sessions {
  constructor(
    private readonly database: Database,
    private readonly settings: AuthSettings,
    private readonly keys: SigningKeys,
    private readonly events: AccountEvents,
  ) {}

  /** Opens a session within the caller's transaction. */
  async open(em: SqlEntityManager, user: User, caller: Caller, deviceName: string | undefined): Promise<Grant> {
    const sessionId = newId();
    await em.insert(SessionEntity, {
      id: sessionId,
      userId: user.id,
      deviceName: deviceName ?? null,
      address: caller.address ?? null,
      expiresAt: later(this.settings.sessionMs),
    });
    return { user, sessionId, ...(await this.issueRefreshToken(em, sessionId)) };
  }

  /** Whether this is the refresh token that a session has now. The token stays unspent. */
  async isCurrentToken(em: SqlEntityManager, sessionId: string, refreshToken: string): Promise<boolean> {
    return (await em.count(RefreshTokenEntity, { hash: digest(refreshToken), sessionId, spentAt: null })) > 0;
  }

  /**
   * Continues a live session of `user` with a new refresh token and invalidates all earlier ones. Undefined when the
   * session has ended.
   */
  async renew(em: SqlEntityManager, user: User, sessionId: string, caller: Caller): Promise<Grant | undefined> {
    const renewed = await em.nativeUpdate(
      SessionEntity,
      { id: sessionId, userId: user.id, endedAt: null, expiresAt: { $gt: sql.now() } },
      {
        lastSeenAt: sql.now(),
        expiresAt: later(this.settings.sessionMs),
        ...(caller.address !== undefined && { address: caller.address }),
      },
    );
    if (renewed === 0) return undefined;
    await em.nativeUpdate(RefreshTokenEntity, { sessionId, spentAt: null }, { spentAt: sql.now() });
    return { user, sessionId, ...(await this.issueRefreshToken(em, sessionId)) };
  }

  /** The answer for the client. Called after the grant was committed. */
  async answer({ user, sessionId, refreshToken, at }: Grant): Promise<Session> {
    return { user, sessionId, refreshToken, ...(await this.keys.sign(user, sessionId, at)) };
  }

  /**
   * Exchanges a refresh token. A reused token ends its session, because the thief and the owner cannot be told apart.
   */
  async refresh(caller: Caller, refreshToken: string): Promise<Session> {
    const { grant, reused } = await this.database.entities((em) => this.exchange(em, caller, refreshToken));
    if (grant) return this.answer(grant);
    if (reused) await this.end(reused.userId, [reused.id], 'reuse');
    throw new ChatError('unauthenticated', 'invalid refresh token');
  }

  private async exchange(
    em: SqlEntityManager,
    caller: Caller,
    refreshToken: string,
  ): Promise<{ grant?: Grant | undefined; reused?: SessionEntity }> {
    // A second exchange of the token waits for this lock and then finds the token spent.
    const lock = { lockMode: LockMode.PESSIMISTIC_WRITE } as const;
    const token = await em.findOne(RefreshTokenEntity, { hash: digest(refreshToken) }, lock);
    if (!token) return {};
    const session = await em.findOneOrFail(SessionEntity, { id: token.sessionId });
    if (token.spentAt) return { reused: session };
    const user = await em.findOneOrFail(UserEntity, { id: session.userId });
    return { grant: await this.renew(em, userOf(user), session.id, caller) };
  }

  /** Ends the live sessions of `userId` among `sessionIds`, and tells all gateways. Returns their ids. */
  async end(userId: string, sessionIds: readonly string[], reason: RevocationReason): Promise<string[]> {
    const ended = await this.database.entities((em) =>
      endSessions(em, { userId, id: { $in: [...sessionIds] } }, reason),
    );
    return this.publishEnded(userId, ended, reason);
  }

  /**
   * Ends the user's sessions but `sessionId`, or all, within a transaction. {@link publishEnded} has to follow the commit.
   */
  endOthers(
    em: SqlEntityManager,
    { userId, sessionId }: { readonly userId: string; readonly sessionId?: string },
    reason: RevocationReason,
  ): Promise<string[]> {
    return endSessions(em, { userId, ...(sessionId !== undefined && { id: { $ne: sessionId } }) }, reason);
  }

  /** Tells all gateways that sessions have ended. */
  async publishEnded(userId: string, sessionIds: string[], reason: RevocationReason): Promise<string[]> {
    if (sessionIds.length > 0) await this.events.publish('session.revoked.v1', { userId, sessionIds, reason });
    return sessionIds;
  }

  /** The caller's live sessions, newest first. */
  async list(
    caller: Actor,
    { cursor, limit = DEFAULT_LIMIT }: CallInput<'auth.sessions'>,
  ): Promise<CallOutput<'auth.sessions'>> {
    const [before] = cursor === undefined ? [undefined] : decodeCursor('session', z.tuple([Id]), cursor);
    const sessions = await this.database.entities((em) =>
      em.find(
        SessionEntity,
        {
          userId: caller.userId,
          endedAt: null,
          expiresAt: { $gt: sql.now() },
          ...(before !== undefined && { id: { $lt: before } }),
        },
        { orderBy: { id: 'desc' }, limit: limit + 1 },
      ),
    );
    const items = sessions.slice(0, limit).map((session) => deviceOf(session, caller.sessionId));
    return sessions.length > limit ? { items, nextCursor: encodeCursor('session', [items.at(-1)!.id]) } : { items };
  }

  /** The token of a link to an attachment, valid from now by the clock by which tokens are issued. */
  async fileToken(request: RequestPayload<'auth.file-token.v1'>): Promise<RequestAnswer<'auth.file-token.v1'>> {
    const [row] = await this.database.query<{ at: Date }>('select clock_timestamp() as at');
    return this.keys.signFile(request, row!.at);
  }

  /**
   * The ended sessions whose access tokens may not have expired yet, and the clock by which tokens are issued. SQL,
   * because the list and the clock must be of one moment; every gateway asks every 3 s.
   */
  async revocations(): Promise<RequestAnswer<'auth.revocations.v1'>> {
    const [row] = await this.database.query<{ at: Date; ids: string[] }>(
      `select clock_timestamp() as at, (select coalesce(json_agg(id), '[]') from auth.session where ended_at > now() - $1 * interval '1 millisecond') as ids`,
      [this.settings.accessTokenMs + REVOCATION_SLACK_MS],
    );
    return { sessionIds: row!.ids, at: row!.at.getTime() };
  }

  /**
   * Ends a batch of expired sessions and tells all gateways. Returns how many. SQL, because replicas that sweep at the
   * same time must skip each other's rows.
   */
  async endExpired(): Promise<number> {
    const rows = await this.database.query<{ id: string; user_id: string }>(
      `update auth.session set ended_at = now(), ended_reason = 'expired'
        where id in (select id from auth.session where ended_at is null and expires_at <= now() order by expires_at limit ${SWEEP_LIMIT} for update skip locked)
        returning id, user_id`,
    );
    const byUser = Map.groupBy(rows, (row) => row.user_id);
    await Promise.all(
      [...byUser].map(([userId, ended]) =>
        this.publishEnded(
          userId,
          ended.map(({ id }) => id),
          'expired',
        ),
      ),
    );
    return rows.length;
  }

  /**
   * Deletes a batch of rows that are no longer needed for protection: sessions that ended, and tokens that were spent,
   * a session's lifetime ago. Returns the larger of both numbers. SQL for the same reason as {@link endExpired}.
   */
  async deleteOld(): Promise<number> {
    const age = `now() - $1 * interval '1 millisecond'`;
    const sessions = await this.database.query(
      `delete from auth.session where id in (
         select id from auth.session s where ended_at < ${age} and not exists (select 1 from auth.bot b where b.session_id = s.id) limit ${SWEEP_LIMIT} for update skip locked) returning id`,
      [this.settings.sessionMs],
    );
    const tokens = await this.database.query(
      `delete from auth.refresh_token where hash in (select hash from auth.refresh_token where spent_at < ${age} limit ${SWEEP_LIMIT} for update skip locked) returning 1 as one`,
      [this.settings.sessionMs],
    );
    return Math.max(sessions.length, tokens.length);
  }

  private async issueRefreshToken(
    em: SqlEntityManager,
    sessionId: string,
  ): Promise<Pick<Grant, 'refreshToken' | 'at'>> {
    const refreshToken = randomBytes(32).toString('base64url');
    const token = em.create(RefreshTokenEntity, { hash: digest(refreshToken), sessionId });
    await em.flush();
    return { refreshToken, at: token.createdAt };
  }
}

/** Ends live sessions in one statement, so that each session is returned to one caller. */
async function endSessions(
  em: SqlEntityManager,
  where: QBFilterQuery<SessionEntity>,
  reason: RevocationReason,
): Promise<string[]> {
  const rows = await em
    .createQueryBuilder(SessionEntity)
    .update({ endedAt: sql.now(), endedReason: reason })
    .where({ $and: [where, { endedAt: null }] })
    .returning('id')
    .execute<{ id: string }[]>('all');
  return rows.map(({ id }) => id);
}

const deviceOf = ({ id, deviceName, createdAt, lastSeenAt, address }: SessionEntity, current: string) => ({
  id,
  ...(deviceName && { deviceName }),
  createdAt: createdAt.toISOString(),
  lastSeenAt: lastSeenAt.toISOString(),
  ...(address && { address }),
  current: id === current,
});
