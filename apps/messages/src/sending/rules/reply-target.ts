import { ChatError } from '@parley/contracts';
import type { Policy } from './rule.js';

/** Only living messages of the same conversation are replied to. */
export const replyTarget: Policy = {
  name: 'reply-target',
  appliesTo: ({ command }) => command.input.replyTo !== undefined,
  check: ({ conversation, target }) => {
    if (target?.conversation_id !== conversation.id)
      return new ChatError('not_found', 'replyTo names no message of this conversation');
    return target.deleted_at === null ? undefined : new ChatError('conflict', 'replyTo names a deleted message');
  },
};
