import type { ClientState, ParleyClient } from '@parley/client';
import { useClient } from '@parley/client/react';
import { useSyncExternalStore } from 'react';

/** A page that is hidden has no frames: listeners are called after this time instead. */
const MAX_REST_MS = 200;
/** After rendering, rests for this multiple of the time that rendering took. */
const REST_FACTOR = 4;

/**
 * Notifies listeners of changes once a frame, and less often when rendering is slow: on a slow machine with much
 * traffic, fewer states are rendered, instead of keystrokes waiting until all states were. A component that renders for
 * another reason meanwhile sees the newest state.
 */
class FrameNotifier {
  private readonly listeners = new Set<() => void>();
  private waiting = false;
  private restingUntil = 0;

  constructor(client: ParleyClient) {
    client.subscribe(() => {
      if (this.waiting) return;
      this.waiting = true;
      const restMs = Math.min(MAX_REST_MS, this.restingUntil - performance.now());
      if (restMs > 0) setTimeout(this.notifyInFrame, restMs);
      else this.notifyInFrame();
    });
  }

  subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  };

  private notifyInFrame = (): void => {
    // The page may be hidden before its next frame.
    const fallback = setTimeout(this.notify, MAX_REST_MS);
    if (document.visibilityState === 'hidden') return;
    requestAnimationFrame(() => {
      clearTimeout(fallback);
      this.notify();
    });
  };

  private notify = (): void => {
    if (!this.waiting) return;
    this.waiting = false;
    const startedAt = performance.now();
    for (const listener of this.listeners) listener();
    // React renders in a microtask that the listeners have queued.
    queueMicrotask(() => void (this.restingUntil = startedAt + REST_FACTOR * (performance.now() - startedAt)));
  };
}

const notifiers = new WeakMap<ParleyClient, FrameNotifier>();
function frameNotifierOf(client: ParleyClient): FrameNotifier {
  const notifier = notifiers.get(client) ?? new FrameNotifier(client);
  notifiers.set(client, notifier);
  return notifier;
}

/**
 * A part of the client's state. The component renders again when `select` returns another object, so select parts as
 * they are.
 */
export function useChat<T>(select: (state: ClientState) => T): T {
  const client = useClient();
  return useSyncExternalStore(frameNotifierOf(client).subscribe, () => select(client.getState()));
}
