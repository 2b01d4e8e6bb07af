import { Injectable } from '@nestjs/common';
import { Broker } from '@parley/broker';
import { BlockEntity, ContactEntity, Database, isUniqueViolation } from '@parley/store';
import type { CommandContext, Committed, OutgoingEvent } from '../commands/change.js';
import { invalid, requireUsers } from './users.js';

type Done = Committed<Record<string, never>>;

/** A user's contacts, and the users that they block. Repeating a command changes nothing. */
@Injectable()
export class People {
  constructor(
    private readonly database: Database,
    private readonly broker: Broker,
  ) {}

  /** Adds a contact. Refuses unknown users and the caller. */
  async addContact({ caller: { userId: owner } }: CommandContext, userId: string): Promise<Done> {
    await this.requireOther(owner, userId);
    await this.database.entities((em) =>
      em.upsert(ContactEntity, { ownerId: owner, userId, createdAt: new Date() }, { onConflictAction: 'ignore' }),
    );
    return { answer: {}, events: [] };
  }

  async removeContact({ caller: { userId: owner }, redelivered }: CommandContext, userId: string): Promise<Done> {
    const removed = await this.database.entities((em) => em.nativeDelete(ContactEntity, { ownerId: owner, userId }));
    const events: OutgoingEvent[] =
      removed > 0 || redelivered ? [{ publish: 'contact.removed.v1', payload: { ownerId: owner, userId } }] : [];
    return { answer: {}, events };
  }

  /** Blocks a user. Refuses unknown users and the caller. */
  async addBlock(context: CommandContext, userId: string): Promise<Done> {
    const { userId: blocker } = context.caller;
    await this.requireOther(blocker, userId);
    const added = await this.insertBlock(blocker, userId);
    return { answer: {}, events: blockChanged(context, userId, true, added) };
  }

  async removeBlock(context: CommandContext, userId: string): Promise<Done> {
    const removed = await this.database.entities((em) =>
      em.nativeDelete(BlockEntity, { blockerId: context.caller.userId, blockedId: userId }),
    );
    return { answer: {}, events: blockChanged(context, userId, false, removed > 0) };
  }

  /** Returns false when the block exists, even if a concurrent command has just added it. */
  private async insertBlock(blockerId: string, blockedId: string): Promise<boolean> {
    try {
      return await this.database.entities(async (em) => {
        if ((await em.count(BlockEntity, { blockerId, blockedId })) > 0) return false;
        await em.insert(BlockEntity, { blockerId, blockedId, createdAt: new Date() });
        return true;
      });
    } catch (error) {
      if (isUniqueViolation(error)) return false;
      throw error;
    }
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
