import { parseArgs } from 'node:util';
import { StartError } from '@parley/service-kit';
import type { Sql } from '@parley/store';
import { required, UsageError, type Command } from './command.js';
import { openPlace, within } from './data/deployment.js';

interface UserRow extends Record<string, unknown> {
  readonly id: string;
  readonly username: string;
  readonly display_name: string;
  readonly kind: string;
  readonly created_at: Date;
  readonly sessions: number;
  readonly last_seen_at: Date | null;
}

/** Whom `who` names: an id or a username. Throws a `StartError` when there is nobody. */
export async function userNamed(sql: Sql, who: string): Promise<string> {
  const [row] = await sql.query<{ id: string }>(
    `select id from auth."user" where id::text = lower($1) or lower(username) = lower($1)`,
    [who],
  );
  if (!row) throw new StartError(`there is no user ${who}`);
  return row.id;
}

/** Users, the newest first; those of whose username or display name `search` is a part. */
const usersOf = (
  sql: Sql,
  { search, kind, limit }: { search: string | undefined; kind: string | undefined; limit: number },
): Promise<UserRow[]> =>
  sql.query<UserRow>(
    `select u.id, u.username, u.display_name, u.kind, u.created_at, count(s.id)::int as sessions, max(s.last_seen_at) as last_seen_at
       from auth."user" u left join auth.session s on s.user_id = u.id and s.ended_at is null and s.expires_at > now()
      where ($1::text is null or position(lower($1) in lower(u.username)) > 0 or position(lower($1) in lower(u.display_name)) > 0) and ($2::text is null or u.kind = $2)
      group by u.id order by u.created_at desc, u.id limit $3`,
    [search, kind, limit],
  );

/** Names may hold anything: nothing in them steers a terminal. */
export const printable = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}]/gu, '�');

/** Throws a {@link UsageError} unless it is a whole number of at least 1. */
export function wholeLimit(text: string): number {
  const limit = Number(text);
  if (!Number.isSafeInteger(limit) || limit < 1) throw new UsageError('--limit must be a whole number');
  return limit;
}

export const usersCommand: Command = {
  usage: 'users [--search TEXT] [--kind person|guest|bot] [--limit N] [--data-dir DIR]',
  does: 'lists users, the newest first, with their live sessions',
  async run(args, say) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        search: { type: 'string' },
        kind: { type: 'string' },
        limit: { type: 'string', default: '50' },
        'data-dir': { type: 'string' },
      },
    });
    const limit = wholeLimit(values.limit);
    return within(openPlace(values['data-dir']), async ({ database }) => {
      for (const user of await usersOf(database, { search: values.search, kind: values.kind, limit })) {
        const seen = user.last_seen_at === null ? 'never here now' : `last seen ${user.last_seen_at.toISOString()}`;
        say(
          [
            user.id,
            user.kind.padEnd(6),
            printable(user.username).padEnd(24),
            `${user.sessions} sessions`.padEnd(12),
            seen,
            printable(user.display_name),
          ].join('  '),
        );
      }
      return 0;
    });
  },
};

/** Ends all live sessions of a user, or one of them. Gateways ask for what ended every 3 s, so sockets are closed within 5 s, and tokens refused. */
const endSessions = (sql: Sql, userId: string, sessionId: string | undefined): Promise<{ id: string }[]> =>
  sql.query<{ id: string }>(
    `update auth.session set ended_at = now(), ended_reason = 'ended' where user_id = $1 and ($2::uuid is null or id = $2) and ended_at is null returning id`,
    [userId, sessionId],
  );

export const revokeCommand: Command = {
  usage: 'sessions revoke --user NAME_OR_ID [--session ID] [--data-dir DIR]',
  does: 'ends the sessions of a user, or one; their sockets are closed within 5 s and their tokens refused',
  async run(args, say) {
    const { values } = parseArgs({
      args: [...args],
      options: { user: { type: 'string' }, session: { type: 'string' }, 'data-dir': { type: 'string' } },
    });
    const { session } = values;
    const user = required('user', values.user);
    return within(openPlace(values['data-dir']), async ({ database }) => {
      const ended = await endSessions(database, await userNamed(database, user), session);
      say(`${ended.length} ${ended.length === 1 ? 'session' : 'sessions'} of ${user} ended`);
      return 0;
    });
  },
};
