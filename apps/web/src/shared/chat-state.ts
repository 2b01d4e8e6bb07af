import type { ClientState, ParleyClient } from '@parley/client';
import { useClient } from '@parley/client/react';
import { useSyncExternalStore } from 'react';

/** A hidden page has no frames. */
const HIDDEN_MS = 200;
/** Drawing takes one in so many milliseconds at most. */
const REST = 4;

/**
 * Tells of changes once a frame, however many there were, and less often where drawing takes long: where much arrives on a slow machine, fewer states are drawn, instead of keys waiting until all
 * were. Whoever draws for another reason meanwhile sees the newest state.
 */
class FrameWise {
  private readonly listeners = new Set<() => void>();
  private waiting = false;
  private restsUntil = 0;

  constructor(client: ParleyClient) {
    client.subscribe(() => {
      if (this.waiting) return;
      this.waiting = true;
      const restMs = Math.min(HIDDEN_MS, this.restsUntil - performance.now());
      if (restMs > 0) setTimeout(this.inFrame, restMs);
      else this.inFrame();
    });
  }

  subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  };

  private inFrame = (): void => {
    // One that is hidden before its next frame still tells.
    const late = setTimeout(this.tell, HIDDEN_MS);
    if (document.visibilityState === 'hidden') return;
    requestAnimationFrame(() => {
      clearTimeout(late);
      this.tell();
    });
  };

  private tell = (): void => {
    if (!this.waiting) return;
    this.waiting = false;
    const begun = performance.now();
    for (const listener of this.listeners) listener();
    // React draws in a microtask that it asked for by then.
    queueMicrotask(() => void (this.restsUntil = begun + REST * (performance.now() - begun)));
  };
}

const all = new WeakMap<ParleyClient, FrameWise>();
function frameWiseOf(client: ParleyClient): FrameWise {
  const frames = all.get(client) ?? new FrameWise(client);
  all.set(client, frames);
  return frames;
}

/** A part of the client's state; draws again when that part is another one. `select` answers what is in the state as it is. */
export function useChat<T>(select: (state: ClientState) => T): T {
  const client = useClient();
  return useSyncExternalStore(frameWiseOf(client).subscribe, () => select(client.getState()));
}
