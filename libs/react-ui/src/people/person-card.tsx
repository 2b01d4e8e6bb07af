import type { Conversation, Member, User } from '@parley/contracts';
import { AtSign, MessageCircle } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import { flushSync } from 'react-dom';
import { readOnlyReason } from '../conversation/composer.tsx';
import { draftsOf } from '../conversation/drafts.ts';
import { useMemberActions } from '../conversation/member-actions.tsx';
import {
  openDirectConversation,
  titleOf,
  useChat,
  useClient,
  useMe,
  useUser,
  useWatchedPresence,
} from '../shared/chat.ts';
import { Dialog } from '../shared/dialog.tsx';
import { PlaceLink, useOpenPlace } from '../shared/places.tsx';
import { attempt } from '../shared/toasts.tsx';
import { Avatar, RoomAvatar } from './avatar.tsx';
import { presenceTextOf } from './presence-text.ts';
import { useStrings } from '../strings/strings.tsx';

/** See {@link PersonCard}. */
export interface PersonCardProps {
  readonly userId: string;
  readonly conversationId: string | undefined;
  readonly onClose: () => void;
}

/** Who somebody is, and what can be done about them. */
export default function PersonCard({ userId, conversationId, onClose }: PersonCardProps) {
  const { common, people } = useStrings();
  const client = useClient();
  const user = useUser(userId);
  const [isMissing, setMissing] = useState(false);
  useEffect(() => {
    client.user(userId).catch(() => setMissing(true));
  }, [client, userId]);
  return (
    <Dialog title={user?.displayName ?? people.person} onClose={onClose}>
      {user ? (
        <Card user={user} conversationId={conversationId} onClose={onClose} />
      ) : isMissing ? (
        <p>{people.notShown}</p>
      ) : (
        <div className="spinner" role="img" aria-label={common.loading} />
      )}
    </Dialog>
  );
}

function Card({
  user,
  conversationId,
  onClose,
}: {
  readonly user: User;
  readonly conversationId: string | undefined;
  readonly onClose: () => void;
}) {
  const { people } = useStrings();
  const client = useClient();
  const me = useMe();
  const head = useRef<HTMLDivElement>(null);
  const openPlace = useOpenPlace();
  const isMe = user.id === me.id;
  useWatchedPresence(isMe ? [] : [user.id]);
  const presence = useChat((state) => state.presence.get(user.id));
  const view = useChat(({ conversations }) =>
    conversationId === undefined ? undefined : conversations.get(conversationId),
  );
  const member = view?.members.get(user.id);
  const isGroup = view !== undefined && view.conversation.kind !== 'direct';
  const write = () =>
    void attempt(async () => {
      openPlace({ conversation: await openDirectConversation(client, user.id) });
      onClose();
    });
  const mention = (id: string) => {
    const root = head.current?.closest('.parley');
    const drafts = draftsOf(client);
    const { edit, text } = drafts.of(id);
    const before = edit ? edit.text : text;
    drafts.write(id, `${before}${before === '' || /\s$/.test(before) ? '' : ' '}@${user.username} `);
    // The composer can take the focus once the dialog is closed.
    flushSync(onClose);
    root?.querySelector<HTMLElement>('.composer textarea')?.focus();
  };
  const kind = user.kind === 'person' ? undefined : people[user.kind];
  return (
    <>
      <div ref={head} className="card-head">
        <Avatar user={user} size={72} presence={presence?.state} />
        <div className="grow">
          <p className="muted cut">@{user.username}</p>
          <p className="row wrap small">
            {isMe ? people.thisIsYou : presence && presenceTextOf(presence)}
            {kind !== undefined && <span className="tag">{kind}</span>}
            {isGroup && member && member.role !== 'member' && <span className="tag">{people[member.role]}</span>}
            {member?.status === 'muted' && <span className="tag">{people.muted}</span>}
          </p>
        </div>
      </div>
      <div className="row wrap">
        {!isMe && (
          <button type="button" className="button primary slim" onClick={write}>
            <MessageCircle size={17} />
            {people.write}
          </button>
        )}
        {!isMe && isGroup && readOnlyReason(view) === undefined && (
          <button type="button" className="button slim" onClick={() => mention(view.conversation.id)}>
            <AtSign size={17} />
            {people.mention}
          </button>
        )}
      </div>
      {isGroup && member && <Moderation conversation={view.conversation} member={member} onTakenOut={onClose} />}
      {!isMe && <CommonConversations userId={user.id} onClose={onClose} />}
    </>
  );
}

function Moderation({
  conversation,
  member,
  onTakenOut,
}: {
  readonly conversation: Conversation;
  readonly member: Member;
  readonly onTakenOut: () => void;
}) {
  const { people } = useStrings();
  const { items, dialog } = useMemberActions(conversation, member, onTakenOut);
  if (items.length === 0) return null;
  return (
    <section>
      <h3 className="muted small">{people.inConversation(titleOf(conversation))}</h3>
      <div className="row wrap">
        {items.map((item) => (
          <button
            key={item.label}
            type="button"
            className={`button slim${item.danger ? ' danger' : ''}`}
            onClick={item.onSelect}
          >
            {item.icon}
            {item.label}
          </button>
        ))}
      </div>
      {dialog}
    </section>
  );
}

/** Conversations that both are in, as far as this device knows their members. */
function CommonConversations({ userId, onClose }: { readonly userId: string; readonly onClose: () => void }) {
  const { people } = useStrings();
  const { order, conversations } = useChat((state) => state);
  const common = order
    .flatMap((id) => conversations.get(id) ?? [])
    .filter(({ members, conversation }) => {
      const member = members.get(userId);
      return conversation.kind !== 'direct' && member !== undefined && member.status !== 'banned';
    });
  if (common.length === 0) return null;
  return (
    <section>
      <h3 className="muted small">{people.inCommon}</h3>
      <nav className="person-list" aria-label={people.commonConversations}>
        {common.map(({ conversation }) => (
          <PlaceLink key={conversation.id} to={{ conversation: conversation.id }} className="person" onClick={onClose}>
            <RoomAvatar conversation={conversation} size={34} />
            <span className="grow cut" dir="auto">
              {titleOf(conversation)}
            </span>
          </PlaceLink>
        ))}
      </nav>
    </section>
  );
}
