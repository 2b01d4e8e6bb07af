import type { Broker } from '@parley/broker';
import { isMemberNow } from '@parley/chat';
import { ChatError } from '@parley/contracts';
import type { Sql } from '@parley/store';

/** User ids by lower-case username. Unknown usernames are absent. */
export type UsersByName = ReadonlyMap<string, string>;

/** Maximum number of mentions of one message; further ones are plain text. */
const MAX_MENTIONS = 50;
/** Maximum time that a command waits for auth to return the users with these names. */
const USERS_TIMEOUT_MS = 2000;
/** Maximum number of usernames of one request to auth. */
const MAX_USERNAMES = 500;

const SHORTEST_USERNAME = 3;
const LONGEST_USERNAME = 32;
// Neither the host of an e-mail address nor the middle of a word.
const MENTION = /(?<![\p{L}\p{N}_])@([a-z0-9_.-]+)/giu;

/** The usernames that each mention in a body may mean, longest first: dots and dashes at its end may be punctuation. */
export function candidatesOf(body: string): string[][] {
  if (!body.includes('@')) return [];
  const words = new Set(Array.from(body.matchAll(MENTION), ([, word]) => word!.toLowerCase()));
  return [...words]
    .map(readingsOf)
    .filter(({ length }) => length > 0)
    .slice(0, MAX_MENTIONS);
}

function readingsOf(word: string): string[] {
  const readings: string[] = [];
  for (let end = word.length; end >= SHORTEST_USERNAME; end--) {
    if (end <= LONGEST_USERNAME) readings.push(word.slice(0, end));
    if (!/[.-]/.test(word[end - 1]!)) break;
  }
  return readings;
}

/** The users whose names occur in the bodies. Asks auth only when there are any; undefined when auth does not answer in time. */
export async function usersNamedIn(broker: Broker, bodies: readonly string[]): Promise<UsersByName | undefined> {
  const usernames = [...new Set(bodies.flatMap(candidatesOf).flat())];
  const parts = Array.from({ length: Math.ceil(usernames.length / MAX_USERNAMES) }, (_, at) =>
    usernames.slice(at * MAX_USERNAMES, (at + 1) * MAX_USERNAMES),
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
 * The members of its conversation that each body mentions, in the order of their mention. Undefined for a body that contains usernames when `users` is. No query when no body mentions
 * anybody, the usual case.
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
