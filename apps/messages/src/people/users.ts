import type { Broker } from '@parley/broker';
import { ChatError, type User } from '@parley/contracts';

/** How long a command waits for auth to say who exists. */
const KNOWN_LIMIT_MS = 2000;

/** The users of these ids. Throws `not_found` that names those who do not exist, `unavailable` when auth does not say in time. */
export async function knownUsers(broker: Broker, userIds: readonly string[]): Promise<User[]> {
  if (userIds.length === 0) return [];
  const { users } = await broker.request('users.known.v1', { userIds: [...userIds] }, { deadlineMs: KNOWN_LIMIT_MS });
  const known = new Set(users.map(({ id }) => id));
  const unknown = userIds.filter((userId) => !known.has(userId));
  if (unknown.length > 0)
    throw new ChatError('not_found', 'Some of these users do not exist', {
      details: { userIds: unknown.slice(0, 20) },
    });
  return users;
}

export const invalid = (path: string, message: string): ChatError =>
  new ChatError('invalid', `${path}: ${message}`, { details: [{ path, message }] });
