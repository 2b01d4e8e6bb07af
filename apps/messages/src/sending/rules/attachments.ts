import { ChatError } from '@parley/contracts';
import type { Policy } from './rule.js';

/** The attachments are the sender's own, and still there. */
export const attachments: Policy = {
  name: 'attachments',
  appliesTo: ({ command }) => command.input.attachmentIds !== undefined,
  check: ({ command, attachments: found }) =>
    found === undefined
      ? new ChatError('not_found', 'No such attachment', { details: { attachmentIds: command.input.attachmentIds } })
      : undefined,
};
