import type { Conversation } from '@parley/contracts';
import { titleOf, useClient } from '../shared/chat.ts';
import { useOpenPlace } from '../shared/places.tsx';
import { attempt } from '../shared/toasts.tsx';
import { currentStrings } from '../strings/strings.tsx';
import { undoQueueOf } from '../shared/undo.ts';

/** Leaves a group or channel, which can be undone for some seconds: nobody has noticed until then. */
export function useLeave(conversation: Conversation): () => void {
  const { id, me, memberCount } = conversation;
  const client = useClient();
  const openPlace = useOpenPlace();
  return () => {
    // The server refuses it until somebody else is the creator: better said at once than after the time to undo.
    if (me?.role === 'creator' && memberCount > 1) return void attempt(() => client.leaveConversation(id));
    openPlace('list');
    document.querySelector<HTMLElement>('.side h1')?.focus({ preventScroll: true });
    return undoQueueOf(client).add({
      subject: `conversation/${id}`,
      text: currentStrings().undo.left(titleOf(conversation)),
      method: 'POST',
      path: `/conversations/${id}/leave`,
      onUndo: () => openPlace({ conversation: id }),
    });
  };
}
