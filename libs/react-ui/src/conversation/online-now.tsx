import { useChat, useMe, useUser, useView, useWatchedPresence } from '../shared/chat.ts';
import { Avatar } from '../people/avatar.tsx';
import { useStrings } from '../strings/strings.tsx';

/** Maximum number of members whose presence is watched. */
const MAX_WATCHED = 50;
const MAX_FACES = 4;

/**
 * The other members of a group or channel who are online, whatever they look at. Of a large one only some members are
 * watched: then `isComplete` is false.
 */
export function useOnlineMembers(id: string): { readonly userIds: readonly string[]; readonly isComplete: boolean } {
  const me = useMe();
  const { conversation, members } = useView(id)!;
  const presence = useChat((state) => state.presence);
  const watched =
    conversation.kind === 'direct'
      ? []
      : [...members.values()]
          .filter(({ userId, status }) => userId !== me.id && status !== 'banned')
          .slice(0, MAX_WATCHED)
          .map(({ userId }) => userId);
  useWatchedPresence(watched);
  const userIds = watched.filter((userId) => (presence.get(userId)?.state ?? 'offline') !== 'offline');
  return { userIds, isComplete: watched.length + 1 >= conversation.memberCount };
}

/** The faces of those who are online, which lead to the list of members. */
export function OnlineNow({ id, onOpen }: { readonly id: string; readonly onOpen: () => void }) {
  const { conversation } = useStrings();
  const { userIds } = useOnlineMembers(id);
  const connected = useChat(({ connection }) => connection === 'online');
  const names = useChat(({ users }) => userIds.map((userId) => users.get(userId)?.displayName ?? '…').join(', '));
  if (!connected || userIds.length === 0) return null;
  const label = conversation.onlineNow(names);
  return (
    <button type="button" className="online-now" title={label} onClick={onOpen}>
      <span className="hidden-text">{label}</span>
      {userIds.slice(0, MAX_FACES).map((userId) => (
        <Face key={userId} userId={userId} />
      ))}
      {userIds.length > MAX_FACES && <span aria-hidden="true">+{userIds.length - MAX_FACES}</span>}
    </button>
  );
}

function Face({ userId }: { readonly userId: string }) {
  const state = useChat(({ presence }) => presence.get(userId)?.state);
  return <Avatar user={useUser(userId)} size={28} presence={state} />;
}
