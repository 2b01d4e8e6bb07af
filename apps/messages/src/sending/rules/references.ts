import { ChatError } from '@parley/contracts';
import type { SendRule } from './rule.js';

/** A reply names a message of the same conversation that is not deleted. */
export const replyTarget: SendRule = {
  name: 'reply-target',
  appliesTo: ({ command }) => command.input.replyTo !== undefined,
  check: ({ conversation, target }) => {
    if (target?.conversation_id !== conversation.id)
      return new ChatError('not_found', 'replyTo names no message of this conversation');
    return target.deleted_at === null ? undefined : new ChatError('conflict', 'replyTo names a deleted message');
  },
};

/** A forward names a message that the sender can see now, that a user wrote and that is not deleted. */
export const forwardSource: SendRule = {
  name: 'forward-source',
  appliesTo: ({ command }) => command.input.forwardOf !== undefined,
  check: ({ source, attachments }) => {
    if (source === undefined) return new ChatError('not_found', 'forwardOf names no message that you can see');
    if (source.type === 'system') return new ChatError('conflict', 'A system message is not forwarded');
    return source.deleted_at === null && attachments !== undefined
      ? undefined
      : new ChatError('conflict', 'forwardOf names a deleted message');
  },
};

/** Attachments were uploaded by the sender and are still there. */
export const attachments: SendRule = {
  name: 'attachments',
  appliesTo: ({ command }) => command.input.attachmentIds !== undefined,
  check: ({ command, attachments: found }) =>
    found === undefined
      ? new ChatError('not_found', 'No such attachment', { details: { attachmentIds: command.input.attachmentIds } })
      : undefined,
};

/** A message whose body contains usernames is not stored until auth has answered whose they are. */
export const mentions: SendRule = {
  name: 'mentions',
  check: (context) =>
    context.mentions === undefined ? new ChatError('unavailable', 'Mentions cannot be resolved now') : undefined,
};
