import type { Presence } from '#contracts';
import { ParleyError } from '../errors.js';
import type { Availability } from '../types.js';

const GATHER_MS = 20;
const RETRY_MS = 3_000;

/** The functions that a {@link PresenceWatch} calls. */
export interface PresenceHooks {
  online(): boolean;
  watch(userIds: string[]): Promise<readonly Presence[]>;
  unwatch(userIds: string[]): Promise<unknown>;
  heartbeat(state: Availability | undefined): Promise<unknown>;
  show(presence: readonly Presence[], forgottenIds: readonly string[]): void;
  /** The server refused: more people are watched than allowed. */
  error(error: ParleyError): void;
}

/**
 * Watches the presence of others, each once however many callers want it, and reports the user's own by heartbeats at
 * the server's interval.
 */
export class PresenceWatch {
  /** The number of watching callers of each user. */
  private readonly watchers = new Map<string, number>();
  /** The users that this connection watches at the server. */
  private readonly watched = new Set<string>();
  private updateTimer: ReturnType<typeof setTimeout> | undefined;
  private heartbeatTimer: ReturnType<typeof setInterval> | undefined;
  private state: Availability | undefined;

  constructor(private readonly hooks: PresenceHooks) {}

  /** Returns a function that ends the watch. */
  watch(userIds: readonly string[]): () => void {
    const ids = [...new Set(userIds)];
    for (const id of ids) this.watchers.set(id, (this.watchers.get(id) ?? 0) + 1);
    this.scheduleUpdate();
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      for (const id of ids) {
        const remaining = (this.watchers.get(id) ?? 1) - 1;
        if (remaining > 0) this.watchers.set(id, remaining);
        else this.watchers.delete(id);
      }
      this.scheduleUpdate();
    };
  }

  set(state: Availability): void {
    this.state = state;
    if (this.hooks.online()) this.beat();
  }

  /** Call for each new connection: it has no subscriptions yet. */
  connected(heartbeatMs: number): void {
    this.watched.clear();
    clearInterval(this.heartbeatTimer);
    this.heartbeatTimer = setInterval(() => this.beat(), heartbeatMs);
    if (this.state !== undefined) this.beat();
    this.scheduleUpdate();
  }

  /** Clears all presence. */
  disconnected(): void {
    clearInterval(this.heartbeatTimer);
    this.hooks.show([], [...this.watched]);
  }

  clear(): void {
    this.disconnected();
    clearTimeout(this.updateTimer);
    this.updateTimer = undefined;
    this.watched.clear();
    this.state = undefined;
  }

  private beat(): void {
    this.hooks.heartbeat(this.state).catch(() => undefined);
  }

  /** Waits a moment, so that lists shown one after another share one call. */
  private scheduleUpdate(ms = GATHER_MS): void {
    this.updateTimer ??= setTimeout(() => {
      this.updateTimer = undefined;
      void this.update();
    }, ms);
  }

  private async update(): Promise<void> {
    const removed = [...this.watched].filter((id) => !this.watchers.has(id));
    if (removed.length > 0) {
      for (const id of removed) this.watched.delete(id);
      this.hooks.show([], removed);
      if (this.hooks.online()) await this.hooks.unwatch(removed).catch(() => undefined);
    }
    const added = [...this.watchers.keys()].filter((id) => !this.watched.has(id));
    if (added.length === 0 || !this.hooks.online()) return;
    for (const id of added) this.watched.add(id);
    try {
      this.hooks.show(await this.hooks.watch(added), []);
    } catch (caught) {
      for (const id of added) this.watched.delete(id);
      const error = ParleyError.of(caught);
      if (!error.temporary) this.hooks.error(error);
      else if (this.hooks.online()) this.scheduleUpdate(RETRY_MS);
    }
  }
}
