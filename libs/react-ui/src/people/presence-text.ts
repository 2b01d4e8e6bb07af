import type { Presence } from '@parley/contracts';
import { sinceOf } from '../shared/times.ts';
import { currentStrings } from '../strings/strings.tsx';

/** A person's presence in words. */
export function presenceTextOf({ state, lastSeenAt }: Presence): string {
  const { people } = currentStrings();
  return state === 'offline' && lastSeenAt !== undefined
    ? people.lastSeen(sinceOf(lastSeenAt))
    : people.presence[state];
}
