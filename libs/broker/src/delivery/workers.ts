import { setImmediate } from 'node:timers/promises';
import type { Logger } from '@parley/service-kit';
import type { BatchHandler, Handler } from '../broker.js';
import { DeliveryRunner, type WhenUnavailable } from './delivery-runner.js';
import type { InboundMessage } from './inbound-message.js';

/** The handlers of one worker, by the name of the request or event. */
export type HandlerMap = ReadonlyMap<string, Handler | BatchHandler>;
const isBatch = (handler: Handler | BatchHandler | undefined): handler is BatchHandler => typeof handler === 'object';

/** Handles and settles every message that it is given. */
export interface Worker {
  add(message: InboundMessage): void;
  /** Begins nothing more. Resolves when the messages under way have been handled; messages that were not begun stay unsettled. */
  stop(): Promise<void>;
  /** Forgets the messages of one queue that were not begun. Resolves when those under way have been handled. */
  release(queue: string): Promise<void>;
}

/**
 * Keeps the order of every queue that feeds it. A turn takes either all messages that one batch handler may have, or the first message of each queue; the next turn begins when it has ended. A message that
 * does not fit into a turn holds back its own queue only.
 */
export class OrderedWorker implements Worker {
  private inbox: InboundMessage[] = [];
  private readonly queues = new Set<string>();
  private running: Promise<void> | undefined;
  private turn: Promise<void> | undefined;
  private readonly runner: DeliveryRunner;

  /** @param dropsExpired Whether a message whose deadline has passed is acknowledged unhandled. */
  constructor(
    private readonly handlers: HandlerMap,
    whenUnavailable: WhenUnavailable,
    logger: Logger,
    private readonly dropsExpired = false,
  ) {
    this.runner = new DeliveryRunner(whenUnavailable, logger);
  }

  add(message: InboundMessage): void {
    if (this.runner.stopped) return;
    this.queues.add(message.queue);
    this.inbox.push(message);
    this.running ??= this.takeTurns();
  }

  async stop(): Promise<void> {
    this.runner.stop();
    await this.running;
    await this.runner.deferredWork();
  }

  async release(queue: string): Promise<void> {
    this.inbox = this.inbox.filter((message) => message.queue !== queue);
    await this.turn;
    await this.runner.deferredWork();
  }

  private async takeTurns(): Promise<void> {
    for (;;) {
      // Lets all readable sockets be read first: their messages share the turn. An embedded database keeps the event loop busy for a whole turn, so without this
      // every message would have a transaction of its own.
      await setImmediate();
      if (this.inbox.length === 0 || this.runner.stopped) break;
      this.turn = this.takeTurn();
      await this.turn;
    }
    this.turn = undefined;
    this.running = undefined;
  }

  private async takeTurn(): Promise<void> {
    const first = this.handlers.get(this.inbox[0]!.name);
    const messages = this.next(first);
    if (isBatch(first)) await this.runner.runBatch(messages, first);
    else
      await Promise.all(
        messages.map((message) => this.runner.run(message, this.handlers.get(message.name) as Handler | undefined)),
      );
  }

  /** Takes the messages of a turn that begins with the handler `first` out of the inbox. */
  private next(first: Handler | BatchHandler | undefined): InboundMessage[] {
    const taken: InboundMessage[] = [];
    const left: InboundMessage[] = [];
    const heldBack = new Set<string>();
    let at = 0;
    for (; at < this.inbox.length && heldBack.size < this.queues.size; at++) {
      const message = this.inbox[at]!;
      if (isStale(message, this.dropsExpired)) continue;
      const handler = this.handlers.get(message.name);
      const fits = isBatch(first) ? handler === first && taken.length < first.max : !isBatch(handler);
      if (fits && !heldBack.has(message.queue)) taken.push(message);
      else left.push(message);
      if (!fits || !isBatch(first)) heldBack.add(message.queue);
    }
    this.inbox = left.concat(this.inbox.slice(at));
    return taken;
  }
}

/** For queues without order: single handlers run side by side, up to `limit`; each batch handler has an {@link OrderedWorker} of its own. */
export class ParallelWorker implements Worker {
  private readonly waiting: InboundMessage[] = [];
  private readonly running = new Set<Promise<void>>();
  private readonly batchWorkers = new Map<string, OrderedWorker>();
  private readonly runner: DeliveryRunner;

  /** @param dropsExpired Whether a message whose deadline has passed is acknowledged unhandled. */
  constructor(
    private readonly handlers: HandlerMap,
    whenUnavailable: WhenUnavailable,
    logger: Logger,
    private readonly limit: number,
    private readonly dropsExpired: boolean,
  ) {
    this.runner = new DeliveryRunner(whenUnavailable, logger);
    for (const [name, handler] of handlers) {
      if (!isBatch(handler)) continue;
      const worker = new OrderedWorker(new Map([[name, handler]]), whenUnavailable, logger, dropsExpired);
      this.batchWorkers.set(name, worker);
    }
  }

  add(message: InboundMessage): void {
    const batchWorker = this.batchWorkers.get(message.name);
    if (batchWorker) return batchWorker.add(message);
    this.waiting.push(message);
    this.startWaiting();
  }

  async stop(): Promise<void> {
    this.runner.stop();
    await Promise.all([...this.running, ...[...this.batchWorkers.values()].map((worker) => worker.stop())]);
    await this.runner.deferredWork();
  }

  async release(): Promise<void> {
    await this.stop();
  }

  private startWaiting(): void {
    while (this.running.size < this.limit && this.waiting.length > 0 && !this.runner.stopped) {
      const message = this.waiting.shift()!;
      if (!isStale(message, this.dropsExpired)) this.start(message);
    }
  }

  private start(message: InboundMessage): void {
    const run = this.runner.run(message, this.handlers.get(message.name) as Handler | undefined).finally(() => {
      this.running.delete(run);
      this.startWaiting();
    });
    this.running.add(run);
  }
}

/** Whether a message must not be handled (any more): it is redelivered elsewhere, or its requester waits no longer. */
function isStale(message: InboundMessage, dropsExpired: boolean): boolean {
  if (!message.live) return true;
  if (!dropsExpired || !message.isExpired) return false;
  message.ack();
  return true;
}
