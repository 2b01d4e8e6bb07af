import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { requireMember } from '@parley/chat';
import type { RequestAnswer, RequestPayload } from '@parley/contracts';
import { Database } from '@parley/store';
import { inSnapshot } from '../snapshot.js';
import { readBoard } from './board.js';

/** The board of a conversation. */
@Controller()
export class DrawingController {
  constructor(private readonly database: Database) {}

  @MessagePattern<string>('drawing.get.v1')
  get(@Payload() { caller, input }: RequestPayload<'drawing.get.v1'>): Promise<RequestAnswer<'drawing.get.v1'>> {
    return inSnapshot(this.database, async (sql) => {
      const conversation = await requireMember(sql, input.conversationId, caller.userId);
      return readBoard(sql, conversation, input.cursor);
    });
  }
}
