import { domainEvents, names, type DomainEventName, type PushFrame } from '@parley/contracts';
import type { ConsumeMessage } from 'amqplib';
import type { InstanceListener } from '../broker.js';
import { NumberCheck, RecentIds } from '../push-order.js';
import { forEachFrame, headersOf } from './wire-format.js';

/** Passes the messages of an instance's queue to its listener, in order and each frame once, and reports gaps. */
export class PushConsumer {
  private readonly frameIds = new RecentIds();
  private readonly numbers = new NumberCheck();

  constructor(
    private readonly instance: string,
    private readonly listener: InstanceListener,
  ) {}

  /** Throws the listener's error, or an error for a malformed message. */
  take(message: ConsumeMessage): void {
    const order = this.orderOf(message);
    if (order === 'old') return;
    if (order === 'gap') this.listener.onGap();
    if (message.fields.exchange === names.events)
      this.event(message.properties.type as DomainEventName, message.content);
    else forEachFrame(message.content, (frame) => this.frame(frame));
  }

  private orderOf(message: ConsumeMessage): ReturnType<NumberCheck['check']> {
    const { stream, number } = headersOf(message);
    if (stream === undefined || number === undefined) return 'next';
    return this.numbers.check(stream, number, message.fields.routingKey === this.instance);
  }

  private event(name: DomainEventName, content: Buffer): void {
    if (this.listener.events.includes(name))
      this.listener.onEvent(name, domainEvents[name].parse(JSON.parse(content.toString())));
  }

  private frame(frame: PushFrame): void {
    if (frame.kind !== 'users' || frame.id === undefined || this.frameIds.add(frame.id)) this.listener.onPush(frame);
  }
}
