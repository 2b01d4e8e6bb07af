import { blocked } from './blocked.js';
import { permission } from './permission.js';
import { reactionGate } from './reaction-gate.js';
import { attachments, forwardSource, mentions, replyTarget } from './references.js';
import type { SendRule } from './rule.js';
import { slowMode } from './slow-mode.js';

/** The rules that a new message must pass. The refusal of the first one wins. */
export const sendRules: readonly SendRule[] = [
  permission,
  blocked,
  replyTarget,
  forwardSource,
  attachments,
  reactionGate,
  slowMode,
  mentions,
];
