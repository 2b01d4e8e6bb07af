import { useSyncExternalStore } from 'react';
import { explain } from './errors.ts';
import './overlay.css';

interface Toast {
  readonly id: number;
  readonly text: string;
}

const SHOWN_MS = 4_500;
let shown: readonly Toast[] = [];
let last = 0;
const listeners = new Set<() => void>();
const set = (next: readonly Toast[]) => {
  shown = next;
  for (const listener of listeners) listener();
};

/** Tells something in passing, for a few seconds. */
export function toast(text: string): void {
  const one = { id: ++last, text };
  set([...shown.filter((other) => other.text !== text), one].slice(-3));
  setTimeout(() => set(shown.filter(({ id }) => id !== one.id)), SHOWN_MS);
}

/** Does it, and tells what went wrong, if anything does. Resolves with whether it worked. */
export async function attempt(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    toast(explain(error));
    return false;
  }
}

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => void listeners.delete(listener);
};

export function Toasts() {
  const toasts = useSyncExternalStore(subscribe, () => shown);
  return (
    <div className="toasts" role="status">
      {toasts.map(({ id, text }) => (
        <div key={id} className="toast">
          {text}
        </div>
      ))}
    </div>
  );
}
