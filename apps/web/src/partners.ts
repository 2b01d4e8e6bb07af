import type { ParleyClient } from '@parley/client';
import { useClient } from '@parley/client/react';
import type { Member, User } from '@parley/contracts';
import { useEffect, useSyncExternalStore } from 'react';
import { useChat } from './state.ts';

const AT_ONCE = 3;

/** Who the other one of each direct conversation is: a list of conversations does not tell. Asked for once, a few at a time. */
class Partners {
  private known: ReadonlyMap<string, User> = new Map();
  private readonly asked = new Set<string>();
  private readonly waiting: string[] = [];
  private running = 0;
  private readonly listeners = new Set<() => void>();

  constructor(private readonly client: ParleyClient) {}

  subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  };

  get = (conversationId: string | undefined): User | undefined => (conversationId === undefined ? undefined : this.known.get(conversationId));

  want(conversationId: string): void {
    if (this.asked.has(conversationId)) return;
    this.asked.add(conversationId);
    this.waiting.push(conversationId);
    while (this.running < AT_ONCE && this.waiting.length > 0) {
      this.running++;
      void this.work().finally(() => this.running--);
    }
  }

  private async work(): Promise<void> {
    for (let id = this.waiting.shift(); id !== undefined; id = this.waiting.shift()) {
      const user = await this.find(id).catch(() => void this.asked.delete(id!));
      if (!user) continue;
      this.known = new Map(this.known).set(id, user);
      for (const listener of this.listeners) listener();
    }
  }

  private async find(conversationId: string): Promise<User | undefined> {
    const own = this.client.getState().user?.id;
    const { items } = await this.client.request<{ items: Member[] }>('GET', `/conversations/${conversationId}/members`);
    const partnerId = items.find(({ userId }) => userId !== own)?.userId;
    if (partnerId === undefined) return undefined;
    return this.client.getState().users.get(partnerId) ?? this.client.request<User>('GET', `/users/${partnerId}`);
  }
}

const all = new WeakMap<ParleyClient, Partners>();
function partnersOf(client: ParleyClient): Partners {
  const partners = all.get(client) ?? new Partners(client);
  all.set(client, partners);
  return partners;
}

export function usePartnerOf(conversationId: string | undefined, ownId: string | undefined): User | undefined {
  const partners = partnersOf(useClient());
  const online = useChat(({ connection }) => connection === 'online');
  const partner = useSyncExternalStore(partners.subscribe, () => partners.get(conversationId));
  const unknown = conversationId !== undefined && ownId !== undefined && !partner;
  useEffect(() => {
    if (unknown && online) partners.want(conversationId);
  }, [conversationId, online, partners, unknown]);
  return partner;
}
