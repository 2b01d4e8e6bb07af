import type { ServerEvent } from '@parley/contracts';
import { useEffect } from 'react';
import { useClient } from '../shared/chat.ts';
import type { Strings } from '../strings/strings.tsx';

/** The event that tells that the user is not in a conversation any more, and why. */
export type Removal = ServerEvent<'conversation:removed'>;

/** Why a conversation is not the user's any more. Undefined: it happened while the client was not connected. */
export const removalText = ({ conversation }: Strings, reason: Removal['reason'] | undefined): string =>
  conversation.removal[reason ?? 'unknown'];

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
