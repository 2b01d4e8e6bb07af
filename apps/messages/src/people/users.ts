import type { Broker } from '@parley/broker';
import { ChatError, type User } from '@parley/contracts';

/** Maximum time that a command waits for auth to check that users exist. */
const USERS_TIMEOUT_MS = 2000;

/**
 * The users with these ids, from auth. Throws `not_found` naming those that do not exist, and `unavailable` when auth
 * does not answer in time.
 */
export async function requireUsers(broker: Broker, userIds: readonly string[]): Promise<User[]> {
  if (userIds.length === 0) return [];
  const { users } = await broker.request('users.known.v1', { userIds: [...userIds] }, { deadlineMs: USERS_TIMEOUT_MS });
  const existing = new Set(users.map(({ id }) => id));
  const missing = userIds.filter((userId) => !existing.has(userId));
  if (missing.length > 0)
    throw new ChatError('not_found', 'Some of these users do not exist', {
      details: { userIds: missing.slice(0, 20) },
    });
  return users;
}

/** The refusal of one field of an input. */
export const invalid = (path: string, message: string): ChatError =>
  new ChatError('invalid', `${path}: ${message}`, { details: [{ path, message }] });
