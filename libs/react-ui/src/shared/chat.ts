import type { ConversationView } from '@parley/client';
import { useClient } from '@parley/client/react';
import type { Conversation, User } from '@parley/contracts';
import { useEffect } from 'react';
import { currentStrings } from '../strings/strings.tsx';
import { useChat } from './chat-state.ts';

export { useClient } from '@parley/client/react';
export { useChat } from './chat-state.ts';

/** A conversation, if the client knows it. */
export const useView = (id: string): ConversationView | undefined =>
  useChat(({ conversations }) => conversations.get(id));
/** A person, if the client knows them. */
export const useUser = (id: string | undefined): User | undefined =>
  useChat(({ users, user }) => (id === undefined ? undefined : id === user?.id ? user : users.get(id)));
/** The user. Throws if nobody is logged in. */
export const useMe = (): User => {
  const user = useChat((state) => state.user);
  if (!user) throw new Error('nobody is logged in');
  return user;
};

/** Watches these people's presence while the component is mounted. */
export function useWatchedPresence(userIds: readonly string[]): void {
  const client = useClient();
  const key = userIds.join(' ');
  useEffect(() => (key === '' ? undefined : client.watchPresence(key.split(' '))), [client, key]);
}

/** The other member of a direct conversation. Undefined until loaded. */
export const usePartner = (id: string): User | undefined => useUser(useView(id)?.partnerId);

/** The title of a conversation. `partner`: the other member of a direct one. */
export const titleOf = (conversation: Conversation, partner?: User): string =>
  conversation.kind === 'direct'
    ? (partner?.displayName ?? currentStrings().conversation.directTitle)
    : (conversation.title ??
      currentStrings().conversation[conversation.kind === 'channel' ? 'channelTitle' : 'groupTitle']);

/** Creates the direct conversation with a person, or finds the existing one. Resolves with its id. */
export const openDirectConversation = async (client: ReturnType<typeof useClient>, userId: string): Promise<string> =>
  (await client.createConversation({ kind: 'direct', memberIds: [userId] })).id;
