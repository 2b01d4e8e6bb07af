import type { ChatError } from '@parley/contracts';
import { endsWithin, Unavailable, type Logger } from '@parley/service-kit';
import { IllegalOperationError, type ChannelModel, type ConfirmChannel, type Options } from 'amqplib';
import { ExpiringSet } from '../deadlines.js';
import { MAX_MESSAGE_BYTES, messageTooLarge } from '../message-size.js';
import { messageOf } from '../delivery/inbound-message.js';
import { closeQuietly } from './connection.js';
import { declareShared } from './topology.js';
import type { MessagePart } from './wire-format.js';

/** A message to publish, and the functions that report its end. At most one of them is called, once. */
export interface Publication {
  readonly exchange: string;
  readonly key: string;
  readonly content: Buffer;
  readonly options: Options.Publish;
  /** The time at which the publication fails, in milliseconds since the epoch. */
  readonly deadline: number;
  /** Whether it may be published again if a cut connection leaves its arrival unknown. */
  readonly repeatable: boolean;
  /** RabbitMQ has confirmed the message. */
  confirmed?(): void;
  /**
   * A `ChatError` `too_large`: RabbitMQ takes no message of this size. `Unavailable`: RabbitMQ refused the message,
   * could not route it (`mandatory`), or did not confirm it by its deadline. In the last case it may still have arrived.
   */
  failed?(error: Unavailable | ChatError): void;
}

interface Entry extends Publication {
  /** Neither confirmed nor failed yet. */
  open: boolean;
  sent: boolean;
  returned: boolean;
}

/** RabbitMQ's code for the end of a channel by a message that it does not take. */
const PRECONDITION_FAILED = 406;
const MAX_SIZE = /larger than configured max size (\d+)/;

/** The bounds of the outbox. Beyond either of them a publication fails at once. */
export interface OutboxLimits {
  /** Maximum number of messages that wait for their confirm. */
  readonly messages: number;
  /** Maximum number of bytes of content that wait for their confirm. */
  readonly bytes: number;
}

/**
 * Publishes in order on one confirm channel. Messages that are not confirmed stay in the outbox: while there is no
 * connection, or RabbitMQ applies backpressure, they wait there; after a reconnect they are published again, in order
 * and ahead of anything newer. When the outbox is full, a publication fails at once.
 */
export class Publisher {
  private readonly outbox = new ExpiringSet<Entry>((entry) => this.fail(entry, 'not confirmed in time'));
  private unsent: Entry[] = [];
  private next = 0;
  private bytes = 0;
  private channel: ConfirmChannel | undefined;
  private writable = false;
  private closed = false;
  /** Why RabbitMQ closed the channel because of a message, until the channel's end is handled. */
  private refusal: string | undefined;
  /** Smaller when RabbitMQ is configured to take less. */
  private maxBytes = MAX_MESSAGE_BYTES;
  private readonly mandatory = new Map<string, Entry>();
  private mandatoryCount = 0;
  private readonly idleListeners = new Set<() => void>();

  /** @param confirmTimeoutMs How long {@link publish} waits for a confirm, cut connections included. */
  constructor(
    private readonly limits: OutboxLimits,
    private readonly confirmTimeoutMs: number,
    private readonly logger: Logger,
  ) {}

  /**
   * Uses a new connection from now on. When the channel fails, its connection is closed too; the owner of the
   * connection opens both again.
   */
  async use(model: ChannelModel): Promise<void> {
    const channel = await model.createConfirmChannel();
    channel.on('error', (error: Error & { readonly code?: number }) => {
      this.logger.error({ err: error }, 'the publishing channel failed');
      if (this.channel === channel && error.code === PRECONDITION_FAILED) this.refusal = error.message;
    });
    channel.on('return', (message) => {
      const entry = this.mandatory.get(message.properties.messageId as string);
      if (entry) entry.returned = true;
    });
    channel.on('drain', () => {
      this.writable = true;
      this.flush();
    });
    channel.on('close', () => {
      if (this.channel === channel) this.lost();
      void closeQuietly(model);
    });
    model.on('blocked', (reason) => this.logger.warn({ reason }, 'RabbitMQ blocks publications'));
    await declareShared(model);
    this.channel = channel;
    this.writable = true;
    this.flush();
  }

  /** Publishes a message that may arrive twice. Resolves once it is confirmed; rejects with `Unavailable`. */
  publish(exchange: string, key: string, content: Buffer, properties: Options.Publish): Promise<void> {
    const options = properties.mandatory ? { ...properties, messageId: `kept-${this.mandatoryCount++}` } : properties;
    const deadline = Date.now() + this.confirmTimeoutMs;
    return new Promise((confirmed, failed) => {
      this.send({ exchange, key, content, options, deadline, repeatable: true, confirmed, failed });
    });
  }

  /**
   * Never throws: a message that cannot be published fails, at once or later. For `mandatory`, `options.messageId` must
   * be unique.
   */
  send(publication: Publication): void {
    const entry: Entry = Object.assign(publication, { open: true, sent: false, returned: false });
    if (this.closed) {
      entry.failed?.(new Unavailable('the broker is closed'));
      return;
    }
    if (entry.content.length > this.maxBytes) {
      entry.failed?.(messageTooLarge(this.maxBytes));
      return;
    }
    if (this.outbox.size >= this.limits.messages || this.bytes + entry.content.length > this.limits.bytes) {
      entry.failed?.(new Unavailable('the outbox is full'));
      return;
    }
    this.bytes += entry.content.length;
    this.outbox.add(entry);
    if (entry.options.mandatory) this.mandatory.set(entry.options.messageId!, entry);
    this.unsent.push(entry);
    // While nothing can be sent, failed entries must not pile up.
    if (this.unsent.length > 2 * this.limits.messages) this.tidy();
    this.flush();
  }

  /** Resolves when no message waits for its confirm any more, at most after `ms`. */
  async drained(ms: number): Promise<void> {
    if (this.outbox.size === 0) return;
    const { promise: idle, resolve } = Promise.withResolvers<void>();
    this.idleListeners.add(resolve);
    await endsWithin(ms, idle);
    this.idleListeners.delete(resolve);
  }

  /** Fails every message that waits, and every later one. */
  close(): void {
    this.closed = true;
    this.channel = undefined;
    for (const entry of this.outbox.values()) this.fail(entry, 'the broker is closed');
  }

  private flush(): void {
    while (this.channel && this.writable && this.next < this.unsent.length) {
      const entry = this.unsent[this.next]!;
      if (entry.open && !this.write(this.channel, entry)) return;
      this.next++;
    }
    if (this.next < this.unsent.length) return;
    this.unsent.length = this.next = 0;
  }

  private tidy(): void {
    this.unsent = this.unsent.slice(this.next).filter(({ open }) => open);
    this.next = 0;
  }

  private write(channel: ConfirmChannel, entry: Entry): boolean {
    try {
      this.writable = channel.publish(entry.exchange, entry.key, entry.content, entry.options, (error: unknown) =>
        this.settle(channel, entry, error),
      );
      entry.sent = true;
      return true;
    } catch (error) {
      if (!(error instanceof IllegalOperationError)) {
        this.fail(entry, messageOf(error));
        return true;
      }
      // The channel is closing. Its 'close' event follows, and everything is sent again on the next channel.
      this.writable = false;
      return false;
    }
  }

  private settle(channel: ConfirmChannel, entry: Entry, error: unknown): void {
    // The end of a channel says nothing about the messages under way: `lost` decides.
    if (error && this.channel !== channel) return;
    if (error instanceof Error && error.message === 'channel closed') return;
    if (error) return this.fail(entry, 'RabbitMQ refused it');
    if (entry.returned) return this.fail(entry, 'no queue for it');
    if (this.remove(entry)) entry.confirmed?.();
  }

  private fail(entry: Entry, why: string): void {
    this.failWith(entry, new Unavailable(`${entry.options.type ?? 'message'} to ${entry.key}: ${why}`));
  }

  private failWith(entry: Entry, error: Unavailable | ChatError): void {
    if (this.remove(entry)) entry.failed?.(error);
  }

  /** Returns false when it was settled before. */
  private remove(entry: Entry): boolean {
    if (!entry.open) return false;
    entry.open = false;
    this.outbox.delete(entry);
    if (entry.options.mandatory) this.mandatory.delete(entry.options.messageId!);
    this.bytes -= entry.content.length;
    if (this.outbox.size === 0) for (const notify of this.idleListeners) notify();
    return true;
  }

  /**
   * The channel has ended: unconfirmed messages are published again on the next one, except those that must not be
   * repeated, or that RabbitMQ refused.
   */
  private lost(): void {
    this.channel = undefined;
    this.writable = false;
    if (this.refusal !== undefined) this.dropRefused(this.refusal);
    this.refusal = undefined;
    const toRepeat: Entry[] = [];
    for (const entry of this.outbox.values()) {
      if (entry.sent && !entry.repeatable) {
        this.remove(entry);
        continue;
      }
      entry.sent = entry.returned = false;
      toRepeat.push(entry);
    }
    this.unsent = toRepeat;
    this.next = 0;
  }

  /**
   * Fails the messages that were too large, if RabbitMQ said so, otherwise all that were sent: any of them may be the
   * refused one, which would end the next channel, too.
   */
  private dropRefused(reason: string): void {
    const sent = this.outbox.values().filter((entry) => entry.sent);
    const max = Number(MAX_SIZE.exec(reason)?.[1] ?? Number.NaN);
    const tooLarge = sent.filter(({ content }) => content.length > max);
    if (tooLarge.length === 0) {
      for (const entry of sent) this.fail(entry, 'RabbitMQ refused it, or one beside it');
      return;
    }
    this.maxBytes = max;
    for (const entry of tooLarge) this.failWith(entry, messageTooLarge(max));
  }
}

/** Something that may travel in one message with others. */
export interface BatchItem extends MessagePart {
  /** Milliseconds since the epoch. */
  readonly deadline: number;
  confirmed?(): void;
  failed?(error: Unavailable | ChatError): void;
}

/** Makes one message of items of one target and kind, at least one, in their order. */
type Combine<I extends BatchItem = BatchItem> = (
  items: readonly I[],
) => Omit<Publication, 'deadline' | 'confirmed' | 'failed'>;

interface Batch {
  readonly kind: string;
  readonly items: BatchItem[];
  readonly combine: Combine;
  length: number;
}

const MAX_ITEMS = 64;
/** In characters. A longer item has a message of its own. */
const MAX_LENGTH = 64 * 1024;

/**
 * Combines the items that are published to one target within a turn of the event loop into one message: for RabbitMQ
 * and for the reader, a message of twenty items costs little more than a message of one. No item waits longer than
 * until the end of the turn. The items to one target keep their order.
 *
 * Not service-kit's Batcher: this is the hot path, where items are settled by callbacks instead of promises, and order
 * holds over kinds of items.
 */
export class PublishBatcher {
  private waiting: (Batch | Publication)[] = [];
  private readonly open = new Map<string, Batch>();

  constructor(private readonly publish: (publication: Publication) => void) {}

  /**
   * Publishes an item together with those that were added for the same target just before it, if they are of the same
   * kind. The `combine` of the first item makes the message.
   */
  add<I extends BatchItem>(target: string, kind: string, item: I, combine: Combine<I>): void {
    let batch = this.open.get(target);
    const fits =
      batch?.kind === kind && batch.items.length < MAX_ITEMS && batch.length + item.content.length <= MAX_LENGTH;
    if (!batch || !fits) {
      batch = { kind, items: [], combine: combine as Combine, length: 0 };
      this.open.set(target, batch);
      this.enqueue(batch);
    }
    batch.items.push(item);
    batch.length += item.content.length;
  }

  /** Publishes a message of its own, after everything that was added for the same target. */
  addSingle(target: string, publication: Publication): void {
    this.open.delete(target);
    this.enqueue(publication);
  }

  /** Publishes all waiting items now. */
  flush(): void {
    const { waiting } = this;
    this.waiting = [];
    this.open.clear();
    for (const entry of waiting) this.publish('items' in entry ? publicationOf(entry) : entry);
  }

  private enqueue(entry: Batch | Publication): void {
    if (this.waiting.length === 0) setImmediate(() => this.flush());
    this.waiting.push(entry);
  }
}

function publicationOf({ items, combine }: Batch): Publication {
  return {
    ...combine(items),
    deadline: Math.max(...items.map(({ deadline }) => deadline)),
    confirmed: () => {
      for (const item of items) item.confirmed?.();
    },
    failed: (error) => {
      for (const item of items) item.failed?.(error);
    },
  };
}
