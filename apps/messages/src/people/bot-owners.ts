import { Injectable } from '@nestjs/common';
import type { Caller } from '@parley/contracts';
import { Lru } from '@parley/service-kit';
import { Database } from '@parley/store';

/** Bots that a process remembers to have stored. */
const CAPACITY = 10_000;

/** SQL: the accounts of a person: their own and those of their bots, as `(id)`. */
export const accountsOf = (person: string): string =>
  `(select ${person} as id union all select b.user_id from chat.bot b where b.owner_id = ${person})`;

/** SQL: the person behind a user: a bot's owner, or the user. */
export const personBehind = (user: string): string =>
  `coalesce((select b.owner_id from chat.bot b where b.user_id = ${user}), ${user})`;

/** The person behind a caller. */
export const personOf = ({ userId, ownerId }: { readonly userId: string; readonly ownerId?: string | undefined }) =>
  ownerId ?? userId;

/**
 * Table `chat.bot`, whose bots belong to whom. A bot is in it before anything of it is stored that has to count for its
 * owner.
 */
@Injectable()
export class BotOwners {
  private readonly stored = new Lru<true>(CAPACITY, () => 1);

  constructor(private readonly database: Database) {}

  /** Stores the bots among the callers. A query only for one that this process has not seen yet. */
  async learn(callers: readonly Pick<Caller, 'userId' | 'ownerId'>[]): Promise<void> {
    const bots = new Map<string, string>();
    for (const { userId, ownerId } of callers)
      if (userId !== undefined && ownerId !== undefined && !this.stored.get(userId)) bots.set(userId, ownerId);
    if (bots.size === 0) return;
    await this.database.query(
      `insert into chat.bot (user_id, owner_id) select * from unnest($1::uuid[], $2::uuid[]) on conflict do nothing`,
      [[...bots.keys()], [...bots.values()]],
    );
    for (const userId of bots.keys()) this.stored.set(userId, true);
  }
}
