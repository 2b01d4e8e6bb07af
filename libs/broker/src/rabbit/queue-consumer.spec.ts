import type { Channel, ConsumeMessage } from 'amqplib';
import { describe, expect, it } from 'vitest';
import { Flow } from './queue-consumer.js';

/** Keeps RabbitMQ's book of one channel: an acknowledgement of a tag that is not outstanding is a channel error there. */
class Book {
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
  it('are one frame for all that is settled in order', () => {
    const book = new Book();
    const flow = new Flow(book as unknown as Channel);
    for (let tag = 1; tag <= 100; tag++) book.outstanding.add(tag);
    for (let tag = 1; tag <= 100; tag++) flow.done(message(tag));
    flow.flush();
    expect([book.outstanding.size, book.frames]).toEqual([0, 1]);
  });

  it('never cover what is not settled, and never name a tag twice, whatever the order', () => {
    for (let round = 0; round < 200; round++) {
      const book = new Book();
      const flow = new Flow(book as unknown as Channel);
      const tags = Array.from({ length: 30 }, (_, at) => at + 1);
      for (const tag of tags) book.outstanding.add(tag);
      const open = new Set(tags);
      for (const tag of tags.toSorted(() => Math.random() - 0.5)) {
        flow.done(message(tag));
        open.delete(tag);
        if (Math.random() < 0.6) continue;
        flow.flush();
        expect(book.outstanding).toEqual(open);
      }
      flow.flush();
      expect(book.outstanding.size).toBe(0);
    }
  });
});
