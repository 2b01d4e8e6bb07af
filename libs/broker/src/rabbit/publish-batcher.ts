import type { Unavailable } from '@parley/service-kit';
import type { Publication } from './publisher.js';
import type { Part } from './wire-format.js';

/** Something that may travel in one message with others. */
export interface BatchItem extends Part {
  /** Milliseconds since the epoch. */
  readonly deadline: number;
  confirmed?(): void;
  failed?(error: Unavailable): void;
}

/** Makes one message of items of one target and kind, at least one, in their order. */
export type Combine<I extends BatchItem = BatchItem> = (
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
 * Makes one message of what is published to one target within a turn of the event loop: a message with twenty items costs RabbitMQ, and everybody who reads it, little more than one with one item. Nothing
 * waits longer than until the end of the turn. Everything to one target is published in the order in which it was added.
 *
 * Not service-kit's Batcher: this is the hot path, where items are settled by callbacks instead of promises, and order holds over kinds of items.
 */
export class PublishBatcher {
  private waiting: (Batch | Publication)[] = [];
  private readonly open = new Map<string, Batch>();

  constructor(private readonly publish: (publication: Publication) => void) {}

  /** Publishes an item together with those that were added for the same target just before it, if they are of the same kind. The `combine` of the first item makes the message. */
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

  /** Publishes what waits, now. */
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
