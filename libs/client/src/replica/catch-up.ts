import type { CallOutput } from '#contracts';
import { ParleyError } from '../errors.js';
import { backoffMs } from '../retry.js';
import type { SocketInput } from '../types.js';
import { MAX_CURSORS, type Store } from './store.js';

/** Time for a gap to close without `sync`: events of one moment may arrive out of order. */
const GAP_GRACE_MS = 150;
/** Bounds one catch-up, in case a server never answers `complete`. */
const MAX_SYNC_CALLS = 1000;

/** The functions that a {@link CatchUp} calls. */
export interface CatchUpHooks {
  online(): boolean;
  sync(input: SocketInput<'sync'>): Promise<CallOutput<'sync'>>;
  /** Loads a conversation's current state, for exact counts if its window does not reach the first unread message. */
  conversation(id: string): Promise<CallOutput<'conversation.get'>['conversation']>;
  /** A catch-up has ended; another may be due. */
  done(): void;
  /** The server has another database: clear the store. */
  epochChanged(): void;
  error(error: ParleyError): void;
}

/** Calls `sync` while the store may lack something: one call at a time, with backoff after failures. */
export class CatchUp {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private running = false;
  private requested = false;
  private attempt = 0;
  /** Where the next answer continues with changes that have no `rev`. */
  private cursor: string | undefined;

  constructor(
    private readonly store: Store,
    private readonly hooks: CatchUpHooks,
  ) {}

  /** Catches up in a moment, if it is needed by then; with `certain` in any case. */
  schedule(certain = false): void {
    this.requested ||= certain;
    if (!this.running) this.timer ??= setTimeout(() => void this.run(), GAP_GRACE_MS);
  }

  /** Catches up at once. */
  start(): void {
    this.requested = true;
    if (!this.running) void this.run();
  }

  stop(): void {
    this.clearTimer();
    this.requested = false;
    this.attempt = 0;
  }

  private async run(): Promise<void> {
    this.clearTimer();
    if (this.running) return;
    this.running = true;
    try {
      if (this.isNeeded) await this.catchUp();
      if (!this.hooks.online()) return;
      // Something happened meanwhile, or is on its way. Asking again at once might never end.
      if (this.isNeeded) this.runLater(backoffMs(this.attempt++, GAP_GRACE_MS, 5_000));
      else this.attempt = 0;
      this.hooks.done();
    } catch (caught) {
      const error = ParleyError.of(caught);
      if (!error.temporary) this.hooks.error(error);
      if (this.hooks.online()) this.runLater(Math.max(error.retryAfterMs ?? 0, backoffMs(this.attempt++)));
    } finally {
      this.running = false;
    }
  }

  private get isNeeded(): boolean {
    return this.requested || this.store.needsSync || this.uncounted.length > 0;
  }

  /** Open conversations with stale counts, which `sync` does not return. */
  private get uncounted(): string[] {
    return [...this.store.conversations.values()]
      .filter(({ isStale, isOpen }) => isStale && isOpen)
      .map(({ id }) => id);
  }

  private async catchUp(): Promise<void> {
    this.cursor = undefined;
    for (let calls = 0, complete = false; !complete && this.hooks.online() && calls < MAX_SYNC_CALLS; calls++) {
      this.requested = false;
      complete = await this.callSync();
    }
    for (const id of this.uncounted) await this.recount(id);
  }

  /** Applies one answer. Resolves with whether it was the last one. */
  private async callSync(): Promise<boolean> {
    const { store } = this;
    const versions = new Map([...store.conversations].map(([id, { version }]) => [id, version]));
    const cursors = store.cursors();
    const answer = await this.hooks.sync({
      cursors,
      ...(store.epoch !== undefined && { epoch: store.epoch }),
      ...(this.cursor !== undefined && { cursor: this.cursor }),
    });
    if (store.epoch !== undefined && store.epoch !== answer.epoch) {
      this.hooks.epochChanged();
      store.epoch = answer.epoch;
      return false;
    }
    store.epoch = answer.epoch;
    store.applySync(answer, versions);
    // A conversation without a cursor that the answer does not add is not the user's any more.
    if (answer.complete)
      for (const id of versions.keys())
        if (!(id in cursors) && !answer.added.some((added) => added.id === id)) store.removeUnlessChanged(id, versions);
    if (answer.complete) this.cursor = answer.nextCursor;
    if (this.cursor !== undefined) return false;
    // With more conversations than cursors, the rest would be added again and again.
    return answer.complete || (Object.keys(cursors).length >= MAX_CURSORS && answer.changes.length === 0);
  }

  private async recount(id: string): Promise<void> {
    const version = this.store.conversations.get(id)?.version ?? 0;
    try {
      const { me, rev } = await this.hooks.conversation(id);
      this.store.change(id, (conversation) => me && conversation.adopt(me, rev, version));
    } catch (error) {
      if (!(error instanceof ParleyError) || error.temporary) throw error;
      // It is not the user's any more: the next `sync` says so.
      this.requested = true;
      this.store.change(id, (conversation) => (conversation.isStale = false));
    }
  }

  private runLater(ms: number): void {
    this.requested = true;
    this.clearTimer();
    this.timer = setTimeout(() => void this.run(), ms);
  }

  private clearTimer(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}
