import { ChatError, type RequestPayload } from '@parley/contracts';
import type { MessageRow } from '@parley/store';
import { accessRefusal } from './access.js';
import type { LockedConversation, Sender, Target } from './send-sql.js';

export type SendCommand = RequestPayload<'message.send.v1'>;
/** Everything that decides whether a command may be carried out. */
export interface Situation {
  readonly command: SendCommand;
  readonly conversation: LockedConversation | undefined;
  readonly sender: Sender;
  /** What `replyTo` names, in whatever conversation. */
  readonly target: Target | undefined;
  /** What is stored under its clientId already, as far as it was looked up. */
  readonly known: MessageRow | undefined;
}
/** Answers what speaks against a command, or nothing. */
export type SendRule = (situation: Situation) => ChatError | undefined;

/** To somebody who is no member any more a resend is answered like a conversation that is not there. */
const senderIsMember: SendRule = ({ conversation, sender, known }) => {
  const refused = accessRefusal(conversation, sender, 'member');
  return refused?.code === 'forbidden' && known !== undefined ? new ChatError('not_found', 'No such conversation') : refused;
};

/** What a role may not do is `forbidden`; only then is asked what a muted one may not. */
const roleMayWrite: SendRule = ({ conversation, sender }) =>
  conversation!.kind === 'channel' && sender.role === 'member' ? new ChatError('forbidden', 'Only its creator and admins write in a channel') : undefined;

const senderNotMuted: SendRule = ({ sender }) => (sender.status === 'muted' ? new ChatError('muted') : undefined);

const repliesToMessage: SendRule = ({ command, target }) => {
  const { replyTo, conversationId } = command.input;
  if (replyTo === undefined) return undefined;
  if (target?.conversation_id !== conversationId) return new ChatError('not_found', 'replyTo names no message of this conversation');
  return target.deleted_at === null ? undefined : new ChatError('conflict', 'replyTo names a deleted message');
};

const attachmentsExist: SendRule = ({ command }) =>
  (command.input.attachmentIds?.length ?? 0) > 0
    ? new ChatError('not_found', 'No such attachment', { details: { attachmentIds: command.input.attachmentIds } })
    : undefined;

/** Who may know of the conversation at all. Whoever passes is answered a known clientId, whatever else came since. */
export const accessRules: readonly SendRule[] = [senderIsMember];
/** What a new message must pass, in the order in which refusals win. */
export const sendRules: readonly SendRule[] = [roleMayWrite, senderNotMuted, repliesToMessage, attachmentsExist];

/** The first refusal, or undefined. */
export function refusal(rules: readonly SendRule[], situation: Situation): ChatError | undefined {
  for (const rule of rules) {
    const error = rule(situation);
    if (error) return error;
  }
  return undefined;
}
