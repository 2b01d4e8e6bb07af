import {
  createContext,
  createElement,
  useContext,
  useEffect,
  useMemo,
  useSyncExternalStore,
  type ReactNode,
} from 'react';
import type { ParleyClient } from './client.js';
import type { ClientState, ConversationView, Presence, User } from './types.js';

const Context = createContext<ParleyClient | undefined>(undefined);

/** Provides the client to its children. */
export function ParleyProvider({
  client,
  children,
}: {
  readonly client: ParleyClient;
  readonly children?: ReactNode;
}): ReactNode {
  return createElement(Context.Provider, { value: client }, children);
}

/** The client. Throws outside of a {@link ParleyProvider}. */
export function useClient(): ParleyClient {
  const client = useContext(Context);
  if (!client) throw new Error('useClient: there is no ParleyProvider around');
  return client;
}

/**
 * A part of the state. The component renders again when `select` returns something else, by identity. Therefore select
 * a part as it is, and derive new objects from it outside.
 */
export function useParley<T>(select: (state: ClientState) => T): T {
  const client = useClient();
  return useSyncExternalStore(
    client.subscribe,
    () => select(client.getState()),
    () => select(client.getState()),
  );
}

/**
 * One conversation, opened when the component mounts, and again after the connection was lost. Temporary failures are
 * retried. Undefined until it is known.
 */
export function useConversation(id: string | undefined): ConversationView | undefined {
  const client = useClient();
  const online = useParley(({ connection }) => connection === 'online');
  useEffect(() => {
    if (id === undefined || !online) return undefined;
    const unmounted = new AbortController();
    client.open(id, { retry: true, signal: unmounted.signal }).catch(() => undefined);
    return () => unmounted.abort();
  }, [client, id, online]);
  return useParley(({ conversations }) => (id === undefined ? undefined : conversations.get(id)));
}

/** The user's conversations, most recently active first. */
export function useConversations(): readonly ConversationView[] {
  const order = useParley((state) => state.order);
  const conversations = useParley((state) => state.conversations);
  return useMemo(() => order.flatMap((id) => conversations.get(id) ?? []), [order, conversations]);
}

/** A person. Undefined until they are loaded. */
export const useUser = (userId: string): User | undefined => useParley(({ users }) => users.get(userId));

/** The presence of all watched users; these are watched while the component is mounted. */
export function usePresence(userIds: readonly string[]): ReadonlyMap<string, Presence> {
  const client = useClient();
  const key = userIds.join();
  useEffect(() => client.watchPresence(key === '' ? [] : key.split(',')), [client, key]);
  return useParley(({ presence }) => presence);
}
