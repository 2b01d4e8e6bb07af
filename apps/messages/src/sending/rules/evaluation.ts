import { ChatError } from '@parley/contracts';
import type { Logger } from '@parley/service-kit';
import type { Sql } from '@parley/store';
import { TIME_LIMIT_MS, type Batch, type Policy, type Situation } from './rule.js';

/** Rolls a transaction back in which a policy could not be prepared. */
export class PolicyFailed extends Error {
  constructor(
    readonly policy: Policy,
    cause: unknown,
  ) {
    super(`policy ${policy.name} failed`, { cause });
  }
}

/** The policies as they stand for the commands of one transaction. */
export class Ruling {
  private constructor(
    private readonly policies: readonly Policy[],
    private readonly facts: ReadonlyMap<Policy, unknown>,
    private readonly failed: ReadonlySet<Policy>,
    private readonly logger: Logger,
  ) {}

  /** Prepares the policies, but those that `failed` before. No query when nothing is to be prepared. Rejects with {@link PolicyFailed}. */
  static async prepare(
    sql: Sql,
    policies: readonly Policy[],
    situations: readonly Situation[],
    failed: ReadonlySet<Policy>,
    logger: Logger,
  ): Promise<Ruling> {
    const facts = new Map<Policy, unknown>();
    const due = policies
      .filter((policy) => policy.prepare !== undefined && !failed.has(policy))
      .map((policy) => ({ policy, asked: situations.filter((situation) => applies(policy, situation)) }));
    const asked = due.filter((one) => one.asked.length > 0);
    if (asked.length > 0) {
      const limit = Math.max(...asked.map(({ policy }) => limitOf(policy)));
      await withStatementLimit(sql, limit, async () => {
        for (const one of asked) facts.set(one.policy, await inTime(sql, one.policy, one.asked));
      });
    }
    return new Ruling(policies, facts, failed, logger);
  }

  /** A ruling that needs nothing from the database; undefined when a policy that applies has to be prepared. */
  static unprepared(policies: readonly Policy[], situations: readonly Situation[], logger: Logger): Ruling | undefined {
    const due = policies.some(
      (policy) => policy.prepare !== undefined && situations.some((situation) => applies(policy, situation)),
    );
    return due ? undefined : new Ruling(policies, new Map(), new Set(), logger);
  }

  /** The first policy's refusal, or nothing. */
  refusal(situation: Situation, batch: Batch): ChatError | undefined {
    for (const policy of this.policies) {
      const refused = applies(policy, situation) ? this.ask(policy, situation, batch) : undefined;
      if (refused) return refused;
    }
    return undefined;
  }

  private ask(policy: Policy, situation: Situation, batch: Batch): ChatError | undefined {
    if (this.failed.has(policy)) return undecided(policy);
    try {
      return policy.check(situation, this.facts.get(policy), batch);
    } catch (err) {
      this.logger.error({ err, policy: policy.name }, 'a policy failed; what it applies to is refused');
      return undecided(policy);
    }
  }
}

const applies = (policy: Policy, situation: Situation): boolean => policy.appliesTo?.(situation) ?? true;
const limitOf = ({ timeLimitMs = TIME_LIMIT_MS }: Policy): number => timeLimitMs;
const undecided = ({ name }: Policy): ChatError =>
  new ChatError('unavailable', `The policy ${name} cannot be checked now`);

/** Its queries end with its time: a connection that goes on to others must not hear from it again. */
async function inTime(sql: Sql, policy: Policy, situations: readonly Situation[]): Promise<unknown> {
  const limit = limitOf(policy);
  let timer: NodeJS.Timeout | undefined;
  let over = false;
  const own: Sql = {
    query: (text, parameters) =>
      over ? Promise.reject(new Error('the time of the policy is over')) : sql.query(text, parameters),
  };
  const late = new Promise<never>(
    (_, reject) => (timer = setTimeout(() => reject(new Error(`took longer than ${limit} ms`)), limit)),
  );
  try {
    return await Promise.race([policy.prepare!(own, situations), late]);
  } catch (error) {
    throw new PolicyFailed(policy, error);
  } finally {
    over = true;
    clearTimeout(timer);
  }
}

/** So that the rollback does not wait for a statement of a policy whose time is over. */
async function withStatementLimit(sql: Sql, limitMs: number, work: () => Promise<void>): Promise<void> {
  const [before] = await sql.query<{ value: string }>(
    `select current_setting('statement_timeout') as value, set_config('statement_timeout', $1, true)`,
    [`${limitMs}ms`],
  );
  await work();
  await sql.query(`select set_config('statement_timeout', $1, true)`, [before!.value]);
}
