import type { ParleyClient } from '@parley/client';
import type { Notification } from '@parley/contracts';
import { useSyncExternalStore } from 'react';
import { useChat, useClient } from '@parley/react-ui/parts';

const PAGE_SIZE = 50;
/** Pages beyond are not shown: whoever wants more searches. */
const MAX_ITEMS = 500;
/** Several events of one moment are one reason to ask. */
const SETTLE_MS = 800;

interface ActivityState {
  readonly items: readonly Notification[];
  readonly state: 'unknown' | 'loaded' | 'failed';
  readonly nextCursor?: string | undefined;
}
const unknown: ActivityState = { items: [], state: 'unknown' };

/** Mentions of the user, replies to their messages and invitations, as far as they are loaded. */
class Activity {
  current = unknown;
  private readonly listeners = new Set<() => void>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private loads = 0;

  constructor(private readonly client: ParleyClient) {
    client.on('connection', ({ state }) => {
      if (state === 'online') return this.refreshSoon();
      // Nobody is told: the components that show it go with the session.
      if (state === 'signed-out') this.current = unknown;
    });
    client.on('message', ({ message: { mentions, replyTo } }) => {
      const me = client.getState().user?.id ?? '';
      if (replyTo !== undefined || mentions.includes(me)) this.refreshSoon();
    });
    client.on('server', ({ event }) => {
      if (event === 'conversation:new' || event === 'conversation:removed') this.refreshSoon();
    });
    if (client.getState().connection === 'online') this.refreshSoon();
  }

  subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  };

  /** Loads the newest again. */
  async refresh(): Promise<void> {
    await this.load(undefined);
  }

  async loadMore(): Promise<void> {
    const { nextCursor } = this.current;
    if (nextCursor !== undefined) await this.load(nextCursor);
  }

  private refreshSoon(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.refresh(), SETTLE_MS);
  }

  private async load(cursor: string | undefined): Promise<void> {
    const load = ++this.loads;
    const userId = this.client.getState().user?.id;
    if (userId === undefined) return;
    const isCurrent = () => load === this.loads && this.client.getState().user?.id === userId;
    try {
      const page = await this.client.request<{ items: Notification[]; nextCursor?: string }>('GET', '/notifications', {
        query: { cursor, limit: PAGE_SIZE },
      });
      if (!isCurrent()) return;
      for (const id of new Set(page.items.map((item) => item.userId))) void this.client.user(id).catch(() => undefined);
      const items = cursor === undefined ? page.items : [...this.current.items, ...page.items];
      this.update({
        items,
        state: 'loaded',
        ...(items.length < MAX_ITEMS && page.nextCursor !== undefined && { nextCursor: page.nextCursor }),
      });
    } catch {
      if (isCurrent()) this.update({ ...this.current, state: 'failed' });
    }
  }

  private update(next: ActivityState): void {
    this.current = next;
    for (const listener of this.listeners) listener();
  }
}

const activities = new WeakMap<ParleyClient, Activity>();
export function activityOf(client: ParleyClient): Activity {
  const activity = activities.get(client) ?? new Activity(client);
  activities.set(client, activity);
  return activity;
}

export function useActivity(): ActivityState {
  const activity = activityOf(useClient());
  return useSyncExternalStore(activity.subscribe, () => activity.current);
}

/** Whether the user has not read it yet: this page may know it better than the answer, which is older. */
export const isUnread = (
  { conversationId, seq, unread }: Notification,
  readSeqOf: (id: string) => number | undefined,
): boolean => {
  const readSeq = readSeqOf(conversationId);
  return readSeq === undefined ? unread : unread && readSeq < seq;
};

/** Whether something is unread. */
export function useHasUnreadActivity(): boolean {
  const { items } = useActivity();
  return useChat(({ conversations }) => items.some((item) => isUnread(item, (id) => conversations.get(id)?.readSeq)));
}
