import type { Presence } from '@parley/contracts';
import { sinceOf } from '../shared/times.ts';

const texts = { online: 'Online', away: 'Away', busy: 'Busy', offline: 'Offline' } as const;

/** A person's presence in words. */
export const presenceTextOf = ({ state, lastSeenAt }: Presence): string =>
  state === 'offline' && lastSeenAt !== undefined ? `Last seen ${sinceOf(lastSeenAt)}` : texts[state];
