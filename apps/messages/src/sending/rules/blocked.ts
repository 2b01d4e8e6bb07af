import { ChatError } from '@parley/contracts';
import { blockedPairs, mayBeBlocked } from '@parley/chat';
import type { Policy, Situation } from './rule.js';

/** In a direct conversation nobody writes while one of the two blocks the other. */
export const blocked: Policy<ReadonlySet<Situation>> = {
  name: 'blocked',
  appliesTo: ({ conversation, sender }) => mayBeBlocked(conversation, sender),
  prepare: async (sql, situations) => {
    const found = await blockedPairs(
      sql,
      situations.map(({ command, conversation }) => ({
        conversationId: conversation.id,
        userId: command.caller.userId,
      })),
    );
    return new Set(situations.filter((_, at) => found.has(at)));
  },
  check: (situation, found) => (found.has(situation) ? new ChatError('blocked') : undefined),
};
