import { Lru } from '@parley/service-kit';
import type { Sql } from '@parley/store';
import { isMemberNow } from './members.js';
import type { Moment } from './rows.js';

/** A conversation at one version of its members. */
export interface AudienceKey {
  readonly conversationId: string;
  readonly membersRev: number;
}
interface CachedAudience {
  readonly membersRev: number;
  readonly users: readonly string[];
  /** When the next ban ends, in milliseconds: that adds a member without a new `members_rev`. */
  readonly expiresAt: number;
}
const MEMBERS = `
  select c.id, c.members_rev,
    coalesce(array_agg(m.user_id) filter (where ${isMemberNow('m')}), '{}') as users,
    min(m.banned_until) filter (where m.left_at is null and m.status = 'banned' and m.banned_until > clock_timestamp()) as expires_at
  from chat.conversation c left join chat.member m on m.conversation_id = c.id
  where c.id = any($1::uuid[]) and c.deleted_at is null
  group by c.id`;

/**
 * Cache of the users that a conversation's events go to: its members, without banned ones. Entries are keyed by
 * `members_rev`, which callers read in their own transaction, so an answer is never older than the caller's own view.
 * One instance per process. `capacity` bounds the number of cached users.
 */
export class Audience {
  private readonly cache: Lru<CachedAudience>;

  constructor(capacity = 500_000) {
    this.cache = new Lru(capacity, ({ users }) => users.length);
  }

  /** The members of each conversation from the cache; undefined unless all of them are cached. */
  cached(keys: readonly AudienceKey[], now = Date.now()): Map<string, readonly string[]> | undefined {
    const found = new Map<string, readonly string[]>();
    for (const key of keys) {
      const users = this.lookUp(key, now);
      if (!users) return undefined;
      found.set(key.conversationId, users);
    }
    return found;
  }

  /** The members of each conversation; at most one query. Conversations that do not exist are absent. */
  async of(sql: Sql, keys: readonly AudienceKey[], now = Date.now()): Promise<Map<string, readonly string[]>> {
    const found = new Map<string, readonly string[]>();
    const missing: string[] = [];
    for (const key of keys) {
      const users = this.lookUp(key, now);
      if (users) found.set(key.conversationId, users);
      else missing.push(key.conversationId);
    }
    if (missing.length > 0) await this.load(sql, missing, found);
    return found;
  }

  private async load(sql: Sql, ids: readonly string[], found: Map<string, readonly string[]>): Promise<void> {
    const rows = await sql.query<{ id: string; members_rev: number; users: string[]; expires_at: Moment | null }>(
      MEMBERS,
      [ids],
    );
    for (const row of rows) {
      found.set(row.id, row.users);
      this.cache.set(row.id, {
        membersRev: row.members_rev,
        users: row.users,
        expiresAt: row.expires_at === null ? Infinity : new Date(row.expires_at).getTime(),
      });
    }
  }

  private lookUp({ conversationId, membersRev }: AudienceKey, now: number): readonly string[] | undefined {
    const entry = this.cache.get(conversationId);
    return entry && entry.membersRev === membersRev && entry.expiresAt > now ? entry.users : undefined;
  }
}

/** The audience of one conversation as this transaction sees it, uncached; also of a deleted conversation. */
export async function audienceOf(sql: Sql, conversationId: string): Promise<string[]> {
  const rows = await sql.query<{ user_id: string }>(
    `select m.user_id from chat.member m where m.conversation_id = $1 and ${isMemberNow('m')}`,
    [conversationId],
  );
  return rows.map(({ user_id }) => user_id);
}
