import type { ServerEvent } from '@parley/contracts';
import { useEffect } from 'react';
import { useClient } from '../shared/chat.ts';

/** The event that tells that the user is not in a conversation any more, and why. */
export type Removal = ServerEvent<'conversation:removed'>;

const texts: Readonly<Record<Removal['reason'], string>> = {
  left: 'You left this conversation.',
  removed: 'You were removed from this conversation.',
  banned: 'You were banned from this conversation.',
  deleted: 'This conversation was deleted.',
};

/** Why a conversation is not the user's any more. Undefined: it happened while the client was not connected. */
export const removalText = (reason: Removal['reason'] | undefined): string =>
  reason === undefined ? 'You are not in this conversation any more.' : texts[reason];

/** Calls `onRemoval` when the user loses a conversation, while the state still has it. */
export function useRemovals(onRemoval: (removal: Removal) => void): void {
  const client = useClient();
  useEffect(
    () =>
      client.on('server', ({ event, payload }) => {
        if (event === 'conversation:removed') onRemoval(payload as Removal);
      }),
    [client, onRemoval],
  );
}
