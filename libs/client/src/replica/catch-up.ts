import type { CallOutput } from '@parley/contracts';
import { backoffMs } from '../retry.js';
import { ParleyError } from '../errors.js';
import { MOST_CURSORS, type Store } from './store.js';
import type { SocketInput } from '../types.js';

/** Events of one moment may come in another order: a hole is given that long to close by itself. */
const PATIENCE_MS = 150;
/** Answers of one catching up, at most: a server that never says `complete` does not keep a client busy for ever. */
const MOST_ANSWERS = 1000;

export interface CatchUpHooks {
  online(): boolean;
  sync(input: SocketInput<'sync'>): Promise<CallOutput<'sync'>>;
  /** A conversation as it is now, for exact counts of one whose window does not reach back far enough. */
  conversation(id: string): Promise<CallOutput<'conversation.get'>['conversation']>;
  /** Everything up to now is held. */
  done(): void;
  /** Another database: what was held is dropped. */
  epochChanged(): void;
  error(error: ParleyError): void;
}

/** Calls `sync` when there is doubt, one at a time, until there is none. */
export class CatchUp {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private running = false;
  private again = false;
  private attempt = 0;

  constructor(
    private readonly store: Store,
    private readonly hooks: CatchUpHooks,
  ) {}

  /** Soon, if there still is a reason; `sure`: there is. */
  soon(sure = false): void {
    if (this.running) {
      this.again ||= sure;
      return;
    }
    this.again ||= sure;
    this.timer ??= setTimeout(() => void this.run(), PATIENCE_MS);
  }

  /** At once. */
  now(): void {
    this.again = true;
    if (!this.running) void this.run();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.again = false;
    this.attempt = 0;
  }

  private async run(): Promise<void> {
    this.stopTimer();
    if (this.running) return;
    this.running = true;
    try {
      if (this.needed) await this.catchUp();
      if (!this.hooks.online()) return;
      // What is in doubt still, because something happened meanwhile or is on its way, is asked for again: not at once, or it would never end.
      if (this.needed) this.later(backoffMs(this.attempt++, PATIENCE_MS, 5_000));
      else this.attempt = 0;
      this.hooks.done();
    } catch (error) {
      const problem = ParleyError.of(error);
      if (!problem.temporary) this.hooks.error(problem);
      if (this.hooks.online()) this.later(Math.max(problem.retryAfterMs ?? 0, backoffMs(this.attempt++)));
    } finally {
      this.running = false;
    }
  }

  private get needed(): boolean {
    return this.again || this.store.doubtful || this.uncounted.length > 0;
  }

  private get uncounted(): string[] {
    return [...this.store.held.values()].filter(({ stale, opened }) => stale && opened).map(({ id }) => id);
  }

  /** Until an answer is the last. */
  private async catchUp(): Promise<void> {
    for (let answers = 0, complete = false; !complete && this.hooks.online() && answers < MOST_ANSWERS; answers++) {
      this.again = false;
      complete = await this.round();
    }
    for (const id of this.uncounted) await this.recount(id);
  }

  /** One answer; whether it was the last. */
  private async round(): Promise<boolean> {
    const { store } = this;
    const versions = new Map([...store.held].map(([id, { ownVersion }]) => [id, ownVersion]));
    const cursors = store.cursors();
    const answer = await this.hooks.sync({ cursors, ...(store.epoch !== undefined && { epoch: store.epoch }) });
    if (store.epoch !== undefined && store.epoch !== answer.epoch) {
      this.hooks.epochChanged();
      store.epoch = answer.epoch;
      return false;
    }
    store.epoch = answer.epoch;
    store.synced(answer, versions);
    // What was left out of the cursors and does not come back as a whole is not the user's any more.
    if (answer.complete)
      for (const id of versions.keys())
        if (!(id in cursors) && !answer.added.some((added) => added.id === id)) store.gone(id, versions);
    // Where more conversations are held than cursors fit into a call, the rest would come as a whole again and again.
    return answer.complete || (Object.keys(cursors).length >= MOST_CURSORS && answer.changes.length === 0);
  }

  private async recount(id: string): Promise<void> {
    const version = this.store.held.get(id)?.ownVersion;
    try {
      const conversation = await this.hooks.conversation(id);
      this.store.change(id, (held) => conversation.me && held.adopt(conversation.me, conversation.rev, version ?? 0));
    } catch (error) {
      // It is not the user's any more: the next `sync` says so.
      if (!(error instanceof ParleyError) || error.temporary) throw error;
      this.again = true;
      this.store.change(id, (held) => (held.stale = false));
    }
  }

  private later(ms: number): void {
    this.again = true;
    this.stopTimer();
    this.timer = setTimeout(() => void this.run(), ms);
  }

  private stopTimer(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}
