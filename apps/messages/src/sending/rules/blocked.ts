import { blockedCallers, mayBeBlocked } from '@parley/chat';
import { ChatError } from '@parley/contracts';
import type { SendContext } from '../context.js';
import type { SendRule } from './rule.js';

/** Nobody writes in a direct conversation while one of the two people blocks the other. */
export const blocked: SendRule<ReadonlySet<SendContext>> = {
  name: 'blocked',
  appliesTo: ({ conversation, sender }) => mayBeBlocked(conversation, sender),
  prepare: async (sql, contexts) => {
    const found = await blockedCallers(
      sql,
      contexts.map(({ command, conversation }) => ({ conversationId: conversation.id, caller: command.caller })),
    );
    return new Set(contexts.filter((_, at) => found.has(at)));
  },
  check: (context, found) => (found.has(context) ? new ChatError('blocked') : undefined),
};
