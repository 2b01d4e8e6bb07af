import { ChatError } from '@parley/contracts';
import type { SendRule } from './rule.js';

/** A message with usernames is refused while auth cannot tell which users have these names. */
export const mentions: SendRule = {
  name: 'mentions',
  check: (context) =>
    context.mentions === undefined ? new ChatError('unavailable', 'Mentions cannot be resolved now') : undefined,
};
