import type { Channel, ConsumeMessage } from 'amqplib';
import { describe, expect, it } from 'vitest';
import { AckSchedule } from './ack-schedule.js';
import { ConsumerChannel } from './queue-consumer.js';

/** Keeps count of one channel as RabbitMQ does, where acknowledging a tag that is not outstanding is a channel error. */
class Ledger {
  readonly outstanding = new Set<number>();
  frames = 0;
  ack({ fields: { deliveryTag } }: ConsumeMessage, allUpTo = false): void {
    this.frames++;
    if (!this.outstanding.has(deliveryTag)) throw new Error(`unknown delivery tag ${deliveryTag}`);
    for (const tag of this.outstanding)
      if (tag === deliveryTag || (allUpTo && tag < deliveryTag)) this.outstanding.delete(tag);
  }
}
const message = (deliveryTag: number) => ({ fields: { deliveryTag } }) as ConsumeMessage;

describe('acknowledgements', () => {
  it('of messages that were settled in order are one frame', () => {
    const ledger = new Ledger();
    const channel = new ConsumerChannel(ledger as unknown as Channel, new AckSchedule());
    for (let tag = 1; tag <= 100; tag++) ledger.outstanding.add(tag);
    for (let tag = 1; tag <= 100; tag++) channel.ack(message(tag));
    channel.flush();
    expect([ledger.outstanding.size, ledger.frames]).toEqual([0, 1]);
  });

  it('never cover an unsettled message or name a tag twice, in any order of settling', () => {
    for (let round = 0; round < 200; round++) {
      const ledger = new Ledger();
      const channel = new ConsumerChannel(ledger as unknown as Channel, new AckSchedule());
      const tags = Array.from({ length: 30 }, (_, at) => at + 1);
      for (const tag of tags) ledger.outstanding.add(tag);
      const unsettled = new Set(tags);
      for (const tag of tags.toSorted(() => Math.random() - 0.5)) {
        channel.ack(message(tag));
        unsettled.delete(tag);
        if (Math.random() < 0.6) continue;
        channel.flush();
        expect(ledger.outstanding).toEqual(unsettled);
      }
      channel.flush();
      expect(ledger.outstanding.size).toBe(0);
    }
  });
});
