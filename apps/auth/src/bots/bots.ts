import { createHash, randomBytes } from 'node:crypto';
import { LockMode, sql, type SqlEntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { decodeCursor, DEFAULT_LIMIT, encodeCursor } from '@parley/chat';
import {
  ChatError,
  Id,
  newId,
  type Actor,
  type BotToken,
  type CallInput,
  type CallOutput,
  type RequestAnswer,
} from '@parley/contracts';
import { BotEntity, Database, SessionEntity, UserEntity } from '@parley/store';
import { z } from 'zod';
import { Sessions } from '../sessions/sessions.js';
import { rethrowTaken } from '../users/names.js';
import { insertUser, userOf } from '../users/users.js';

const MAX_BOTS = 20;
/** Deleted bots count too: their names stay taken. */
const MAX_BOTS_EVER = 100;
const newToken = (): string => `parley_bot_${randomBytes(32).toString('base64url')}`;
const digest = (token: string): Buffer => createHash('sha256').update(token).digest();
const writeLock = { lockMode: LockMode.PESSIMISTIC_WRITE } as const;

/**
 * Bots: users that authenticate with a token instead of a password. A bot has one token at a time, which does not
 * expire. Its token is a session, so it ends as sessions do. Only the hash is stored.
 */
@Injectable()
export class Bots {
  constructor(
    private readonly database: Database,
    private readonly sessions: Sessions,
  ) {}

  /**
   * Rejects with `forbidden` for guests and bots, `too_large` when the caller has the maximum number of bots,
   * `conflict` when the username is taken.
   */
  async create(
    { userId: ownerId, sessionId, kind }: Actor,
    { username, displayName = username }: CallInput<'bot.create'>,
  ): Promise<BotToken> {
    if (kind !== 'person') throw new ChatError('forbidden', 'Only people have bots');
    return this.database
      .entities(async (em) => {
        // One at a time for each owner, so that concurrent calls do not exceed the limit.
        await em.findOne(UserEntity, { id: ownerId }, writeLock);
        // Gateways hear of ended sessions a little later. After `deleteAll` an ended session makes no more bots.
        if ((await em.count(SessionEntity, { id: sessionId, endedAt: null })) === 0)
          throw new ChatError('unauthenticated', 'the session has ended');
        if ((await em.count(BotEntity, { ownerId, deletedAt: null })) >= MAX_BOTS)
          throw new ChatError('too_large', `At most ${MAX_BOTS} bots each`);
        if ((await em.count(BotEntity, { ownerId })) >= MAX_BOTS_EVER)
          throw new ChatError('too_large', `At most ${MAX_BOTS_EVER} bots each, deleted ones included`);
        const user = await insertUser(em, { username, displayName }, 'bot');
        const { token, ...session } = await openSession(em, user.id);
        em.create(BotEntity, { userId: user.id, ownerId, ...session });
        return { user, token };
      })
      .catch(rethrowTaken);
  }

  /** The caller's bots, newest first. */
  async list(
    { userId: ownerId }: Actor,
    { cursor, limit = DEFAULT_LIMIT }: CallInput<'bot.list'>,
  ): Promise<CallOutput<'bot.list'>> {
    const [before] = cursor === undefined ? [undefined] : decodeCursor('bot', z.tuple([Id]), cursor);
    const users = await this.database.entities(async (em) => {
      const bots = await em.find(
        BotEntity,
        { ownerId, deletedAt: null, ...(before !== undefined && { userId: { $lt: before } }) },
        { orderBy: { userId: 'desc' }, limit: limit + 1 },
      );
      return em.find(UserEntity, { id: { $in: bots.map(({ userId }) => userId) } }, { orderBy: { id: 'desc' } });
    });
    const items = users.slice(0, limit).map(userOf);
    return users.length > limit ? { items, nextCursor: encodeCursor('bot', [items.at(-1)!.id]) } : { items };
  }

  /**
   * Replaces a bot's token. The earlier one is refused everywhere, and its sockets are closed. Rejects with `not_found`
   * unless the bot is the caller's.
   */
  async renewToken({ userId: ownerId }: Actor, { userId }: CallInput<'bot.token'>): Promise<BotToken> {
    const { ended, ...answer } = await this.database.entities(async (em) => {
      const bot = await lockBot(em, ownerId, userId);
      const { token, ...session } = await openSession(em, userId);
      em.assign(bot, session);
      const user = userOf(await em.findOneOrFail(UserEntity, { id: userId }));
      const ended = await this.sessions.endOthers(em, { userId, sessionId: session.sessionId }, 'ended');
      return { user, token, ended };
    });
    await this.sessions.publishEnded(userId, ended, 'ended');
    return answer;
  }

  /**
   * Deletes a bot for good. Its user stays, because of its messages, without token and password; the name stays taken.
   * Rejects with `not_found` unless the bot is the caller's.
   */
  async delete({ userId: ownerId }: Actor, { userId }: CallInput<'bot.delete'>): Promise<void> {
    const ended = await this.database.entities(async (em) => {
      const bot = await lockBot(em, ownerId, userId);
      bot.deletedAt = sql<Date>`now()`;
      return this.sessions.endOthers(em, { userId }, 'ended');
    });
    await this.sessions.publishEnded(userId, ended, 'ended');
  }

  /**
   * Deletes all bots of a user within a transaction, and returns the sessions that ended with them, by bot. They have
   * to be published after the commit. Other sessions of the user must have ended before in this transaction: they make
   * no more bots.
   */
  async deleteAll(em: SqlEntityManager, ownerId: string): Promise<Map<string, string[]>> {
    await em.findOne(UserEntity, { id: ownerId }, writeLock);
    const bots = await em.find(BotEntity, { ownerId, deletedAt: null }, writeLock);
    const ended = new Map<string, string[]>();
    for (const bot of bots) {
      bot.deletedAt = sql<Date>`now()`;
      ended.set(bot.userId, await this.sessions.endOthers(em, { userId: bot.userId }, 'ended'));
    }
    return ended;
  }

  /** The bot, session and owner that a token belongs to. Rejects with `unauthenticated`. */
  async verify(token: string): Promise<RequestAnswer<'auth.bot.v1'>> {
    const bot = await this.database.entities(async (em) => {
      const found = await em.findOne(BotEntity, { tokenHash: digest(token), deletedAt: null });
      const isLive = found && (await em.count(SessionEntity, { id: found.sessionId, endedAt: null })) > 0;
      return isLive ? found : undefined;
    });
    if (!bot) throw new ChatError('unauthenticated', 'invalid token');
    return { userId: bot.userId, sessionId: bot.sessionId, ownerId: bot.ownerId };
  }
}

/** Opens the session of a new token. */
async function openSession(
  em: SqlEntityManager,
  userId: string,
): Promise<{ sessionId: string; token: string; tokenHash: Buffer }> {
  const [sessionId, token] = [newId(), newToken()];
  const expiresAt = sql<Date>`now() + interval '100 years'`;
  await em.insert(SessionEntity, { id: sessionId, userId, deviceName: 'bot', expiresAt });
  return { sessionId, token, tokenHash: digest(token) };
}

async function lockBot(em: SqlEntityManager, ownerId: string, userId: string): Promise<BotEntity> {
  const bot = await em.findOne(BotEntity, { userId, ownerId, deletedAt: null }, writeLock);
  if (!bot) throw new ChatError('not_found', 'No such bot');
  return bot;
}
