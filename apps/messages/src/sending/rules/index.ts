import { attachments } from './attachments.js';
import { blocked } from './blocked.js';
import { forwardSource } from './forward-source.js';
import { mentionsResolved } from './mentions-resolved.js';
import { permission } from './permission.js';
import { reactionGate } from './reaction-gate.js';
import { replyTarget } from './reply-target.js';
import type { SendRule } from './rule.js';
import { slowMode } from './slow-mode.js';

/**
 * The rules that a new message must pass. The refusal of the first one wins. The order: rules about the sender, about the
 * content of the message, then those that refuse only for now. A message that would never be allowed is so refused for
 * good, not told to wait.
 */
export const sendRules: readonly SendRule[] = [
  permission,
  blocked,
  replyTarget,
  forwardSource,
  attachments,
  reactionGate,
  slowMode,
  mentionsResolved,
];
