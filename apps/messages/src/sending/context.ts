import type { MessageRow } from '@parley/chat';
import type { Attachment, RequestPayload } from '@parley/contracts';
import type { Row } from '@parley/store';
import type { CallerState, LockedConversation } from '../commands/conversation-rows.js';

export type SendCommand = RequestPayload<'message.send.v1'> & {
  /** The trace id of the request. */
  readonly traceId?: string;
};

/** The message that `replyTo` names. */
export interface ReplyTarget extends Row {
  readonly id: string;
  readonly conversation_id: string;
  readonly deleted_at: Date | null;
}

/** The messages, attachments and users that a command refers to, as found in the database. */
export interface References {
  /** The message that `replyTo` names, in any conversation. */
  readonly target: ReplyTarget | undefined;
  /** The message that `forwardOf` names, if the sender can see it now. */
  readonly source: MessageRow | undefined;
  /** The attachments that `attachmentIds` names, or those of the source; undefined when one of them cannot be attached. */
  readonly attachments: readonly Attachment[] | undefined;
  /** The members that the body mentions; undefined if auth did not return the users with these names. */
  readonly mentions: readonly string[] | undefined;
}

/**
 * A member's command to send a message, with the rows that rules may use, read under the conversation's lock. A rule's
 * own facts come from its `prepare`.
 */
export interface SendContext extends References {
  readonly command: SendCommand;
  readonly conversation: LockedConversation;
  /** The sender's row. `sender.now` is the time of the decision, on the database's clock. */
  readonly sender: CallerState;
}

/** Identifies a message by its sender's `clientId`. */
export interface ClientKey {
  readonly conversationId: string;
  readonly userId: string;
  readonly clientId: string;
}
