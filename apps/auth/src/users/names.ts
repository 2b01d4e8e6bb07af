import { sql, type SqlEntityManager } from '@mikro-orm/postgresql';
import { ChatError } from '@parley/contracts';
import { FormerUsernameEntity, isUniqueViolation, UserEntity } from '@parley/store';
import { bareSkeletonOf, bareSkeletonsOfName, isReserved, skeletonOf, skeletonsOfName } from './look-alikes.js';

type Named = Pick<UserEntity, 'id' | 'username'>;
/** The columns of a username. */
export const usernameColumns = (username: string) => ({
  username,
  skeleton: skeletonOf(username),
  bareSkeleton: bareSkeletonOf(username),
});

/** Keeps a username that its holder gives up from others for 30 days. */
export async function giveUpUsername(em: SqlEntityManager, { id: userId, username }: Named): Promise<void> {
  await em.upsert(FormerUsernameEntity, { ...usernameColumns(username), userId, givenUpAt: new Date() });
}

/**
 * Rejects with `conflict` unless this stored user may have their username: others must not have given it up within 30
 * days. Called after the user is written, since a concurrent change may give the name up until then.
 */
export async function requireFreeUsername(em: SqlEntityManager, { id: userId, username }: Named): Promise<void> {
  const alike = { $or: [{ skeleton: skeletonOf(username) }, { bareSkeleton: bareSkeletonOf(username) }] };
  const held = await em.count(FormerUsernameEntity, {
    ...alike,
    userId: { $ne: userId },
    givenUpAt: { $gt: sql<Date>`now() - interval '30 days'` },
  });
  if (held > 0) throw taken();
  await em.nativeDelete(FormerUsernameEntity, alike);
}

/** Rejects with `conflict` for a reserved word, also in other spellings. */
export function requireUnreserved(name: string): void {
  if (isReserved(name)) throw new ChatError('conflict', 'the name is reserved');
}

/**
 * Rejects with `conflict` for a displayed name that is a reserved word, or that reads as somebody else's username. A
 * user's own username may always be shown.
 */
export async function requireOwnDisplayName(
  em: SqlEntityManager,
  { id, username }: Named,
  displayName: string,
): Promise<void> {
  const [skeletons, bare] = [skeletonsOfName(displayName), bareSkeletonsOfName(displayName)];
  if (skeletons.includes(skeletonOf(username)) || bare.includes(bareSkeletonOf(username))) return;
  requireUnreserved(displayName);
  const alike = { $or: [{ skeleton: { $in: skeletons } }, { bareSkeleton: { $in: bare } }] };
  if ((await em.count(UserEntity, { ...alike, id: { $ne: id } })) > 0)
    throw new ChatError('conflict', 'the name reads as somebody else’s username');
}

const taken = (): ChatError => new ChatError('conflict', 'the username is taken');

/** True when the username, or one that looks like it, exists. */
export const isTaken = (error: unknown): boolean =>
  ['user_username_key', 'user_skeleton_key', 'user_bare_skeleton_key'].some((key) => isUniqueViolation(error, key));

/** Rethrows the violation of a unique username as `conflict`. */
export function rethrowTaken(error: unknown): never {
  throw isTaken(error) ? taken() : error;
}
