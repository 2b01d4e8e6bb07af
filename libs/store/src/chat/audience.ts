import { without } from '@parley/faults';
import type { Moment } from './rows.js';
import { belongsNow } from './rows.js';
import type { Sql } from '../database.js';
import { Lru } from '../lru.js';

/** A conversation as of one change of its members. */
export interface AudienceKey {
  readonly conversationId: string;
  readonly membersRev: number;
}
interface Known {
  readonly membersRev: number;
  readonly users: readonly string[];
  /** A ban that ends changes the members without a new rev. */
  readonly until: number;
}
const members = `
  select c.id, c.members_rev,
    coalesce(array_agg(m.user_id) filter (where ${belongsNow('m')}), '{}') as users,
    min(m.banned_until) filter (where m.left_at is null and m.status = 'banned' and m.banned_until > clock_timestamp()) as until
  from chat.conversation c left join chat.member m on m.conversation_id = c.id
  where c.id = any($1::uuid[]) and c.deleted_at is null
  group by c.id`;

/**
 * Who hears of a conversation: its members, without those banned. Remembered under the conversation's `members_rev`, which callers read in
 * their own transaction, so that an answer is never older than what they saw. Bounded by `capacity` remembered users; the longest unused go first.
 */
export class Audience {
  private readonly known: Lru<Known>;

  constructor(capacity = 500_000) {
    this.known = new Lru(capacity, ({ users }) => users.length);
  }

  /** The members as they are remembered; undefined when not all are. */
  remembered(keys: readonly AudienceKey[], now = Date.now()): Map<string, readonly string[]> | undefined {
    const found = new Map(
      keys.flatMap((key) => {
        const users = this.recall(key, now);
        return users ? [[key.conversationId, users] as const] : [];
      }),
    );
    return found.size === keys.length ? found : undefined;
  }

  /** The members of each conversation; at most one query. Conversations that don't exist are absent. */
  async of(sql: Sql, keys: readonly AudienceKey[], now = Date.now()): Promise<Map<string, readonly string[]>> {
    const found = new Map<string, readonly string[]>();
    const missing: string[] = [];
    for (const key of keys) {
      const users = this.recall(key, now);
      if (users) found.set(key.conversationId, users);
      else missing.push(key.conversationId);
    }
    if (missing.length > 0) await this.load(sql, missing, found);
    return found;
  }

  private async load(sql: Sql, ids: readonly string[], found: Map<string, readonly string[]>): Promise<void> {
    const rows = await sql.query<{ id: string; members_rev: number; users: string[]; until: Moment | null }>(members, [
      ids,
    ]);
    for (const row of rows) {
      found.set(row.id, row.users);
      this.known.set(row.id, {
        membersRev: row.members_rev,
        users: row.users,
        until: row.until === null ? Infinity : new Date(row.until).getTime(),
      });
    }
  }

  private recall({ conversationId, membersRev }: AudienceKey, now: number): readonly string[] | undefined {
    const entry = this.known.get(conversationId);
    return entry && (entry.membersRev === membersRev || without('membership-on-push')) && entry.until > now
      ? entry.users
      : undefined;
  }
}
