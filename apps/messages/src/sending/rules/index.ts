import { attachments } from './attachments.js';
import { blocked } from './blocked.js';
import { forwardSource } from './forward-source.js';
import { mentions } from './mentions.js';
import { muted } from './muted.js';
import type { Policy } from './rule.js';
import { reactionGate } from './reaction-gate.js';
import { replyTarget } from './reply-target.js';
import { role } from './role.js';
import { slowMode } from './slow-mode.js';

/** What a new message must pass, in the order in which refusals win: what a role may not do is `forbidden`, and only then is asked what a muted one may not. */
export const policies: readonly Policy[] = [
  role,
  muted,
  blocked,
  replyTarget,
  forwardSource,
  attachments,
  reactionGate,
  slowMode,
  mentions,
];
