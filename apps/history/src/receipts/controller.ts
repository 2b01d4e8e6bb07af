import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import type { RequestAnswer, RequestPayload } from '@parley/contracts';
import { Traces } from '@parley/realtime';
import { Database } from '@parley/store';
import { receiptsOfMessage } from './message-receipts.js';
import { Receipts, type ReceiptDelivery } from './receipts.js';
import { traceOfMessage } from './trace.js';
import { unreadOf } from './unread.js';

/**
 * Delivered and read cursors, and the questions that they answer. Any replica may move any cursor at any time: cursors
 * only move forward, so order does not matter.
 */
@Controller()
export class ReceiptsController {
  constructor(
    private readonly receipts: Receipts,
    private readonly database: Database,
    private readonly traces: Traces,
  ) {}

  @MessagePattern<string>('receipt.delivered.v1', { batch: { max: 500, concurrency: 1 } })
  delivered(@Payload() deliveries: readonly ReceiptDelivery[]): Promise<void> {
    return this.receipts.move(deliveries, 'delivered');
  }

  @MessagePattern<string>('receipt.read.v1', { batch: { max: 500, concurrency: 1 } })
  read(@Payload() deliveries: readonly ReceiptDelivery[]): Promise<void> {
    return this.receipts.move(deliveries, 'read');
  }

  @MessagePattern<string>('unread.list.v1')
  unread(@Payload() { caller, input }: RequestPayload<'unread.list.v1'>): Promise<RequestAnswer<'unread.list.v1'>> {
    return unreadOf(this.database, caller.userId, input);
  }

  @MessagePattern<string>('message.receipts.v1')
  ofMessage(
    @Payload() { caller, input }: RequestPayload<'message.receipts.v1'>,
  ): Promise<RequestAnswer<'message.receipts.v1'>> {
    return receiptsOfMessage(this.database, caller.userId, input);
  }

  @MessagePattern<string>('message.trace.v1')
  trace(@Payload() { caller, input }: RequestPayload<'message.trace.v1'>): Promise<RequestAnswer<'message.trace.v1'>> {
    return traceOfMessage(this.database, this.traces, caller.userId, input.messageId);
  }
}
