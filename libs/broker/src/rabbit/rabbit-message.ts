import { ChatError, names, type Service } from '@parley/contracts';
import { backOffMs, pause, type Logger } from '@parley/service-kit';
import type { ConsumeMessage, Options } from 'amqplib';
import {
  InboundMessage,
  retryDelayMs,
  type Answer,
  type DeadLetterCause,
  type Envelope,
  type EventRetries,
} from '../delivery/inbound-message.js';
import type { PublishBatcher, Publisher } from './publisher.js';
import type { ConsumerChannel } from './queue-consumer.js';
import { retryQueue } from './topology.js';
import {
  decodeRequests,
  encodeAnswer,
  encodeList,
  headersOf,
  isShort,
  readTrace,
  traceHeaders,
  traceIn,
  type Headers,
} from './wire-format.js';

/** The dependencies for settling and answering messages, shared by all messages of one process. */
export interface MessageContext {
  readonly publisher: Publisher;
  readonly batcher: PublishBatcher;
  readonly retries: EventRetries;
  /** How long an answer without a deadline may wait for its confirm, in milliseconds. */
  readonly confirmTimeoutMs: number;
  readonly logger: Logger;
}

/** Where a message came from. */
export interface MessageSource {
  readonly queue: string;
  readonly service: Service;
  readonly channel: ConsumerChannel;
}

/** The messages in one delivery of RabbitMQ: the delivery itself, or each of several requests that travelled together. */
export function inboundMessages(
  delivery: ConsumeMessage,
  source: MessageSource,
  context: MessageContext,
): readonly InboundMessage[] {
  const headers = headersOf(delivery);
  const requests = decodeRequests(delivery.content, headers);
  if (!requests) return [new SingleMessage(delivery, headers, source, context)];
  const { bundle: _bundle, traceparent: _traceparent, ...common } = headers;
  let unsettled = requests.length;
  const settle = () => {
    if (--unsettled === 0) source.channel.ack(delivery);
  };
  return requests.map(([id, trace, budget, payload]) => {
    const own = { ...common, ...traceHeaders(readTrace(trace)), budget };
    return new BundledMessage(delivery, own, source, context, id, payload, settle);
  });
}

/** A request or event from RabbitMQ. Settling it acknowledges the delivery, or its share of it. */
abstract class RabbitMessage extends InboundMessage {
  constructor(
    protected readonly delivery: ConsumeMessage,
    protected readonly headers: Headers,
    protected readonly source: MessageSource,
    private readonly context: MessageContext,
    private readonly requestId: string | undefined,
  ) {
    super(envelopeOf(delivery, headers, source.queue));
  }

  get live(): boolean {
    return this.source.channel.live;
  }

  /** The payload, to be stored elsewhere. */
  protected abstract content(): Buffer;

  answer(answer: Answer): void {
    try {
      this.sendAnswer(answer);
    } catch {
      // JSON cannot hold the answer: a defect of the handler, for which the requester must not wait.
      this.sendAnswer({ error: new ChatError('internal').toBody() });
    }
  }

  private sendAnswer(answer: Answer): void {
    const { batcher, logger, confirmTimeoutMs } = this.context;
    const replyTo = this.delivery.properties.replyTo as string | undefined;
    if (!replyTo || !this.requestId) return;
    const item = {
      content: encodeAnswer(this.requestId, answer),
      deadline: this.deadline ?? Date.now() + confirmTimeoutMs,
      failed: (error: Error) => logger.warn({ err: error }, 'an answer was not sent'),
    };
    batcher.add(replyTo, 'answers', item, (items) => ({
      exchange: names.replies,
      key: replyTo,
      content: encodeList(items),
      repeatable: true,
      options: { type: 'answers' },
    }));
  }

  async deadLetter({ reason, detail }: DeadLetterCause): Promise<void> {
    const headers = { ...this.headers, reason, detail: detail.slice(0, 500), queue: this.queue, 'died-at': Date.now() };
    for (let failures = 0; this.live; failures++) {
      try {
        await this.context.publisher.publish(names.dead, '', this.content(), { ...this.properties(), headers });
        return this.ack();
      } catch {
        await pause(backOffMs(failures, 100, 5000));
      }
    }
  }

  async retryLater(): Promise<boolean> {
    const { publisher, retries } = this.context;
    const attempts = this.headers.attempts ?? 0;
    const delayMs = retryDelayMs(retries, attempts);
    if (delayMs === undefined) return false;
    try {
      await publisher.publish(names.commands, retryQueue(this.source.service, delayMs), this.content(), {
        ...this.properties(),
        mandatory: true,
        headers: { ...this.headers, attempts: attempts + 1 },
      });
      this.ack();
    } catch {
      // It is not safe in the retry queue, so it stays in its own.
      this.source.channel.requeue(this.delivery);
    }
    return true;
  }

  /** The properties under which it is published again. */
  private properties(): Options.Publish {
    const { replyTo } = this.delivery.properties;
    const own = { type: this.name, replyTo: replyTo as unknown, correlationId: this.requestId };
    return { persistent: true, ...Object.fromEntries(Object.entries(own).filter(([, value]) => isShort(value))) };
  }
}

function envelopeOf({ properties, fields }: ConsumeMessage, headers: Headers, queue: string): Envelope {
  const { budget, attempts = 0 } = headers;
  return {
    queue,
    name: String(properties.type),
    trace: traceIn(headers, String(properties.messageId ?? 'none')),
    redelivered: fields.redelivered || attempts > 0,
    // By the clock of this process. The time that a request waited in its queue does not count: RabbitMQ drops queries that wait too long, and commands are handled however late.
    deadline: budget === undefined ? undefined : Date.now() + budget,
    expectsReply: properties.replyTo !== undefined,
  };
}

class SingleMessage extends RabbitMessage {
  constructor(delivery: ConsumeMessage, headers: Headers, source: MessageSource, context: MessageContext) {
    super(delivery, headers, source, context, delivery.properties.correlationId as string | undefined);
  }
  protected read(): unknown {
    return JSON.parse(this.delivery.content.toString());
  }
  protected content(): Buffer {
    return this.delivery.content;
  }
  ack(): void {
    this.source.channel.ack(this.delivery);
  }
}

/** One of several requests in one delivery, which is acknowledged when all of them are settled. */
class BundledMessage extends RabbitMessage {
  constructor(
    delivery: ConsumeMessage,
    headers: Headers,
    source: MessageSource,
    context: MessageContext,
    requestId: string,
    private readonly part: unknown,
    private readonly settle: () => void,
  ) {
    super(delivery, headers, source, context, requestId);
  }
  protected read(): unknown {
    return this.part;
  }
  protected content(): Buffer {
    return Buffer.from(JSON.stringify(this.part));
  }
  ack(): void {
    this.settle();
  }
}
