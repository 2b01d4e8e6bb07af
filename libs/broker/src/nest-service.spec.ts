import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { ChatError, newId, type RequestPayload } from '@parley/contracts';
import { createLogger, currentTrace, Unavailable } from '@parley/service-kit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Delivery } from './broker.js';
import { createInProcessBroker, type InProcessBroker } from './in-process-broker.js';
import { startNestService } from './nest-service.js';

const lines: string[] = [];
const logger = createLogger('test', 'warn', { write: (line: string) => void lines.push(line) });
const events: unknown[] = [];
let epochFails: () => Error | undefined = () => undefined;

@Controller()
class HistoryController {
  @MessagePattern<string>('history.epoch.v1')
  async epoch(@Payload() _: unknown, @Ctx() delivery: Delivery) {
    const error = epochFails();
    if (error) throw error;
    return { epoch: `${delivery.correlationId} ${currentTrace()?.traceId}` };
  }

  @MessagePattern<string>('history.visible.v1', { batch: { max: 10, concurrency: 1 } })
  async visible(@Payload() deliveries: readonly Delivery<RequestPayload<'history.visible.v1'>>[]): Promise<void> {
    for (const delivery of deliveries)
      delivery.reply({ userIds: [...delivery.payload.userIds, `${deliveries.length}`] });
  }

  @EventPattern<string>('session.revoked.v1')
  async revoked(@Payload() event: unknown): Promise<void> {
    events.push(event);
  }
}

@Module({ controllers: [HistoryController] })
class HistoryModule {}

describe('a Nest service behind the broker', () => {
  let broker: InProcessBroker;
  let stop: () => Promise<void>;
  beforeEach(async () => {
    lines.length = events.length = 0;
    broker = createInProcessBroker({ service: 'test', logger });
    await broker.start();
    const app = await startNestService(HistoryModule, { broker, service: 'history', logger });
    stop = () => app.close();
  });
  afterEach(async () => {
    epochFails = () => undefined;
    await stop();
    await broker.close();
  });

  it('answers requests, in the trace of the requester', async () => {
    expect(await broker.request('history.epoch.v1', {}, { correlationId: 'c1' })).toEqual({ epoch: 'c1 c1' });
  });

  it('gives a batch handler all gathered deliveries', async () => {
    const ask = () => broker.request('history.visible.v1', { userId: newId(), userIds: [] });
    expect(await Promise.all([ask(), ask(), ask()])).toEqual(Array(3).fill({ userIds: ['3'] }));
  });

  it('hands events to their handlers', async () => {
    const event = { userId: newId(), sessionIds: [], reason: 'logout' as const };
    await broker.publish('session.revoked.v1', event);
    await expect.poll(() => events).toEqual([event]);
  });

  it('passes refusals on unchanged, without a log line of Nest', async () => {
    epochFails = () => new ChatError('slow_mode', 'wait', { retryAfterMs: 7 });
    await expect(broker.request('history.epoch.v1', {})).rejects.toMatchObject({
      code: 'slow_mode',
      message: 'wait',
      retryAfterMs: 7,
    });
    expect(lines).toEqual([]);
  });

  it('distinguishes an unavailable dependency from a defect', async () => {
    epochFails = () => new Unavailable('no database');
    await expect(broker.request('history.epoch.v1', {})).rejects.toMatchObject({ code: 'unavailable' });
    epochFails = () => new TypeError('a defect');
    await expect(broker.request('history.epoch.v1', {})).rejects.toMatchObject({ code: 'internal' });
    expect(lines.at(-1)).toContain('a defect');
  });
});
