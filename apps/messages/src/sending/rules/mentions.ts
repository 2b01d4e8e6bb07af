import { ChatError } from '@parley/contracts';
import type { Policy } from './rule.js';

/** A message that perhaps mentions somebody is not stored before it is known whom. */
export const mentions: Policy = {
  name: 'mentions',
  check: (situation) =>
    situation.mentions === undefined ? new ChatError('unavailable', 'Who is mentioned cannot be said now') : undefined,
};
