import type { ParleyClient } from '@parley/client';
import { useSyncExternalStore } from 'react';
import { useClient } from './chat.ts';
import { currentStrings } from '../strings/strings.tsx';
import { attempt } from './toasts.tsx';

/** How long a change can be undone. */
const UNDO_MS = 6_000;
/** The event that shows a change may follow the answer to its request. */
const EVENT_GRACE_MS = 1_000;

/** The thing that a change takes away. */
export type UndoSubject = `message/${string}` | `conversation/${string}` | `member/${string}/${string}`;

/** A change that is shown at once, and requested of the server when the user can no longer undo it. */
export interface UndoableChange {
  readonly subject: UndoSubject;
  /** What happened, as the notice says. */
  readonly text: string;
  readonly method: 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly body?: object;
  /** Called when the user undoes the change. */
  readonly onUndo?: () => void;
}

/**
 * The one change that can still be undone; the next one ends its time. A change whose request is lost with the page
 * has not happened: nothing is ever lost by mistake.
 */
class UndoQueue {
  current: UndoableChange | undefined;
  private readonly hidden = new Set<UndoSubject>();
  private readonly listeners = new Set<() => void>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly client: ParleyClient) {
    // The last moment at which a request can leave the page.
    addEventListener('pagehide', () => void this.commit());
  }

  subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  };

  /** Whether a change that can be undone, or is on its way to the server, took it away. */
  hides(subject: UndoSubject): boolean {
    return this.hidden.has(subject);
  }

  add(change: UndoableChange): void {
    void this.commit();
    this.current = change;
    this.hidden.add(change.subject);
    this.resume();
    this.changed();
  }

  /** The time to undo stands still while the user looks at the notice. */
  pause(): void {
    clearTimeout(this.timer);
  }

  resume(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.commit(), UNDO_MS);
  }

  undo(): void {
    const change = this.take();
    if (!change) return;
    this.hidden.delete(change.subject);
    this.changed();
    change.onUndo?.();
  }

  /** Requests the change now. Resolves when the server has answered; a refusal is shown. */
  async commit(): Promise<void> {
    const change = this.take();
    if (!change) return;
    this.changed();
    const { subject, method, path, body } = change;
    const done = await attempt(() => this.client.request(method, path, { ...(body && { body }), keepalive: true }));
    const show = () => {
      this.hidden.delete(subject);
      this.changed();
    };
    if (done) setTimeout(show, EVENT_GRACE_MS);
    else show();
  }

  private take(): UndoableChange | undefined {
    const change = this.current;
    this.current = undefined;
    clearTimeout(this.timer);
    return change;
  }

  private changed(): void {
    for (const listener of this.listeners) listener();
  }
}

const queues = new WeakMap<ParleyClient, UndoQueue>();

/** The changes of a client that can be undone. */
export function undoQueueOf(client: ParleyClient): UndoQueue {
  const queue = queues.get(client) ?? new UndoQueue(client);
  queues.set(client, queue);
  return queue;
}

/** Whether the user has taken it away, although the server may not know yet. */
export function useIsGone(subject: UndoSubject): boolean {
  const queue = undoQueueOf(useClient());
  return useSyncExternalStore(queue.subscribe, () => queue.hides(subject));
}

/** Deletes a message. */
export const deletionOf = (messageId: string): UndoableChange => ({
  subject: `message/${messageId}`,
  text: currentStrings().undo.messageDeleted,
  method: 'DELETE',
  path: `/messages/${messageId}`,
});
