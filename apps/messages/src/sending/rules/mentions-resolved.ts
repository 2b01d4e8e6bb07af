import { ChatError } from '@parley/contracts';
import type { SendRule } from './rule.js';

/** A message with usernames is refused while auth cannot tell which users have these names. */
export const mentionsResolved: SendRule = {
  name: 'mentions-resolved',
  check: (context) =>
    context.mentions === undefined ? new ChatError('unavailable', 'Mentions cannot be resolved now') : undefined,
};
