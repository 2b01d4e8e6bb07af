import { Unavailable } from './unavailable.js';

/** The settings of a {@link Batcher}. */
export interface BatcherOptions<T, R = void> {
  /**
   * Does the work of one batch; `items` are in the order in which they were added. Resolves with one result for each
   * item, in that order, or with nothing. When it throws or rejects, every item of the batch is rejected with that
   * error.
   */
  flush(items: readonly T[], key: string): Promise<readonly R[] | void>;
  /**
   * How long the first item of a batch waits for others, in milliseconds. Default: until the end of this turn of the
   * event loop.
   */
  readonly waitMs?: number;
  /** Maximum number of items of one batch; a full batch is flushed at once. Default: no limit. */
  readonly maxItems?: number;
  /**
   * Maximum number of items of all keys that wait for their flush to begin; {@link Batcher.add} rejects further ones.
   * Default: no limit.
   */
  readonly maxWaiting?: number;
  /**
   * Whether a batch waits until the one before it, of the same key, has ended. Default: batches may be under way side
   * by side.
   */
  readonly serial?: boolean;
}

interface Entry<T, R> {
  readonly item: T;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
}

/** The waiting items of one key. `cancel` stops the timer that would flush them. */
interface Queue<T, R> {
  entries: Entry<T, R>[];
  cancel?: (() => void) | undefined;
  running: number;
}

/**
 * Gathers items that arrive close together and handles them as one batch. Items of one key are flushed in the order in
 * which they were added; each item's promise settles with its batch. Batches of different keys do not wait for each
 * other.
 */
export class Batcher<T, R = void> {
  private readonly queues = new Map<string, Queue<T, R>>();
  private readonly flushes = new Set<Promise<void>>();
  private waiting = 0;
  private closed = false;

  constructor(private readonly options: BatcherOptions<T, R>) {}

  /** Adds an item to the batch of `key`. Rejects with `Unavailable` when too many items wait, or after {@link close}. */
  add(item: T, key = ''): Promise<R> {
    const { maxItems = Infinity, maxWaiting = Infinity } = this.options;
    if (this.closed) return Promise.reject(new Unavailable('the batcher is closed'));
    if (this.waiting >= maxWaiting) return Promise.reject(new Unavailable(`${maxWaiting} items wait already`));
    const queue = this.queues.get(key) ?? { entries: [], running: 0 };
    this.queues.set(key, queue);
    this.waiting++;
    return new Promise((resolve, reject) => {
      queue.entries.push({ item, resolve, reject });
      if (queue.entries.length >= maxItems) this.flush(key, queue);
      else this.schedule(key, queue);
    });
  }

  /** Flushes all waiting items at once. Resolves once every batch has settled; {@link add} rejects from now on. */
  async close(): Promise<void> {
    this.closed = true;
    for (const [key, queue] of this.queues) this.flush(key, queue);
    while (this.flushes.size > 0) await Promise.all(this.flushes);
  }

  private schedule(key: string, queue: Queue<T, R>): void {
    if (queue.cancel || this.isBlocked(queue)) return;
    const due = () => this.flush(key, queue);
    if (this.options.waitMs === undefined) {
      const immediate = setImmediate(due);
      queue.cancel = () => clearImmediate(immediate);
    } else {
      const timer = setTimeout(due, this.options.waitMs);
      queue.cancel = () => clearTimeout(timer);
    }
  }

  private isBlocked(queue: Queue<T, R>): boolean {
    return this.options.serial === true && queue.running > 0;
  }

  private flush(key: string, queue: Queue<T, R>): void {
    if (queue.entries.length === 0 || this.isBlocked(queue)) return;
    queue.cancel?.();
    queue.cancel = undefined;
    const batch = queue.entries.splice(0, this.options.maxItems ?? queue.entries.length);
    this.waiting -= batch.length;
    queue.running++;
    const flush = this.settle(key, batch).finally(() => {
      this.flushes.delete(flush);
      queue.running--;
      this.continue(key, queue);
    });
    this.flushes.add(flush);
  }

  private continue(key: string, queue: Queue<T, R>): void {
    if (queue.entries.length === 0) {
      if (queue.running === 0) this.queues.delete(key);
    } else if (this.closed || queue.entries.length >= (this.options.maxItems ?? Infinity)) this.flush(key, queue);
    else this.schedule(key, queue);
  }

  private async settle(key: string, batch: readonly Entry<T, R>[]): Promise<void> {
    try {
      const items = batch.map(({ item }) => item);
      const results = await this.options.flush(items, key);
      batch.forEach(({ resolve }, at) => resolve(results?.[at] as R));
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}
