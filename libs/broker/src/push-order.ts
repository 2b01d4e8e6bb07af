/** Detects lost frames and events by message numbers, and drops repeated frames by id. */
import type { PushFrame } from '@parley/contracts';
import type { InstanceListener } from './broker.js';

const MAX_ROUTES = 10_000;

/** Numbers the messages of each route: a gateway, or the name of an event. A forgotten route starts a new stream. */
export class RouteNumbers {
  private readonly routes = new Map<string, { stream: string; number: number }>();
  private streams = 0;
  constructor(private readonly instance: string) {}

  next(route: string): { stream: string; number: number } {
    let last = this.routes.get(route);
    if (!last) {
      if (this.routes.size >= MAX_ROUTES) this.routes.delete(this.routes.keys().next().value!);
      this.routes.set(route, (last = { stream: `${this.instance}.${(this.streams++).toString(36)}`, number: 0 }));
    }
    last.number++;
    return last;
  }
}

/** Checks the numbers of arriving messages. */
export class NumberCheck {
  private readonly streams = new Map<string, number>();

  /**
   * `old`: seen before. `gap`: an earlier message is missing. A stream may be older than the listener, so its first
   * number is accepted as it is. `own`: only this listener receives the stream, so it starts at 1.
   */
  check(stream: string, number: number, own: boolean): 'next' | 'old' | 'gap' {
    const last = this.streams.get(stream) ?? (own ? 0 : undefined);
    if (last !== undefined && number <= last) return 'old';
    if (!this.streams.has(stream) && this.streams.size >= MAX_ROUTES)
      this.streams.delete(this.streams.keys().next().value!);
    this.streams.set(stream, number);
    return last === undefined || number === last + 1 ? 'next' : 'gap';
  }
}

/** Remembers the newest ids, in two generations: at least `generation` of them, and at most twice as many. */
export class RecentIds {
  private young = new Set<string>();
  private old = new Set<string>();
  constructor(private readonly generation = 20_000) {}

  /** Remembers an id. Returns false if it is remembered already. */
  add(id: string): boolean {
    if (this.young.has(id) || this.old.has(id)) return false;
    if (this.young.size >= this.generation) {
      this.old = this.young;
      this.young = new Set();
    }
    this.young.add(id);
    return true;
  }
}

/** Passes what an instance receives to its listener, each message and each frame once, and reports gaps. */
export class PushReceiver {
  private readonly numbers = new NumberCheck();
  private readonly frameIds = new RecentIds();

  constructor(private readonly listener: InstanceListener) {}

  /**
   * Returns whether a numbered message is to be read: false if it was read before. Reports a gap before it. `own`: see
   * {@link NumberCheck.check}.
   */
  admit(stream: string, number: number, own: boolean): boolean {
    const order = this.numbers.check(stream, number, own);
    if (order === 'gap') this.listener.onGap();
    return order !== 'old';
  }

  /** Passes a frame on, unless a frame with its id was passed on before. Throws the listener's error. */
  take(frame: PushFrame): void {
    if (frame.kind !== 'users' || frame.id === undefined || this.frameIds.add(frame.id)) this.listener.onPush(frame);
  }
}
