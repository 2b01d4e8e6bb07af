import { ChatError } from '@parley/contracts';
import type { Policy } from './rule.js';

/** A muted member reads, and does not write. */
export const muted: Policy = {
  name: 'muted',
  check: ({ sender }) => (sender.status === 'muted' ? new ChatError('muted') : undefined),
};
