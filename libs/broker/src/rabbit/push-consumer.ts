import { domainEvents, names, PushFrame, type DomainEventName } from '@parley/contracts';
import { without } from '@parley/faults';
import type { ConsumeMessage } from 'amqplib';
import type { InstanceListener } from '../broker.js';
import { each } from '../each.js';
import { Seen } from '../seen.js';
import { headersOf } from './rabbit-message.js';
import { Sequence } from '../push-order.js';

/** Hands what comes out of an instance's queue to its listener: each once, in order, holes noticed. Throws what the listener throws. */
export class Listening {
  private readonly seen = new Seen();
  private readonly sequence = new Sequence();

  constructor(
    private readonly instance: string,
    private readonly listener: InstanceListener,
  ) {}

  take(message: ConsumeMessage): void {
    const { stream, number } = headersOf(message);
    const order =
      stream !== undefined && number !== undefined
        ? this.sequence.check(stream, number, message.fields.routingKey === this.instance)
        : 'next';
    if (order === 'old' && !without('frame-numbers')) return;
    if (order === 'gap') this.listener.onGap();
    const content = JSON.parse(message.content.toString()) as unknown;
    if (message.fields.exchange === names.events)
      return this.event(message.properties.type as DomainEventName, content);
    if (!Array.isArray(content)) throw new Error('not a list of frames');
    each(content, (frame) => this.push(frameIn(frame)));
  }

  private event(name: DomainEventName, content: unknown): void {
    if (this.listener.events.includes(name)) this.listener.onEvent(name, domainEvents[name].parse(content));
  }

  private push(frame: PushFrame): void {
    if (frame.kind !== 'users' || frame.id === undefined || this.seen.first(frame.id) || without('frame-numbers'))
      this.listener.onPush(frame);
  }
}

/** What is most of all traffic is looked at by hand: the schema would look at each of its users. */
const frameIn = (frame: unknown): PushFrame => (isForUsers(frame) ? frame : PushFrame.parse(frame));

const isTextOrAbsent = (value: unknown): boolean => value === undefined || typeof value === 'string';
function isForUsers(value: unknown): value is Extract<PushFrame, { kind: 'users' }> {
  const { kind, event, users, id, except, traceparent } = (value ?? {}) as Partial<Record<string, unknown>>;
  return (
    kind === 'users' &&
    typeof event === 'string' &&
    Array.isArray(users) &&
    users.every((user) => typeof user === 'string') &&
    isTextOrAbsent(id) &&
    isTextOrAbsent(except) &&
    isTextOrAbsent(traceparent)
  );
}
