import { ChatError } from '@parley/contracts';
import type { SendRule } from './rule.js';

/** A forward names a message that the sender can see now, that a user wrote and that is not deleted. */
export const forwardSource: SendRule = {
  name: 'forward-source',
  appliesTo: ({ command }) => command.input.forwardOf !== undefined,
  check: ({ source, attachments }) => {
    if (source === undefined) return new ChatError('not_found', 'forwardOf names no message that you can see');
    if (source.type === 'system') return new ChatError('conflict', 'A system message is not forwarded');
    return source.deleted_at === null && attachments !== undefined
      ? undefined
      : new ChatError('conflict', 'forwardOf names a deleted message');
  },
};
