import { may } from '@parley/chat';
import { ChatError } from '@parley/contracts';
import type { Policy } from './rule.js';

/** In a channel only its creator and admins write. */
export const role: Policy = {
  name: 'role',
  check: ({ conversation, sender }) =>
    may(sender.role, 'write', conversation)
      ? undefined
      : new ChatError('forbidden', 'Only its creator and admins write in a channel'),
};
