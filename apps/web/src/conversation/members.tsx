import type { Conversation, Member } from '@parley/contracts';
import { Ban, Crown, Ellipsis, MessageCircle, Mic, MicOff, ShieldCheck, ShieldOff, UserMinus } from 'lucide-react';
import { useEffect, useState } from 'react';
import { useLocation } from 'wouter';
import { Avatar } from '../people/avatar.tsx';
import { openDirectConversation, useChat, useClient, useMe, useUser, useView } from '../shared/chat.ts';
import { Dialog } from '../shared/dialog.tsx';
import { Menu, type MenuItem } from '../shared/menu.tsx';
import { now } from '../shared/times.ts';
import { attempt, toast } from '../shared/toasts.tsx';

/** How many members are shown at first, and added by each "Show more". */
const STEP = 100;
const roleOrder = { creator: 0, admin: 1, member: 2 } as const;

/** The members of a conversation, and for its leaders the banned people. */
export function Members({ id }: { readonly id: string }) {
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
      <h3 className="muted small">Members</h3>
      <div className="person-list">
        {present.slice(0, shown).map((member) => (
          <MemberRow key={member.userId} conversation={conversation} member={member} />
        ))}
      </div>
      {present.length > shown && (
        <button type="button" className="button" onClick={() => setShown(shown + STEP)}>
          Show more
        </button>
      )}
      {conversation.me?.role !== 'member' && banned.length > 0 && (
        <>
          <h3 className="muted small">Banned</h3>
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
  const client = useClient();
  const name = useUser(userId)?.displayName ?? 'Somebody';
  const unban = () =>
    void attempt(() =>
      client.request('PATCH', `/conversations/${conversationId}/members/${userId}`, { body: { status: 'active' } }),
    ).then((done) => done && toast(`${name} is not banned any more`));
  return (
    <div className="person">
      <Avatar user={useUser(userId)} size={34} />
      <span className="grow cut">{name}</span>
      <button type="button" className="button slim" onClick={unban}>
        Unban
      </button>
    </div>
  );
}

function MemberRow({ conversation, member }: { readonly conversation: Conversation; readonly member: Member }) {
  const client = useClient();
  const me = useMe();
  const [, navigate] = useLocation();
  const { userId, role, status } = member;
  const user = useUser(userId);
  const state = useChat(({ presence }) => presence.get(userId)?.state);
  const ownRole = conversation.me?.role;
  const name = user?.displayName ?? '…';
  const [isHandingOver, setHandingOver] = useState(false);
  const path = `/conversations/${conversation.id}/members/${userId}`;
  const change = (body: object, confirmation: string) =>
    void attempt(() => client.request('PATCH', path, { body })).then((done) => done && toast(confirmation));
  const canManage = userId !== me.id && (ownRole === 'creator' || (ownRole === 'admin' && role === 'member'));
  const items: (MenuItem | false)[] = [
    userId !== me.id && {
      label: 'Write to them',
      icon: <MessageCircle size={17} />,
      onSelect: () => void attempt(async () => navigate(`/c/${await openDirectConversation(client, userId)}`)),
    },
    ownRole === 'creator' &&
      canManage &&
      (role === 'admin'
        ? {
            label: 'No admin any more',
            icon: <ShieldOff size={17} />,
            onSelect: () => change({ role: 'member' }, `${name} is a member again`),
          }
        : {
            label: 'Make admin',
            icon: <ShieldCheck size={17} />,
            onSelect: () => change({ role: 'admin' }, `${name} is an admin now`),
          }),
    ownRole === 'creator' &&
      canManage && { label: 'Hand over to them', icon: <Crown size={17} />, onSelect: () => setHandingOver(true) },
    canManage &&
      (status === 'muted'
        ? {
            label: 'Unmute',
            icon: <Mic size={17} />,
            onSelect: () => change({ status: 'active' }, `${name} may write again`),
          }
        : {
            label: 'Mute',
            icon: <MicOff size={17} />,
            onSelect: () => change({ status: 'muted' }, `${name} is muted`),
          }),
    canManage && {
      label: 'Mute for an hour',
      icon: <MicOff size={17} />,
      onSelect: () =>
        change(
          { status: 'muted', mutedUntil: new Date(now() + 3_600_000).toISOString() },
          `${name} is muted for an hour`,
        ),
    },
    canManage && {
      label: 'Remove',
      icon: <UserMinus size={17} />,
      danger: true,
      onSelect: () => void attempt(() => client.request('DELETE', path)),
    },
    canManage && {
      label: 'Ban',
      icon: <Ban size={17} />,
      danger: true,
      onSelect: () => change({ status: 'banned' }, `${name} is banned`),
    },
  ];
  const actions = items.filter((item) => item !== false);
  return (
    <div className="person">
      <Avatar user={user} size={38} presence={state} />
      <span className="grow">
        <span className="cut">
          {name}
          {userId === me.id && ' (you)'}
        </span>
        <small className="cut">@{user?.username ?? ''}</small>
      </span>
      {status === 'muted' && <span className="tag">Muted</span>}
      {role !== 'member' && <span className="tag">{role === 'creator' ? 'Creator' : 'Admin'}</span>}
      {actions.length > 0 && (
        <Menu
          label={`Actions for ${name}`}
          icon={<Ellipsis size={18} />}
          className="icon-button small"
          items={actions}
        />
      )}
      {isHandingOver && (
        <Dialog title={`Hand over to ${name}?`} onClose={() => setHandingOver(false)}>
          <p>
            {name} becomes the creator, and you an admin. Only {name} can give it back.
          </p>
          <div className="row end">
            <button type="button" className="button" onClick={() => setHandingOver(false)}>
              Cancel
            </button>
            <button
              type="button"
              className="button primary"
              onClick={() => {
                change({ role: 'creator' }, `${name} is the creator now`);
                setHandingOver(false);
              }}
            >
              Hand over
            </button>
          </div>
        </Dialog>
      )}
    </div>
  );
}
