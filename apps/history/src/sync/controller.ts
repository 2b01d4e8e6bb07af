import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { requireMember } from '@parley/chat';
import type { RequestAnswer, RequestPayload } from '@parley/contracts';
import { Database } from '@parley/store';
import { Settings } from '../config.js';
import { inSnapshot } from '../snapshot.js';
import { changesOf, epochOf } from './changes.js';
import { sync } from './sync.js';

/** Messages per answer of `conversation.changes` unless the caller gives a limit. */
const DEFAULT_CHANGES = 100;

/** Catching up. */
@Controller()
export class SyncController {
  constructor(
    private readonly database: Database,
    private readonly settings: Settings,
  ) {}

  @MessagePattern<string>('sync.v1')
  sync(@Payload() { caller, input }: RequestPayload<'sync.v1'>): Promise<RequestAnswer<'sync.v1'>> {
    return inSnapshot(this.database, (sql) => sync(sql, caller.userId, input, this.settings.receiptsToAllUpTo));
  }

  @MessagePattern<string>('conversation.changes.v1')
  changes(
    @Payload() { caller, input }: RequestPayload<'conversation.changes.v1'>,
  ): Promise<RequestAnswer<'conversation.changes.v1'>> {
    const { conversationId, since, limit = DEFAULT_CHANGES } = input;
    return inSnapshot(this.database, async (sql) => {
      const access = await requireMember(sql, conversationId, caller.userId);
      const changes = await changesOf(
        sql,
        caller.userId,
        [{ ...access, since }],
        limit,
        this.settings.receiptsToAllUpTo,
      );
      return { ...changes.get(access.id)!, epoch: await epochOf(sql) };
    });
  }

  @MessagePattern<string>('history.epoch.v1')
  async epoch(): Promise<RequestAnswer<'history.epoch.v1'>> {
    return { epoch: await epochOf(this.database) };
  }
}
