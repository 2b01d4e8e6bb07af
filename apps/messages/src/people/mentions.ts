import type { Broker } from '@parley/broker';
import { isMemberNow } from '@parley/chat';
import { ChatError } from '@parley/contracts';
import type { Sql } from '@parley/store';

/** Whom usernames belong to; those of nobody are absent. */
export type Names = ReadonlyMap<string, string>;

/** More in one message are text like any other. */
const MENTIONS_MAX = 50;
/** How long a message waits for auth to say who is meant. */
const NAMED_LIMIT_MS = 2000;
/** What one request may ask for. */
const NAMES_MAX = 500;

const SHORTEST = 3;
const LONGEST = 32;
// Not the host of an address, and not the middle of a word.
const MENTION = /(?<![\p{L}\p{N}_])@([a-z0-9_.-]+)/giu;

/** The usernames that each mention in a body may mean, the longest first: a dot or dash at its end may be the sentence's. */
export function candidatesOf(body: string): string[][] {
  if (!body.includes('@')) return [];
  const words = new Set(Array.from(body.matchAll(MENTION), ([, word]) => word!.toLowerCase()));
  return [...words]
    .map(readings)
    .filter(({ length }) => length > 0)
    .slice(0, MENTIONS_MAX);
}

function readings(word: string): string[] {
  const found: string[] = [];
  for (let end = word.length; end >= SHORTEST; end--) {
    if (end <= LONGEST) found.push(word.slice(0, end));
    if (!/[.-]/.test(word[end - 1]!)) break;
  }
  return found;
}

/** Who is named in the bodies. Asks auth, but only when a body names somebody; undefined when it does not answer in time. */
export async function namesOf(broker: Broker, bodies: readonly string[]): Promise<Names | undefined> {
  const usernames = [...new Set(bodies.flatMap(candidatesOf).flat())];
  const asks = Array.from({ length: Math.ceil(usernames.length / NAMES_MAX) }, (_, at) =>
    usernames.slice(at * NAMES_MAX, (at + 1) * NAMES_MAX),
  );
  try {
    const answers = await Promise.all(
      asks.map((part) => broker.request('users.named.v1', { usernames: part }, { deadlineMs: NAMED_LIMIT_MS })),
    );
    return new Map(answers.flatMap(({ users }) => users.map(({ id, username }) => [username.toLowerCase(), id])));
  } catch (error) {
    if (error instanceof ChatError) return undefined;
    throw error;
  }
}

/** A body in a conversation. */
export interface Written {
  readonly conversationId: string;
  readonly body: string;
}

/**
 * Whom each body mentions: members of its conversation, in the order of their mention. Undefined for a body that names somebody when the names are not known. No
 * query when nobody is named, which is the rule.
 */
export async function mentionsOf(
  sql: Sql,
  written: readonly Written[],
  names: Names | undefined,
): Promise<(readonly string[] | undefined)[]> {
  const named = written.map(({ body }) => {
    const candidates = candidatesOf(body);
    if (candidates.length === 0) return [];
    return names && [...new Set(candidates.flatMap((readings) => firstNamed(readings, names)))];
  });
  const pairs = written.flatMap(
    ({ conversationId }, at) => named[at]?.map((userId) => ({ conversationId, userId })) ?? [],
  );
  const members = await membersAmong(sql, pairs);
  return named.map((userIds, at) =>
    userIds?.filter((userId) => members.has(`${written[at]!.conversationId} ${userId}`)),
  );
}

function firstNamed(readings: readonly string[], names: Names): string[] {
  const found = readings.find((name) => names.has(name));
  return found === undefined ? [] : [names.get(found)!];
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
