import { attachments } from './attachments.js';
import { blocked } from './blocked.js';
import { forwardSource } from './forward-source.js';
import { mentions } from './mentions.js';
import { permission } from './permission.js';
import { reactionGate } from './reaction-gate.js';
import { replyTarget } from './reply-target.js';
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
