import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import type { Broker } from '@parley/broker';
import { Audience } from '@parley/chat';
import type { Push } from '@parley/realtime';
import type { Database } from '@parley/store';
import { Receipts, type ReceiptDelivery } from './receipts.js';
import { BROKER, DATABASE, PUSH } from '../tokens.js';

/** Delivered and read cursors. Any replica may move any cursor at any time: they only go forward, so order does not matter. */
@Controller()
export class ReceiptsController {
  private readonly cursors: Receipts;

  constructor(@Inject(DATABASE) database: Database, @Inject(BROKER) broker: Broker, @Inject(PUSH) push: Push) {
    this.cursors = new Receipts(database, broker, push, new Audience());
  }

  @MessagePattern<string>('receipt.delivered.v1', { batch: { max: 500, lanes: 1 } })
  delivered(@Payload() deliveries: readonly ReceiptDelivery[]): Promise<void> {
    return this.cursors.move(deliveries, 'delivered');
  }

  @MessagePattern<string>('receipt.read.v1', { batch: { max: 500, lanes: 1 } })
  read(@Payload() deliveries: readonly ReceiptDelivery[]): Promise<void> {
    return this.cursors.move(deliveries, 'read');
  }
}
