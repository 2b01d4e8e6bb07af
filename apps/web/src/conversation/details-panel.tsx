import type { ParleyClient } from '@parley/client';
import type { CallArguments, Conversation, Listed, Member, User } from '@parley/contracts';
import {
  Ban,
  Crown,
  Ellipsis,
  Link2,
  LogOut,
  MessageCircle,
  MicOff,
  Mic,
  ShieldCheck,
  ShieldOff,
  Trash2,
  UserMinus,
  UserPlus,
} from 'lucide-react';
import { useEffect, useState, type FormEvent } from 'react';
import { useLocation } from 'wouter';
import { directWith, titleOf, useChat, useClient, useMe, usePartner, useUser, useView } from '../shared/chat.ts';
import { listOf } from '../shared/lists.ts';
import { Avatar, RoomAvatar } from '../people/avatar.tsx';
import { Dialog } from '../shared/dialog.tsx';
import '../shared/forms.css';
import { Menu, type MenuItem } from '../shared/menu.tsx';
import { Panel } from '../shared/panel.tsx';
import { PeoplePicker } from '../people/people-picker.tsx';
import { RoomFields, roomOf } from '../new-chat/conversation-fields.tsx';
import { attempt, toast } from '../shared/toasts.tsx';

const FIRST = 100;

/** A conversation's description, one's own settings of it, and its members. */
export function DetailsPanel({ id, onClose }: { readonly id: string; readonly onClose: () => void }) {
  const { conversation } = useView(id)!;
  const partner = usePartner(id);
  const direct = conversation.kind === 'direct';
  return (
    <Panel title="Details" onClose={onClose}>
      <div className="panel-body">
        <div className="details-head">
          {direct ? <Avatar user={partner} size={84} /> : <RoomAvatar conversation={conversation} size={84} />}
          <h3>{titleOf(conversation, partner)}</h3>
          {direct ? (
            <p className="muted">@{partner?.username}</p>
          ) : (
            <p className="muted">
              {conversation.visibility === 'public' ? 'Public' : 'Private'} {conversation.kind} ·{' '}
              {conversation.memberCount} member{conversation.memberCount === 1 ? '' : 's'}
            </p>
          )}
          {conversation.topic && <p>{conversation.topic}</p>}
        </div>
        <Notifications conversation={conversation} />
        {direct ? (
          partner && <PartnerActions partner={partner} />
        ) : (
          <>
            <Actions conversation={conversation} />
            <Members id={id} />
          </>
        )}
      </div>
    </Panel>
  );
}

function Notifications({ conversation: { id, me } }: { readonly conversation: Conversation }) {
  const client = useClient();
  const level = me?.notifications ?? 'all';
  return (
    <label className="field">
      <span>Notify me of</span>
      <select
        className="input"
        value={level}
        onChange={({ target }) =>
          void attempt(() =>
            client.request('PATCH', `/conversations/${id}/me`, { body: { notifications: target.value } }),
          )
        }
      >
        <option value="all">Every message</option>
        <option value="mentions">Mentions of me</option>
        <option value="none">Nothing</option>
      </select>
    </label>
  );
}

async function isBlocked(client: ParleyClient, userId: string): Promise<boolean> {
  for await (const { user } of listOf<Listed>(client, '/blocks')) if (user.id === userId) return true;
  return false;
}

function PartnerActions({ partner }: { readonly partner: User }) {
  const client = useClient();
  const [blocked, setBlocked] = useState<boolean>();
  useEffect(() => {
    let current = true;
    void attempt(async () => {
      const found = await isBlocked(client, partner.id);
      if (current) setBlocked(found);
    });
    return () => {
      current = false;
    };
  }, [client, partner.id]);
  const put = (list: 'contacts' | 'blocks', there: boolean) =>
    attempt(() => client.request(there ? 'PUT' : 'DELETE', `/${list}/${partner.id}`));
  return (
    <div className="stack">
      <button
        type="button"
        className="button"
        onClick={() =>
          void put('contacts', true).then((done) => done && toast(`${partner.displayName} is a contact now`))
        }
      >
        <UserPlus size={18} />
        Add to contacts
      </button>
      <button
        type="button"
        className="button danger"
        disabled={blocked === undefined}
        onClick={() => void put('blocks', !blocked).then((done) => done && setBlocked(!blocked))}
      >
        <Ban size={18} />
        {blocked ? 'Unblock' : 'Block'}
      </button>
    </div>
  );
}

function Actions({ conversation }: { readonly conversation: Conversation }) {
  const { id, me, policy, visibility } = conversation;
  const client = useClient();
  const [, navigate] = useLocation();
  const [dialog, setDialog] = useState<'edit' | 'invite' | 'delete'>();
  const leads = me?.role === 'creator' || me?.role === 'admin';
  const close = () => setDialog(undefined);
  const copy = () =>
    void navigator.clipboard.writeText(`${location.origin}/r/${id}`).then(
      () => toast('Link copied'),
      () => toast(`${location.origin}/r/${id}`),
    );
  return (
    <div className="row wrap">
      {(leads || policy.membersInvite) && (
        <button type="button" className="button slim" onClick={() => setDialog('invite')}>
          <UserPlus size={16} />
          Invite
        </button>
      )}
      {leads && (
        <button type="button" className="button slim" onClick={() => setDialog('edit')}>
          Customise
        </button>
      )}
      {visibility === 'public' && (
        <button type="button" className="button slim" onClick={copy}>
          <Link2 size={16} />
          Copy link
        </button>
      )}
      <button
        type="button"
        className="button slim danger"
        onClick={() => void attempt(() => client.leaveConversation(id)).then((left) => left && navigate('/'))}
      >
        <LogOut size={16} />
        Leave
      </button>
      {me?.role === 'creator' && (
        <button type="button" className="button slim danger" onClick={() => setDialog('delete')}>
          <Trash2 size={16} />
          Delete
        </button>
      )}
      {dialog === 'invite' && <Invite id={id} onClose={close} />}
      {dialog === 'edit' && <Customise conversation={conversation} onClose={close} />}
      {dialog === 'delete' && (
        <Dialog title="Delete this conversation?" onClose={close}>
          <p>All its messages go, for everybody. This can’t be undone.</p>
          <div className="row end">
            <button type="button" className="button" onClick={close}>
              Keep it
            </button>
            <button
              type="button"
              className="button danger"
              onClick={() =>
                void attempt(() => client.request('DELETE', `/conversations/${id}`)).then(
                  (done) => done && navigate('/'),
                )
              }
            >
              Delete for everybody
            </button>
          </div>
        </Dialog>
      )}
    </div>
  );
}

function Invite({ id, onClose }: { readonly id: string; readonly onClose: () => void }) {
  const client = useClient();
  const members = useView(id)?.members;
  const add = (user: User) =>
    void attempt(() => client.request('PUT', `/conversations/${id}/members/${user.id}`, { body: {} })).then(
      (done) => done && toast(`${user.displayName} was added`),
    );
  return (
    <Dialog title="Invite people" onClose={onClose}>
      <PeoplePicker label="Search people by name" without={new Set(members?.keys())} onPick={add} />
    </Dialog>
  );
}

function Customise({ conversation, onClose }: { readonly conversation: Conversation; readonly onClose: () => void }) {
  const client = useClient();
  const { id, policy } = conversation;
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const number = (name: string) => Math.max(0, Math.trunc(Number(form.get(name)) || 0));
    const change: Omit<CallArguments<'conversation.update'>, 'conversationId'> = {
      ...roomOf(form),
      visibility: form.has('public') ? 'public' : 'private',
      policy: {
        membersInvite: form.has('membersInvite'),
        guests: form.has('guests'),
        slowModeSeconds: number('slowModeSeconds'),
        reactionGate: number('reactionGate'),
      },
    };
    void attempt(() => client.request('PATCH', `/conversations/${id}`, { body: change })).then(
      (done) => done && onClose(),
    );
  };
  return (
    <Dialog title="Customise" onClose={onClose}>
      <form className="stack" onSubmit={submit}>
        <RoomFields title={conversation.title} topic={conversation.topic} color={conversation.color} />
        <label className="switch">
          <span>
            Public<small>Anybody can find it and join</small>
          </span>
          <input type="checkbox" role="switch" name="public" defaultChecked={conversation.visibility === 'public'} />
        </label>
        <label className="switch">
          <span>
            Members invite<small>Not only the creator and admins</small>
          </span>
          <input type="checkbox" role="switch" name="membersInvite" defaultChecked={policy.membersInvite ?? false} />
        </label>
        <label className="switch">
          <span>Guests may join</span>
          <input type="checkbox" role="switch" name="guests" defaultChecked={policy.guests ?? true} />
        </label>
        <label className="field">
          <span>Slow mode: seconds between two messages of one member</span>
          <input
            className="input"
            type="number"
            name="slowModeSeconds"
            min={0}
            max={86400}
            defaultValue={policy.slowModeSeconds ?? 0}
          />
        </label>
        <label className="field">
          <span>Reaction gate: reactions that a message needs before its author writes again</span>
          <input
            className="input"
            type="number"
            name="reactionGate"
            min={0}
            max={100}
            defaultValue={policy.reactionGate ?? 0}
          />
        </label>
        <button className="button primary">Save</button>
      </form>
    </Dialog>
  );
}

const order = { creator: 0, admin: 1, member: 2 } as const;

function Members({ id }: { readonly id: string }) {
  const client = useClient();
  const { members, conversation } = useView(id)!;
  const [shown, setShown] = useState(FIRST);
  const here = [...members.values()]
    .filter(({ status }) => status !== 'banned')
    .toSorted((a, b) => order[a.role] - order[b.role]);
  const banned = [...members.values()].filter(({ status }) => status === 'banned');
  const complete = here.length >= conversation.memberCount;
  useEffect(() => {
    if (!complete) void attempt(() => client.loadMembers(id));
  }, [client, complete, id]);
  return (
    <section className="stack">
      <h3 className="muted small">Members</h3>
      <div className="person-list">
        {here.slice(0, shown).map((member) => (
          <MemberRow key={member.userId} conversation={conversation} member={member} />
        ))}
      </div>
      {here.length > shown && (
        <button type="button" className="button" onClick={() => setShown(shown + FIRST)}>
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
  const own = conversation.me?.role;
  const name = user?.displayName ?? '…';
  const [handing, setHanding] = useState(false);
  const path = `/conversations/${conversation.id}/members/${userId}`;
  const change = (body: object, told: string) =>
    void attempt(() => client.request('PATCH', path, { body })).then((done) => done && toast(told));
  const above = userId !== me.id && (own === 'creator' || (own === 'admin' && role === 'member'));
  const items: (MenuItem | false)[] = [
    userId !== me.id && {
      label: 'Write to them',
      icon: <MessageCircle size={17} />,
      onSelect: () => void attempt(async () => navigate(`/c/${await directWith(client, userId)}`)),
    },
    own === 'creator' &&
      above &&
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
    own === 'creator' &&
      above && { label: 'Hand over to them', icon: <Crown size={17} />, onSelect: () => setHanding(true) },
    above &&
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
    above && {
      label: 'Mute for an hour',
      icon: <MicOff size={17} />,
      onSelect: () =>
        change(
          { status: 'muted', mutedUntil: new Date(Date.now() + 3_600_000).toISOString() },
          `${name} is muted for an hour`,
        ),
    },
    above && {
      label: 'Remove',
      icon: <UserMinus size={17} />,
      danger: true,
      onSelect: () => void attempt(() => client.request('DELETE', path)),
    },
    above && {
      label: 'Ban',
      icon: <Ban size={17} />,
      danger: true,
      onSelect: () => change({ status: 'banned' }, `${name} is banned`),
    },
  ];
  const possible = items.filter((item) => item !== false);
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
      {possible.length > 0 && (
        <Menu
          label={`Actions for ${name}`}
          icon={<Ellipsis size={18} />}
          className="icon-button small"
          items={possible}
        />
      )}
      {handing && (
        <Dialog title={`Hand over to ${name}?`} onClose={() => setHanding(false)}>
          <p>
            {name} becomes the creator, and you an admin. Only {name} can give it back.
          </p>
          <div className="row end">
            <button type="button" className="button" onClick={() => setHanding(false)}>
              Cancel
            </button>
            <button
              type="button"
              className="button primary"
              onClick={() => {
                change({ role: 'creator' }, `${name} is the creator now`);
                setHanding(false);
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
