import type { Conversation, Member } from '@parley/contracts';
import { Ellipsis, MessageCircle } from 'lucide-react';
import { useEffect, useState } from 'react';
import { Avatar } from '../people/avatar.tsx';
import { useOpenPerson } from '../people/open-person.ts';
import { useMemberActions } from './member-actions.tsx';
import { openDirectConversation, useChat, useClient, useMe, useUser, useView } from '../shared/chat.ts';
import { Menu, type MenuItem } from '../shared/menu.tsx';
import { useOpenPlace } from '../shared/places.tsx';
import { attempt, toast } from '../shared/toasts.tsx';
import { useIsGone } from '../shared/undo.ts';
import { useStrings } from '../strings/strings.tsx';

/** How many members are shown at first, and added by each "Show more". */
const STEP = 100;
const roleOrder = { creator: 0, admin: 1, member: 2 } as const;

/** The members of a conversation, and for its leaders the banned people. */
export function Members({ id }: { readonly id: string }) {
  const { member: texts } = useStrings().conversation;
  const client = useClient();
  const { members, conversation } = useView(id)!;
  const [shown, setShown] = useState(STEP);
  const present = [...members.values()]
    .filter(({ status }) => status !== 'banned')
    .toSorted((a, b) => roleOrder[a.role] - roleOrder[b.role]);
  const banned = [...members.values()].filter(({ status }) => status === 'banned');
  const complete = present.length >= conversation.memberCount;
  useEffect(() => {
    if (!complete) void attempt(() => client.loadMembers(id));
  }, [client, complete, id]);
  return (
    <section className="stack">
      <h3 className="muted small">{texts.title}</h3>
      <div className="person-list">
        {present.slice(0, shown).map((member) => (
          <MemberRow key={member.userId} conversation={conversation} member={member} />
        ))}
      </div>
      {present.length > shown && (
        <button type="button" className="button" onClick={() => setShown(shown + STEP)}>
          {texts.showMore}
        </button>
      )}
      {conversation.me?.role !== 'member' && banned.length > 0 && (
        <>
          <h3 className="muted small">{texts.banned}</h3>
          <div className="person-list">
            {banned.slice(0, shown).map(({ userId }) => (
              <BannedRow key={userId} conversationId={id} userId={userId} />
            ))}
          </div>
        </>
      )}
    </section>
  );
}

function BannedRow({ conversationId, userId }: { readonly conversationId: string; readonly userId: string }) {
  const {
    common,
    conversation: { member: texts },
  } = useStrings();
  const client = useClient();
  const name = useUser(userId)?.displayName ?? common.somebody;
  const unban = () =>
    void attempt(() =>
      client.request('PATCH', `/conversations/${conversationId}/members/${userId}`, { body: { status: 'active' } }),
    ).then((done) => done && toast(texts.isUnbanned(name)));
  return (
    <div className="person">
      <Avatar user={useUser(userId)} size={34} />
      <span className="grow cut" dir="auto">
        {name}
      </span>
      <button type="button" className="button slim" onClick={unban}>
        {texts.unban}
      </button>
    </div>
  );
}

function MemberRow({ conversation, member }: { readonly conversation: Conversation; readonly member: Member }) {
  const {
    people,
    conversation: { member: texts },
  } = useStrings();
  const client = useClient();
  const me = useMe();
  const openPlace = useOpenPlace();
  const { userId, role, status } = member;
  const user = useUser(userId);
  const openPerson = useOpenPerson();
  const state = useChat(({ presence }) => presence.get(userId)?.state);
  const name = user?.displayName ?? '…';
  const { items, dialog } = useMemberActions(conversation, member);
  const writing: MenuItem = {
    label: texts.write,
    icon: <MessageCircle size={17} />,
    onSelect: () => void attempt(async () => openPlace({ conversation: await openDirectConversation(client, userId) })),
  };
  if (useIsGone(`member/${conversation.id}/${userId}`)) return null;
  const actions = userId === me.id ? items : [writing, ...items];
  return (
    <div className="person">
      <button type="button" className="who-button grow" onClick={() => openPerson(userId, conversation.id)}>
        <Avatar user={user} size={38} presence={state} />
        <span className="grow">
          <span className="cut" dir="auto">
            {userId === me.id ? texts.you(name) : name}
          </span>
          <small className="cut">@{user?.username ?? ''}</small>
        </span>
      </button>
      {status === 'muted' && <span className="tag">{people.muted}</span>}
      {role !== 'member' && <span className="tag">{people[role]}</span>}
      {actions.length > 0 && (
        <Menu label={texts.actions(name)} icon={<Ellipsis size={18} />} className="icon-button small" items={actions} />
      )}
      {dialog}
    </div>
  );
}
