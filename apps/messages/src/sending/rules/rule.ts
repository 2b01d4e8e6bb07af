import type { ChatError, RequestPayload } from '@parley/contracts';
import type { Sql } from '@parley/store';
import type { Material } from '../references.js';
import type { LockedConversation, NewMessage, Sender } from '../sql.js';

export type SendCommand = RequestPayload<'message.send.v1'> & {
  /** What the log lines about it carry. */
  readonly traceId?: string;
};

/** A command to send by a member of the conversation, and what is known of it. Under the conversation's lock. */
export interface Situation extends Material {
  readonly command: SendCommand;
  readonly conversation: LockedConversation;
  /** `sender.now` is the time of the decision, on the database's clock. */
  readonly sender: Sender;
}

/** What the commands before this one, of the same transaction, are about to store. */
export interface Batch {
  /** The sender's newest message there, if the batch has one: newer than anything that `prepare` could find. */
  newest(situation: Situation): NewMessage | undefined;
}

/**
 * One reason why a message may be refused. Whoever may not know of the conversation is refused before any policy is asked, and what is stored already under the same clientId is
 * answered whatever policies say. A policy that fails (`prepare` rejects or takes too long, `check` throws) refuses the commands that it applies to with `unavailable`.
 */
export interface Policy<Facts = unknown> {
  /** Told in logs and in refusals. */
  readonly name: string;
  /** The longest that `prepare` may take, in milliseconds. Default: {@link TIME_LIMIT_MS}. */
  readonly timeLimitMs?: number;
  /** Which commands it has a say in; all by default. Others are neither prepared for nor checked, and are not refused when it fails. */
  appliesTo?(situation: Situation): boolean;
  /**
   * Loads what `check` needs for all commands that it applies to, of any number of senders and conversations, in one query: it runs inside the transaction of the batch, while the
   * conversations are locked. It only reads. Called only when there are such commands.
   */
  prepare?(sql: Sql, situations: readonly Situation[]): Promise<Facts>;
  /** The refusal, or nothing. Called for each command in their order. */
  check(situation: Situation, facts: Facts, batch: Batch): ChatError | undefined;
}

export const TIME_LIMIT_MS = 500;
