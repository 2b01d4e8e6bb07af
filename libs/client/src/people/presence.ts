import { ParleyError } from '../errors.js';
import type { Presence as PresenceOf, PresenceState } from '@parley/contracts';

const GATHER_MS = 20;
const AGAIN_MS = 3_000;

export interface PresenceHooks {
  online(): boolean;
  watch(userIds: string[]): Promise<readonly PresenceOf[]>;
  unwatch(userIds: string[]): Promise<unknown>;
  heartbeat(state: Exclude<PresenceState, 'offline'> | undefined): Promise<unknown>;
  show(presence: readonly PresenceOf[], forget: readonly string[]): void;
  /** Refused: more are watched than may be. */
  error(error: ParleyError): void;
}

/** Whose presence is watched, counted over everybody who asked, and the user's own: heartbeats as often as the server wants them. */
export class PresenceWatch {
  private readonly counts = new Map<string, number>();
  /** What this connection was told to watch. */
  private readonly watched = new Set<string>();
  private gathering: ReturnType<typeof setTimeout> | undefined;
  private beating: ReturnType<typeof setInterval> | undefined;
  private state: Exclude<PresenceState, 'offline'> | undefined;

  constructor(private readonly hooks: PresenceHooks) {}

  /** Answers how to stop watching. */
  watch(userIds: readonly string[]): () => void {
    const ids = [...new Set(userIds)];
    for (const id of ids) this.counts.set(id, (this.counts.get(id) ?? 0) + 1);
    this.soon();
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      for (const id of ids) {
        const left = (this.counts.get(id) ?? 1) - 1;
        if (left > 0) this.counts.set(id, left);
        else this.counts.delete(id);
      }
      this.soon();
    };
  }

  set(state: Exclude<PresenceState, 'offline'>): void {
    this.state = state;
    if (this.hooks.online()) this.beat();
  }

  /** A new connection: it knows of nothing. */
  connected(heartbeatMs: number): void {
    this.watched.clear();
    clearInterval(this.beating);
    this.beating = setInterval(() => this.beat(), heartbeatMs);
    if (this.state !== undefined) this.beat();
    this.soon();
  }

  /** Nobody knows who is here. */
  disconnected(): void {
    clearInterval(this.beating);
    this.hooks.show([], [...this.watched]);
  }

  clear(): void {
    this.disconnected();
    clearTimeout(this.gathering);
    this.gathering = undefined;
    this.watched.clear();
  }

  private beat(): void {
    this.hooks.heartbeat(this.state).catch(() => undefined);
  }

  /** Lists that are shown one after another are one call. */
  private soon(ms = GATHER_MS): void {
    this.gathering ??= setTimeout(() => {
      this.gathering = undefined;
      void this.settle();
    }, ms);
  }

  private async settle(): Promise<void> {
    const gone = [...this.watched].filter((id) => !this.counts.has(id));
    if (gone.length > 0) {
      for (const id of gone) this.watched.delete(id);
      this.hooks.show([], gone);
      if (this.hooks.online()) await this.hooks.unwatch(gone).catch(() => undefined);
    }
    const added = [...this.counts.keys()].filter((id) => !this.watched.has(id));
    if (added.length === 0 || !this.hooks.online()) return;
    for (const id of added) this.watched.add(id);
    try {
      this.hooks.show(await this.hooks.watch(added), []);
    } catch (error) {
      for (const id of added) this.watched.delete(id);
      const problem = ParleyError.of(error);
      if (!problem.temporary) this.hooks.error(problem);
      else if (this.hooks.online()) this.soon(AGAIN_MS);
    }
  }
}
