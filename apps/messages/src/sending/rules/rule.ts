import type { ChatError } from '@parley/contracts';
import type { Sql } from '@parley/store';
import type { SendContext } from '../context.js';
import type { NewMessage } from '../sql.js';

/** The messages that earlier commands of the same transaction are about to store. */
export interface PendingMessages {
  /**
   * The newest pending message in the conversation of the sender, their owner or the owner's bots, newer than any that
   * `prepare` can find; undefined without one.
   */
  newestOf(context: SendContext): NewMessage | undefined;
}

/**
 * One reason to refuse a message. Users without access to the conversation are refused before any rule is checked. A
 * resend of a stored message is answered without checking rules. When a rule fails (`prepare` rejects or takes too
 * long, or `check` throws), the commands that it applies to are refused with `unavailable`.
 */
export interface SendRule<Facts = unknown> {
  /** Shown in logs and refusals. */
  readonly name: string;
  /** Maximum duration of `prepare`, in milliseconds. Default: {@link PREPARE_TIMEOUT_MS}. */
  readonly timeLimitMs?: number;
  /**
   * The commands that the rule applies to; all by default. Others are neither prepared nor checked, and are not refused
   * when the rule fails.
   */
  appliesTo?(context: SendContext): boolean;
  /**
   * Loads the facts for `check`, in one query for all commands that the rule applies to, of any number of senders and
   * conversations. Runs inside the batch's transaction while the conversations are locked. Must only read. Not called
   * when the rule applies to no command.
   */
  prepare?(sql: Sql, contexts: readonly SendContext[]): Promise<Facts>;
  /** The refusal of one command, or nothing. Called in the order of the commands. */
  check(context: SendContext, facts: Facts, pending: PendingMessages): ChatError | undefined;
}

/** The time limit of a rule that sets none. */
export const PREPARE_TIMEOUT_MS = 500;
