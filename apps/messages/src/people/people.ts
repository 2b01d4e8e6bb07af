import { Injectable } from '@nestjs/common';
import { Broker } from '@parley/broker';
import { Database } from '@parley/store';
import type { CommandContext, Committed } from '../commands/change.js';
import type { OutgoingEvent } from '../commands/publisher.js';
import { invalid, requireUsers } from './users.js';

type Done = Committed<Record<string, never>>;

/** A user's contacts, and the users that they block. Repeating a command changes nothing. */
@Injectable()
export class People {
  constructor(
    private readonly database: Database,
    private readonly broker: Broker,
  ) {}

  /** Adds a contact. Refuses users who do not exist, and the caller. */
  async addContact({ caller: { userId: owner } }: CommandContext, userId: string): Promise<Done> {
    await this.requireOther(owner, userId);
    await this.database.query(
      `insert into chat.contact (owner_id, user_id, created_at) values ($1, $2, now()) on conflict do nothing`,
      [owner, userId],
    );
    return { answer: {}, events: [] };
  }

  async removeContact({ caller: { userId: owner } }: CommandContext, userId: string): Promise<Done> {
    await this.database.query(`delete from chat.contact where owner_id = $1 and user_id = $2`, [owner, userId]);
    return { answer: {}, events: [] };
  }

  /** Blocks a user. Refuses users who do not exist, and the caller. */
  async addBlock(context: CommandContext, userId: string): Promise<Done> {
    const { userId: blocker } = context.caller;
    await this.requireOther(blocker, userId);
    const rows = await this.database.query(
      `insert into chat.block (blocker_id, blocked_id, created_at) values ($1, $2, now()) on conflict do nothing returning 1`,
      [blocker, userId],
    );
    return { answer: {}, events: blockChanged(context, userId, true, rows.length > 0) };
  }

  async removeBlock(context: CommandContext, userId: string): Promise<Done> {
    const rows = await this.database.query(
      `delete from chat.block where blocker_id = $1 and blocked_id = $2 returning 1`,
      [context.caller.userId, userId],
    );
    return { answer: {}, events: blockChanged(context, userId, false, rows.length > 0) };
  }

  private async requireOther(own: string, userId: string): Promise<void> {
    if (own === userId) throw invalid('userId', 'must be somebody else');
    await requireUsers(this.broker, [userId]);
  }
}

/** Published when the block changed, and again when an earlier delivery may have changed it. */
const blockChanged = (
  { caller, redelivered }: CommandContext,
  blockedId: string,
  blocked: boolean,
  changed: boolean,
): OutgoingEvent[] =>
  changed || redelivered
    ? [{ publish: 'block.changed.v1', payload: { blockerId: caller.userId, blockedId, blocked } }]
    : [];
