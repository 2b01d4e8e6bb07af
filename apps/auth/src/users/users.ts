import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { Broker } from '@parley/broker';
import { decodeCursor, DEFAULT_LIMIT, encodeCursor } from '@parley/chat';
import {
  ChatError,
  foldName,
  newId,
  partPattern,
  type Actor,
  type CallInput,
  type CallOutput,
  type Me,
  type User,
} from '@parley/contracts';
import { Database, UserEntity } from '@parley/store';
import { z } from 'zod';
import { AccountEvents } from '../account-events.js';
import {
  giveUpUsername,
  requireFreeUsername,
  requireOwnDisplayName,
  requireUnreserved,
  rethrowTaken,
  usernameColumns,
} from './names.js';

/** The part of a {@link UserEntity} that everybody may see, as {@link userColumns} selects it. */
export type UserRow = Pick<UserEntity, 'id' | 'username' | 'displayName' | 'avatarId' | 'kind' | 'createdAt'>;
/** The columns of a {@link UserRow}, for the alias `u`. */
export const userColumns = `u.id, u.username, u.display_name as "displayName", u.avatar_id as "avatarId", u.kind, u.created_at as "createdAt"`;

export const userOf = ({ id, username, displayName, avatarId, kind, createdAt }: UserRow): User => ({
  id,
  username,
  displayName,
  ...(avatarId && { avatarId }),
  kind,
  createdAt: createdAt.toISOString(),
});

const meOf = (user: UserEntity): Me => ({
  ...userOf(user),
  ...(user.email && { email: user.email }),
  ...(user.firstName && { firstName: user.firstName }),
  ...(user.lastName && { lastName: user.lastName }),
});

/** Users and their profiles. */
@Injectable()
export class Users {
  constructor(
    private readonly database: Database,
    private readonly broker: Broker,
    private readonly events: AccountEvents,
  ) {}

  /** The caller's own profile. Rejects with `not_found`. */
  async me({ userId }: Actor): Promise<Me> {
    return this.database.entities(async (em) => meOf(found(await em.findOne(UserEntity, { id: userId }))));
  }

  /**
   * Changes the given fields. An empty text or null takes a field away. Rejects with `conflict` when the username is
   * taken, held for its former holder or reserved, or the displayed name reads as somebody else's username; with
   * `not_found` or `unsupported_media` when the picture is not the caller's, or is none. A picture becomes public once
   * the profile names it, never before. When that fails nobody else sees the picture yet, and repeating the call shows
   * it.
   */
  async update({ userId }: Actor, changes: CallInput<'user.update'>): Promise<Me> {
    const { avatarId, displayName, username } = changes;
    if (avatarId) await this.broker.request('attachment.publishable.v1', { userId, attachmentId: avatarId });
    const given = Object.entries(changes).filter(([, value]) => value !== undefined);
    const user = await this.database
      .entities(async (em) => {
        const user = found(await em.findOne(UserEntity, { id: userId }));
        const before = user.username;
        // An empty text takes a field away.
        em.assign(user, Object.fromEntries(given.map(([field, value]) => [field, value || null])));
        if (displayName !== undefined) {
          await requireOwnDisplayName(em, user, displayName);
          user.foldedName = foldName(displayName);
        }
        if (username !== undefined && username !== before) {
          requireUnreserved(username);
          em.assign(user, usernameColumns(username));
          await giveUpUsername(em, { id: userId, username: before });
          await em.flush();
          await requireFreeUsername(em, user);
        }
        return user;
      })
      .catch(rethrowTaken);
    try {
      // Before the event, because all recipients of the profile must see its picture.
      if (avatarId !== undefined) await this.publishPicture(userId, avatarId || undefined);
    } finally {
      await this.events.publish('user.updated.v1', { user: userOf(user) });
    }
    return meOf(user);
  }

  /** Repeats until the profile still names the picture that was published: of concurrent changes the last one counts. */
  private async publishPicture(userId: string, avatarId: string | undefined): Promise<void> {
    let named = avatarId;
    for (let published: string | undefined | null = null; named !== published;) {
      await this.broker.request('attachment.publish.v1', { userId, ...(named && { attachmentId: named }) });
      published = named;
      named = await this.pictureOf(userId);
    }
  }

  private async pictureOf(userId: string): Promise<string | undefined> {
    const user = await this.database.entities((em) => em.findOne(UserEntity, { id: userId }, { fields: ['avatarId'] }));
    return user?.avatarId ?? undefined;
  }

  /** Rejects with `not_found`. */
  async get(userId: string): Promise<User> {
    return this.database.entities(async (em) => userOf(found(await em.findOne(UserEntity, { id: userId }))));
  }

  /** The users with these ids, in no order. SQL, because thousands are looked up when many clients reconnect. */
  async byIds(userIds: readonly string[]): Promise<User[]> {
    const rows = await this.database.query<UserRow>(
      `select ${userColumns} from auth."user" u where u.id = any($1::uuid[])`,
      [userIds],
    );
    return rows.map(userOf);
  }

  /**
   * The users with these usernames (in lower case), in no order. SQL, because sending a message that mentions somebody
   * waits for it.
   */
  async byUsernames(usernames: readonly string[]): Promise<User[]> {
    const rows = await this.database.query<UserRow>(
      `select ${userColumns} from auth."user" u where u.username = any($1::text[])`,
      [usernames],
    );
    return rows.map(userOf);
  }

  /**
   * The users whose username or display name contains `query`, by username; or the users with these `ids`, in no order.
   * SQL, because the order (byte by byte) and the pattern are those of its indexes.
   */
  async list({ query, ids, cursor, limit = DEFAULT_LIMIT }: CallInput<'user.list'>): Promise<CallOutput<'user.list'>> {
    if (ids) return { items: await this.byIds(ids) };
    const [after] = cursor === undefined ? [undefined] : decodeCursor('user', z.tuple([z.string()]), cursor);
    const pattern = query === undefined ? undefined : partPattern(foldName(query));
    const rows = await this.database.query<UserRow>(
      `select ${userColumns} from auth."user" u
        where ($1::text is null or u.username like $1 or u.folded_name like $1) and ($2::text is null or u.username collate "C" > $2)
        order by u.username collate "C" limit $3`,
      [pattern, after, limit + 1],
    );
    const items = rows.slice(0, limit).map(userOf);
    return rows.length > limit ? { items, nextCursor: encodeCursor('user', [items.at(-1)!.username]) } : { items };
  }
}

type Profile = Pick<CallInput<'auth.register'>, 'username' | 'email' | 'firstName' | 'lastName'> & {
  readonly displayName: string;
};

/**
 * Stores a new user. Other rows refer to it, so it is flushed at once. Rejects with `conflict` for names that may not
 * be had, or with the violation of a unique key: see `isTaken`.
 */
export async function insertUser(em: SqlEntityManager, profile: Profile, kind: User['kind']): Promise<User> {
  const { username, displayName, email = null, firstName = null, lastName = null } = profile;
  const user = em.create(UserEntity, {
    id: newId(),
    ...usernameColumns(username),
    displayName,
    foldedName: foldName(displayName),
    kind,
    email,
    firstName,
    lastName,
  });
  if (kind !== 'guest') requireUnreserved(username);
  await requireOwnDisplayName(em, user, displayName);
  await em.flush();
  await requireFreeUsername(em, user);
  return userOf(user);
}

function found<T>(user: T | null): T {
  if (!user) throw new ChatError('not_found');
  return user;
}
