import { parseArgs } from 'node:util';
import { StartError } from '@parley/service-kit';
import type { Sql } from '@parley/store';
import { required, UsageError, type Command } from './command.js';
import { openDeployment, withDeployment } from './data/deployment.js';

interface UserRow extends Record<string, unknown> {
  readonly id: string;
  readonly username: string;
  readonly display_name: string;
  readonly kind: string;
  readonly created_at: Date;
  readonly sessions: number;
  readonly last_seen_at: Date | null;
}

/** The id of the user with this id or username. Throws a `StartError` when there is none. */
export async function findUser(sql: Sql, nameOrId: string): Promise<string> {
  const [row] = await sql.query<{ id: string }>(
    `select id from auth."user" where id::text = lower($1) or lower(username) = lower($1)`,
    [nameOrId],
  );
  if (!row) throw new StartError(`there is no user ${nameOrId}`);
  return row.id;
}

/** Users, newest first; with `search`, those whose username or display name contains it. */
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

/** Replaces control characters: a name must not control the terminal. */
export const replaceControls = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}]/gu, '�');

/** Throws a {@link UsageError} unless `text` is a whole number of at least 1. */
export function parseLimit(text: string): number {
  const limit = Number(text);
  if (!Number.isSafeInteger(limit) || limit < 1) throw new UsageError('--limit must be a whole number of at least 1');
  return limit;
}

export const usersCommand: Command = {
  usage: 'users [--search TEXT] [--kind person|guest|bot] [--limit N] [--data-dir DIR]',
  does: 'lists users, newest first, with their live sessions',
  async run(args, print) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        search: { type: 'string' },
        kind: { type: 'string' },
        limit: { type: 'string', default: '50' },
        'data-dir': { type: 'string' },
      },
    });
    const limit = parseLimit(values.limit);
    return withDeployment(openDeployment(values['data-dir']), async ({ database }) => {
      for (const user of await usersOf(database, { search: values.search, kind: values.kind, limit })) {
        const seen = user.last_seen_at === null ? 'no live session' : `last seen ${user.last_seen_at.toISOString()}`;
        print(
          [
            user.id,
            user.kind.padEnd(6),
            replaceControls(user.username).padEnd(24),
            `${user.sessions} sessions`.padEnd(12),
            seen,
            replaceControls(user.display_name),
          ].join('  '),
        );
      }
      return 0;
    });
  },
};

/**
 * Ends all live sessions of a user, or one. Gateways ask for ended sessions every 3 s, so within 5 s sockets are closed
 * and tokens refused.
 */
const endSessions = (sql: Sql, userId: string, sessionId: string | undefined): Promise<{ id: string }[]> =>
  sql.query<{ id: string }>(
    `update auth.session set ended_at = now(), ended_reason = 'ended' where user_id = $1 and ($2::uuid is null or id = $2) and ended_at is null returning id`,
    [userId, sessionId],
  );

export const revokeCommand: Command = {
  usage: 'sessions revoke --user NAME_OR_ID [--session ID] [--data-dir DIR]',
  does: 'ends all sessions of a user, or one; within 5 s their sockets are closed and their tokens refused',
  async run(args, print) {
    const { values } = parseArgs({
      args: [...args],
      options: { user: { type: 'string' }, session: { type: 'string' }, 'data-dir': { type: 'string' } },
    });
    const { session } = values;
    const user = required('user', values.user);
    return withDeployment(openDeployment(values['data-dir']), async ({ database }) => {
      const ended = await endSessions(database, await findUser(database, user), session);
      print(`${ended.length} ${ended.length === 1 ? 'session' : 'sessions'} of ${user} ended`);
      return 0;
    });
  },
};
