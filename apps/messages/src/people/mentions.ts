import type { Broker } from '@parley/broker';
import { isMemberNow } from '@parley/chat';
import { ChatError, partsOf } from '@parley/contracts';
import type { Sql } from '@parley/store';

/** User ids by lower-case username. Unknown usernames are absent. */
export type UsersByName = ReadonlyMap<string, string>;

/** Only the first so many different usernames of a body are looked up; further ones are plain text. */
const MAX_LOOKED_UP = 50;
/** Maximum time that a command waits for auth to return the users with these names. */
const USERS_TIMEOUT_MS = 2000;
/** Maximum number of usernames of one request to auth. */
const MAX_PER_REQUEST = 500;

/** The usernames that each different mention in a body may mean, longest first. */
export function candidatesOf(body: string): (readonly string[])[] {
  const byLongest = new Map<string, readonly string[]>();
  for (const part of partsOf(body)) if (part.kind === 'mention') byLongest.set(part.usernames[0]!, part.usernames);
  return [...byLongest.values()].slice(0, MAX_LOOKED_UP);
}

/**
 * The users whose names occur in the bodies. Asks auth only when there are any; undefined when auth does not answer in
 * time.
 */
export async function usersNamedIn(broker: Broker, bodies: readonly string[]): Promise<UsersByName | undefined> {
  const usernames = [...new Set(bodies.flatMap(candidatesOf).flat())];
  const parts = Array.from({ length: Math.ceil(usernames.length / MAX_PER_REQUEST) }, (_, at) =>
    usernames.slice(at * MAX_PER_REQUEST, (at + 1) * MAX_PER_REQUEST),
  );
  try {
    const answers = await Promise.all(
      parts.map((part) => broker.request('users.named.v1', { usernames: part }, { deadlineMs: USERS_TIMEOUT_MS })),
    );
    return new Map(answers.flatMap(({ users }) => users.map(({ id, username }) => [username.toLowerCase(), id])));
  } catch (error) {
    if (error instanceof ChatError) return undefined;
    throw error;
  }
}

/**
 * The members of its conversation that each body mentions, in the order of their mention. Undefined for a body that
 * contains usernames when `users` is. No query when no body mentions anybody, the usual case.
 */
export async function mentionsOf(
  sql: Sql,
  texts: readonly { readonly conversationId: string; readonly body: string }[],
  users: UsersByName | undefined,
): Promise<(readonly string[] | undefined)[]> {
  const named = texts.map(({ body }) => {
    const candidates = candidatesOf(body);
    if (candidates.length === 0) return [];
    return users && [...new Set(candidates.flatMap((readings) => longestMatch(readings, users)))];
  });
  const pairs = texts.flatMap(
    ({ conversationId }, at) => named[at]?.map((userId) => ({ conversationId, userId })) ?? [],
  );
  const members = await membersAmong(sql, pairs);
  return named.map((userIds, at) => userIds?.filter((userId) => members.has(`${texts[at]!.conversationId} ${userId}`)));
}

function longestMatch(readings: readonly string[], users: UsersByName): string[] {
  const name = readings.find((reading) => users.has(reading));
  return name === undefined ? [] : [users.get(name)!];
}

async function membersAmong(
  sql: Sql,
  pairs: readonly { conversationId: string; userId: string }[],
): Promise<Set<string>> {
  if (pairs.length === 0) return new Set();
  const rows = await sql.query<{ conversation_id: string; user_id: string }>(
    `select m.conversation_id, m.user_id from unnest($1::uuid[], $2::uuid[]) as q(conversation_id, user_id)
     join chat.member m on m.conversation_id = q.conversation_id and m.user_id = q.user_id where ${isMemberNow('m')}`,
    [pairs.map(({ conversationId }) => conversationId), pairs.map(({ userId }) => userId)],
  );
  return new Set(rows.map(({ conversation_id, user_id }) => `${conversation_id} ${user_id}`));
}
