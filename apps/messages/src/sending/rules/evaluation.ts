import { ChatError } from '@parley/contracts';
import { withTimeout, type Logger } from '@parley/service-kit';
import type { Sql } from '@parley/store';
import type { SendContext } from '../context.js';
import { PREPARE_TIMEOUT_MS, type PendingMessages, type SendRule } from './rule.js';

/** Rolls back a transaction in which a rule's `prepare` failed. */
export class RuleFailed extends Error {
  constructor(
    readonly rule: SendRule,
    cause: unknown,
  ) {
    super(`rule ${rule.name} failed`, { cause });
  }
}

/** The rules that new messages must pass; the refusal of the first one wins. */
export class RuleEvaluator {
  constructor(
    private readonly rules: readonly SendRule[],
    private readonly logger: Logger,
  ) {}

  /**
   * Prepares every rule that applies to a command, except rules that `failed` before. Runs no query if no rule needs
   * one. Rejects with {@link RuleFailed}.
   */
  async prepare(sql: Sql, contexts: readonly SendContext[], failed: ReadonlySet<SendRule>): Promise<RuleEvaluation> {
    const facts = new Map<SendRule, unknown>();
    const toPrepare = this.rules
      .filter((rule) => rule.prepare !== undefined && !failed.has(rule))
      .map((rule) => ({ rule, applicable: contexts.filter((context) => applies(rule, context)) }))
      .filter(({ applicable }) => applicable.length > 0);
    if (toPrepare.length > 0) {
      const longest = Math.max(...toPrepare.map(({ rule }) => timeLimitOf(rule)));
      await withStatementTimeout(sql, longest, async () => {
        for (const { rule, applicable } of toPrepare) facts.set(rule, await prepareInTime(sql, rule, applicable));
      });
    }
    return new RuleEvaluation(this.rules, facts, failed, this.logger);
  }

  /** An evaluation without queries; undefined when a rule that applies to a command has to be prepared. */
  unprepared(contexts: readonly SendContext[]): RuleEvaluation | undefined {
    const needsQuery = this.rules.some(
      (rule) => rule.prepare !== undefined && contexts.some((context) => applies(rule, context)),
    );
    return needsQuery ? undefined : new RuleEvaluation(this.rules, new Map(), new Set(), this.logger);
  }
}

/** The rules, prepared for the commands of one transaction. */
export class RuleEvaluation {
  constructor(
    private readonly rules: readonly SendRule[],
    private readonly facts: ReadonlyMap<SendRule, unknown>,
    private readonly failed: ReadonlySet<SendRule>,
    private readonly logger: Logger,
  ) {}

  /** The refusal of the first rule that refuses the command, or nothing. */
  refusal(context: SendContext, pending: PendingMessages): ChatError | undefined {
    for (const rule of this.rules) {
      const refused = applies(rule, context) ? this.check(rule, context, pending) : undefined;
      if (refused) return refused;
    }
    return undefined;
  }

  private check(rule: SendRule, context: SendContext, pending: PendingMessages): ChatError | undefined {
    if (this.failed.has(rule)) return undecided(rule);
    try {
      return rule.check(context, this.facts.get(rule), pending);
    } catch (err) {
      this.logger.error({ err, rule: rule.name }, 'a rule failed; the commands that it applies to are refused');
      return undecided(rule);
    }
  }
}

const applies = (rule: SendRule, context: SendContext): boolean => rule.appliesTo?.(context) ?? true;
const timeLimitOf = ({ timeLimitMs = PREPARE_TIMEOUT_MS }: SendRule): number => timeLimitMs;
const undecided = ({ name }: SendRule): ChatError =>
  new ChatError('unavailable', `The rule ${name} cannot be checked now`);

/**
 * After the time limit the rule's queries are rejected, because the transaction's connection is then used for other
 * statements.
 */
async function prepareInTime(sql: Sql, rule: SendRule, contexts: readonly SendContext[]): Promise<unknown> {
  const limitMs = timeLimitOf(rule);
  let ended = false;
  const guarded: Sql = {
    query: (text, parameters) =>
      ended ? Promise.reject(new Error('the time limit of the rule is over')) : sql.query(text, parameters),
  };
  try {
    return await withTimeout(
      limitMs,
      rule.prepare!(guarded, contexts),
      () => new Error(`took longer than ${limitMs} ms`),
    );
  } catch (error) {
    throw new RuleFailed(rule, error);
  } finally {
    ended = true;
  }
}

/** Also bounds statements, so that a rollback never waits for a rule's statement beyond its time limit. */
async function withStatementTimeout(sql: Sql, limitMs: number, work: () => Promise<void>): Promise<void> {
  const [before] = await sql.query<{ value: string }>(
    `select current_setting('statement_timeout') as value, set_config('statement_timeout', $1, true)`,
    [`${limitMs}ms`],
  );
  await work();
  await sql.query(`select set_config('statement_timeout', $1, true)`, [before!.value]);
}
