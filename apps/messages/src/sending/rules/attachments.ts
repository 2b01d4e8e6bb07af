import { ChatError } from '@parley/contracts';
import type { SendRule } from './rule.js';

/** Attachments must exist and be uploaded by the sender. */
export const attachments: SendRule = {
  name: 'attachments',
  appliesTo: ({ command }) => command.input.attachmentIds !== undefined,
  check: ({ command, attachments: found }) =>
    found === undefined
      ? new ChatError('not_found', 'No such attachment', { details: { attachmentIds: command.input.attachmentIds } })
      : undefined,
};
