import { permissionRefusal } from '@parley/chat';
import type { SendRule } from './rule.js';

/** The sender's role may write here, and they are not muted. */
export const permission: SendRule = {
  name: 'permission',
  check: ({ conversation, sender }) => permissionRefusal('write', { conversation, member: sender }),
};
