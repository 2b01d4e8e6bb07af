import { Inject, Injectable } from '@nestjs/common';
import {
  ChatError,
  foldName,
  partPattern,
  type Actor,
  type CallInput,
  type CallOutput,
  type Me,
  type User,
} from '@parley/contracts';
import { isUniqueViolation, UserEntity } from '@parley/store';
import { Announcer } from '../event-publisher.js';
import { decodeCursor, encodeCursor } from '../cursor.js';
import { PARTS, type AuthParts } from '../parts.js';

/** A row of `auth.user`, as far as everybody may see it. */
export interface UserRow extends Record<string, unknown> {
  id: string;
  username: string;
  display_name: string;
  avatar_id: string | null;
  kind: User['kind'];
  created_at: Date;
}
/** The columns of {@link UserRow}, for the alias `u`. */
export const userColumns = 'u.id, u.username, u.display_name, u.avatar_id, u.kind, u.created_at';

export const userOf = (row: UserRow): User => ({
  id: row.id,
  username: row.username,
  displayName: row.display_name,
  ...(row.avatar_id === null ? {} : { avatarId: row.avatar_id }),
  kind: row.kind,
  createdAt: row.created_at.toISOString(),
});

const meOf = (entity: UserEntity): Me => ({
  id: entity.id,
  username: entity.username,
  displayName: entity.displayName,
  ...(entity.avatarId ? { avatarId: entity.avatarId } : {}),
  kind: entity.kind,
  createdAt: new Date(entity.createdAt).toISOString(),
  ...(entity.email ? { email: entity.email } : {}),
  ...(entity.firstName ? { firstName: entity.firstName } : {}),
  ...(entity.lastName ? { lastName: entity.lastName } : {}),
});
const publicPart = ({ email: _email, firstName: _first, lastName: _last, ...user }: Me): User => user;

const DEFAULT_PAGE = 50;

/** Profiles: who people are. */
@Injectable()
export class Users {
  constructor(
    @Inject(PARTS) private readonly parts: AuthParts,
    @Inject(Announcer) private readonly announcer: Announcer,
  ) {}

  async me(caller: Actor): Promise<Me> {
    const entity = await this.parts.database.entities((em) => em.findOne(UserEntity, { id: caller.userId }));
    if (!entity) throw new ChatError('not_found');
    return meOf(entity);
  }

  /**
   * Changes what is given. `conflict`: the username is somebody else's. `not_found`, `unsupported_media`: the picture is not the caller's, or none. A picture becomes public once the profile
   * names it, and never before; where that fails, nobody else sees it yet, and the same call again shows it.
   */
  async update(caller: Actor, changes: CallInput<'user.update'>): Promise<Me> {
    const { avatarId } = changes;
    if (avatarId !== undefined)
      await this.parts.broker.request('attachment.publishable.v1', { userId: caller.userId, attachmentId: avatarId });
    const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
    const me = await this.parts.database
      .entities(async (em) => {
        const entity = await em.findOne(UserEntity, { id: caller.userId });
        if (!entity) throw new ChatError('not_found');
        em.assign(entity, {
          ...given,
          ...(changes.displayName === undefined ? {} : { foldedName: foldName(changes.displayName) }),
        });
        await em.flush();
        return meOf(entity);
      })
      .catch(taken);
    try {
      // Before it is told: who hears of the profile must see its picture.
      if (avatarId !== undefined) await this.showPicture(caller.userId, avatarId);
    } finally {
      await this.announcer.announce('user.updated.v1', { user: publicPart(me) });
    }
    return me;
  }

  /** Goes on until the profile still names what was published: of changes at the same time the last one counts. */
  private async showPicture(userId: string, avatarId: string): Promise<void> {
    let shown: string | null = null;
    for (let named: string | null = avatarId; named !== null && named !== shown; named = await this.pictureOf(userId)) {
      await this.parts.broker.request('attachment.publish.v1', { userId, attachmentId: named });
      shown = named;
    }
  }

  private async pictureOf(userId: string): Promise<string | null> {
    const [row] = await this.parts.database.query<{ avatar_id: string | null }>(
      `select avatar_id from auth."user" where id = $1`,
      [userId],
    );
    return row?.avatar_id ?? null;
  }

  async get(userId: string): Promise<User> {
    const [user] = await this.known([userId]);
    if (!user) throw new ChatError('not_found');
    return user;
  }

  async known(userIds: readonly string[]): Promise<User[]> {
    const rows = await this.parts.database.query<UserRow>(
      `select ${userColumns} from auth."user" u where u.id = any($1::uuid[])`,
      [userIds],
    );
    return rows.map(userOf);
  }

  /** Those of the usernames, in lower case, that are somebody's. */
  async named(usernames: readonly string[]): Promise<User[]> {
    const rows = await this.parts.database.query<UserRow>(
      `select ${userColumns} from auth."user" u where u.username = any($1::text[])`,
      [usernames],
    );
    return rows.map(userOf);
  }

  /** By username, those whose username or display name has `query` in it; or those whom `ids` name, in no order. */
  async list({ query, ids, cursor, limit = DEFAULT_PAGE }: CallInput<'user.list'>): Promise<CallOutput<'user.list'>> {
    if (ids) return { items: await this.known(ids) };
    const after = cursor === undefined ? null : decodeCursor(cursor, 'user');
    const part = query === undefined ? null : partPattern(foldName(query));
    const rows = await this.parts.database.query<UserRow>(
      `select ${userColumns} from auth."user" u
        where ($1::text is null or u.username like $1 or u.folded_name like $1) and ($2::text is null or u.username collate "C" > $2)
        order by u.username collate "C" limit $3`,
      [part, after, limit + 1],
    );
    const items = rows.slice(0, limit).map(userOf);
    return rows.length > limit ? { items, nextCursor: encodeCursor('user', items.at(-1)!.username) } : { items };
  }
}

/** Rethrows a taken username as `conflict`. */
export function taken(error: unknown): never {
  if (isUniqueViolation(error, 'user_username_key')) throw new ChatError('conflict', 'the username is taken');
  throw error;
}
