import { useSyncExternalStore } from 'react';
import { explain } from './errors.ts';

interface Toast {
  readonly id: number;
  readonly text: string;
}

const SHOWN_MS = 4_500;
const MAX_TOASTS = 3;
let toasts: readonly Toast[] = [];
let lastId = 0;
const listeners = new Set<() => void>();
const setToasts = (next: readonly Toast[]) => {
  toasts = next;
  for (const listener of listeners) listener();
};

/** Shows a text for a few seconds. */
export function toast(text: string): void {
  const added = { id: ++lastId, text };
  setToasts([...toasts.filter((toast) => toast.text !== text), added].slice(-MAX_TOASTS));
  setTimeout(() => setToasts(toasts.filter(({ id }) => id !== added.id)), SHOWN_MS);
}

/** Does the work, and shows an error if it fails. Resolves with whether it succeeded. */
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

/** Shows the texts of {@link toast}. A page has one. */
export function Toasts() {
  const shown = useSyncExternalStore(subscribe, () => toasts);
  return (
    <div className="toasts" role="status">
      {shown.map(({ id, text }) => (
        <div key={id} className="toast">
          {text}
        </div>
      ))}
    </div>
  );
}
