import { ChatError } from '@parley/contracts';
import { blockedOf, mayBeBlocked } from '../send-sql.js';
import type { Policy, Situation } from './policy.js';

/** In a direct conversation nobody writes while one of the two blocks the other. */
export const blocked: Policy<ReadonlySet<Situation>> = {
  name: 'blocked',
  appliesTo: ({ conversation, sender }) => mayBeBlocked(conversation, sender),
  prepare: async (sql, situations) => {
    const found = await blockedOf(
      sql,
      situations.map(({ command, conversation }) => ({
        conversationId: conversation.id,
        senderId: command.caller.userId,
      })),
    );
    return new Set(situations.filter((_, at) => found.has(at)));
  },
  check: (situation, found) => (found.has(situation) ? new ChatError('blocked') : undefined),
};
