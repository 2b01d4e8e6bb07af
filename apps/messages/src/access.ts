import { ChatError } from '@parley/contracts';
import type { LockedConversation, Sender } from './send-sql.js';

/**
 * Why somebody may not ask anything of a conversation; undefined when they may. Strangers can't tell a private conversation from none; of a public one they know, and with `visible`
 * may go on. Who left is answered like a stranger; who is banned is told so.
 */
export function accessRefusal(
  conversation: LockedConversation | undefined,
  standing: Sender,
  access: 'member' | 'visible',
): ChatError | undefined {
  if (conversation === undefined || conversation.deleted_at !== null)
    return new ChatError('not_found', 'No such conversation');
  if (standing.status === 'banned') return new ChatError('banned');
  if (standing.role !== null && standing.left_at === null) return undefined;
  if (conversation.visibility === 'private') return new ChatError('not_found', 'No such conversation');
  return access === 'visible' ? undefined : new ChatError('forbidden', 'Join the conversation first');
}
