import { setImmediate } from 'node:timers/promises';
import type { Logger } from '@parley/service-kit';
import { isPast, type Arrival } from './inbound-message.js';
import type { BatchHandler, Handler } from '../broker.js';
import { Outcomes, type WhenAway } from './delivery-runner.js';

export type HandlerMap = ReadonlyMap<string, Handler | BatchHandler>;
const isBatch = (handler: Handler | BatchHandler | undefined): handler is BatchHandler => typeof handler === 'object';

/** Takes arrivals and sees to it that each is handled and settled. */
export interface Intake {
  add(arrival: Arrival): void;
  /** Begins nothing more; resolves when what is under way has ended. What was not begun stays unsettled. */
  stop(): Promise<void>;
  /** Forgets what was not begun of one queue; resolves when what is under way of it has ended. */
  release(queue: string): Promise<void>;
}

/**
 * Keeps the order of every queue that feeds it. A turn takes either all that one batch handler can have, or the first
 * arrival of each queue; the next turn begins when it has ended. What cannot be in a turn holds back its own queue only.
 */
export class Lane implements Intake {
  private inbox: Arrival[] = [];
  private readonly queues = new Set<string>();
  private turning: Promise<void> | undefined;
  private readonly outcomes: Outcomes;

  constructor(
    private readonly handlers: HandlerMap,
    whenAway: WhenAway,
    logger: Logger,
    private readonly expires = false,
  ) {
    this.outcomes = new Outcomes(whenAway, logger);
  }

  add(arrival: Arrival): void {
    if (this.outcomes.stopped) return;
    this.queues.add(arrival.queue);
    this.inbox.push(arrival);
    this.turning ??= this.turns();
  }

  async stop(): Promise<void> {
    this.outcomes.stop();
    await this.turning;
    await this.outcomes.finished();
  }

  async release(queue: string): Promise<void> {
    this.inbox = this.inbox.filter((arrival) => arrival.queue !== queue);
    await this.turn;
    await this.outcomes.finished();
  }
  private turn: Promise<void> | undefined;

  private async turns(): Promise<void> {
    for (;;) {
      // All sockets that are readable are read first: their messages share the turn. An embedded database keeps the event loop to itself from a
      // turn's begin to its end, so without this every message would have a transaction of its own.
      await setImmediate();
      if (this.inbox.length === 0 || this.outcomes.stopped) break;
      this.turn = this.take();
      await this.turn;
    }
    this.turn = undefined;
    this.turning = undefined;
  }

  private async take(): Promise<void> {
    const first = this.handlers.get(this.inbox[0]!.name);
    const taken = this.next(first);
    if (isBatch(first)) await this.outcomes.many(taken, first);
    else
      await Promise.all(
        taken.map((arrival) => this.outcomes.one(arrival, this.handlers.get(arrival.name) as Handler | undefined)),
      );
  }

  private next(first: Handler | BatchHandler | undefined): Arrival[] {
    const taken: Arrival[] = [];
    const rest: Arrival[] = [];
    const heldBack = new Set<string>();
    let at = 0;
    for (; at < this.inbox.length && heldBack.size < this.queues.size; at++) {
      const arrival = this.inbox[at]!;
      if (!this.wanted(arrival)) continue;
      const handler = this.handlers.get(arrival.name);
      const fits = isBatch(first) ? handler === first && taken.length < first.max : !isBatch(handler);
      if (fits && !heldBack.has(arrival.queue)) taken.push(arrival);
      else rest.push(arrival);
      if (!fits || !isBatch(first)) heldBack.add(arrival.queue);
    }
    this.inbox = rest.concat(this.inbox.slice(at));
    return taken;
  }

  private wanted(arrival: Arrival): boolean {
    if (!arrival.live) return false;
    if (!this.expires || !isPast(arrival.deadline)) return true;
    arrival.done();
    return false;
  }
}

/** For queues without order: single handlers run side by side, up to `limit`; each batch handler gathers by itself. */
export class Pool implements Intake {
  private readonly waiting: Arrival[] = [];
  private readonly running = new Set<Promise<void>>();
  private readonly batches = new Map<string, Lane>();
  private readonly outcomes: Outcomes;

  constructor(
    private readonly handlers: HandlerMap,
    whenAway: WhenAway,
    logger: Logger,
    private readonly limit: number,
    private readonly expires: boolean,
  ) {
    this.outcomes = new Outcomes(whenAway, logger);
    for (const [name, handler] of handlers)
      if (isBatch(handler)) this.batches.set(name, new Lane(new Map([[name, handler]]), whenAway, logger, expires));
  }

  add(arrival: Arrival): void {
    const lane = this.batches.get(arrival.name);
    if (lane) return lane.add(arrival);
    this.waiting.push(arrival);
    this.pump();
  }

  async stop(): Promise<void> {
    this.outcomes.stop();
    await Promise.all([...this.running, ...[...this.batches.values()].map((lane) => lane.stop())]);
    await this.outcomes.finished();
  }

  async release(): Promise<void> {
    await this.stop();
  }

  private pump(): void {
    while (this.running.size < this.limit && this.waiting.length > 0 && !this.outcomes.stopped) {
      const arrival = this.waiting.shift()!;
      if (!arrival.live) continue;
      if (this.expires && isPast(arrival.deadline)) arrival.done();
      else this.start(arrival);
    }
  }

  private start(arrival: Arrival): void {
    const run = this.outcomes.one(arrival, this.handlers.get(arrival.name) as Handler | undefined).finally(() => {
      this.running.delete(run);
      this.pump();
    });
    this.running.add(run);
  }
}
