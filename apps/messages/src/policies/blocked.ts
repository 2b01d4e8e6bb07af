import { ChatError } from '@parley/contracts';
import type { Policy } from './policy.js';

/** In a direct conversation nobody writes while one of the two blocks the other. */
export const blocked: Policy = {
  name: 'blocked',
  check: ({ sender }) => (sender.blocked ? new ChatError('blocked') : undefined),
};
