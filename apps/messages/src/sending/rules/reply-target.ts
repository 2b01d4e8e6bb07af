import { ChatError } from '@parley/contracts';
import type { SendRule } from './rule.js';

/** A reply names a message of the same conversation that is not deleted. */
export const replyTarget: SendRule = {
  name: 'reply-target',
  appliesTo: ({ command }) => command.input.replyTo !== undefined,
  check: ({ conversation, target }) => {
    if (target?.conversation_id !== conversation.id)
      return new ChatError('not_found', 'replyTo names no message of this conversation');
    return target.deleted_at === null ? undefined : new ChatError('conflict', 'replyTo names a deleted message');
  },
};
