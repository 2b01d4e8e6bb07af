import type { Message } from '#contracts';

/** The reaction that a `message:updated` event reports. */
export interface ReactionChange {
  readonly userId: string;
  readonly emoji: string;
  readonly added: boolean;
}

/** The messages with the one at `index` replaced by its state in `message`, unless that is older. */
export function replaceMessage(
  messages: readonly Message[],
  index: number,
  message: Message,
  userId: string,
  reaction?: ReactionChange,
): readonly Message[] {
  const present = messages[index];
  if (!present || message.rev < present.rev) return messages;
  // The same state is applied again if it comes from an answer, because only answers mark the user's own reactions.
  if (message.rev === present.rev && !message.reactions.some(({ mine }) => mine)) return messages;
  const replaced = [...messages];
  replaced[index] = withOwnReactions(message, present, userId, reaction);
  return replaced;
}

/**
 * Sets `mine` on the user's own reactions. Live events do not carry `mine` and list only some of the users, so it is
 * taken from the event's `reaction`, from the listed users, and from the previous state of the message.
 */
function withOwnReactions(
  message: Message,
  previous: Message,
  userId: string,
  reaction: ReactionChange | undefined,
): Message {
  if (message.reactions.length === 0 || message.reactions.some(({ mine }) => mine !== undefined)) return message;
  const isMine = ({ emoji, userIds, count }: Message['reactions'][number]): boolean => {
    if (reaction?.userId === userId && reaction.emoji === emoji) return reaction.added;
    if (userIds.includes(userId)) return true;
    return userIds.length < count && previous.reactions.some((before) => before.emoji === emoji && before.mine);
  };
  return { ...message, reactions: message.reactions.map((each) => (isMine(each) ? { ...each, mine: true } : each)) };
}
