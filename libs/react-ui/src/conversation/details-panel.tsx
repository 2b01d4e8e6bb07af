import type { ParleyClient } from '@parley/client';
import type { CallArguments, Conversation, ListedUser, User } from '@parley/contracts';
import { Ban, Link2, LogOut, Trash2, UserPlus } from 'lucide-react';
import { useEffect, useState, type FormEvent } from 'react';
import { titleOf, useClient, usePartner, useView } from '../shared/chat.ts';
import { listItems } from '../shared/lists.ts';
import { Avatar, RoomAvatar } from '../people/avatar.tsx';
import { Dialog } from '../shared/dialog.tsx';
import { useLeave } from './leave.ts';
import { Members } from './members.tsx';
import { Panel } from '../shared/panel.tsx';
import { useOpenPlace, useRoomAddress } from '../shared/places.tsx';
import { PeoplePicker } from '../people/people-picker.tsx';
import { ConversationFields, conversationFieldsOf } from '../new-chat/conversation-fields.tsx';
import { copyText } from '../shared/copy.ts';
import { attempt, toast } from '../shared/toasts.tsx';
import { useStrings } from '../strings/strings.tsx';

/** A conversation's description, the user's own settings of it, and its members. */
export function DetailsPanel({ id, onClose }: { readonly id: string; readonly onClose: () => void }) {
  const strings = useStrings();
  const { conversation } = useView(id)!;
  const partner = usePartner(id);
  const direct = conversation.kind === 'direct';
  return (
    <Panel title={strings.conversation.details} onClose={onClose}>
      <div className="panel-body">
        <div className="details-head">
          {direct ? <Avatar user={partner} size={84} /> : <RoomAvatar conversation={conversation} size={84} />}
          <h3>{titleOf(conversation, partner)}</h3>
          {direct ? (
            <p className="muted">@{partner?.username}</p>
          ) : (
            <p className="muted">
              {strings.conversation.kinds[kindOf(conversation)]} ·{' '}
              {strings.conversation.members(conversation.memberCount)}
            </p>
          )}
          {conversation.topic && <p>{conversation.topic}</p>}
        </div>
        <NotificationLevel conversation={conversation} />
        {direct ? (
          partner && <PartnerActions partner={partner} />
        ) : (
          <>
            <ConversationActions conversation={conversation} />
            <Members id={id} />
          </>
        )}
      </div>
    </Panel>
  );
}

const kindOf = ({ visibility, kind }: Conversation) =>
  visibility === 'public'
    ? kind === 'channel'
      ? 'publicChannel'
      : 'publicGroup'
    : kind === 'channel'
      ? 'privateChannel'
      : 'privateGroup';

function NotificationLevel({ conversation: { id, me } }: { readonly conversation: Conversation }) {
  const { settings } = useStrings().conversation;
  const client = useClient();
  const level = me?.notifications ?? 'all';
  return (
    <label className="field">
      <span>{settings.notify}</span>
      <select
        className="input"
        value={level}
        onChange={({ target }) =>
          void attempt(() =>
            client.request('PATCH', `/conversations/${id}/me`, { body: { notifications: target.value } }),
          )
        }
      >
        <option value="all">{settings.notifyAll}</option>
        <option value="mentions">{settings.notifyMentions}</option>
        <option value="none">{settings.notifyNone}</option>
      </select>
    </label>
  );
}

async function isBlocked(client: ParleyClient, userId: string): Promise<boolean> {
  for await (const { user } of listItems<ListedUser>(client, '/blocks')) if (user.id === userId) return true;
  return false;
}

function PartnerActions({ partner }: { readonly partner: User }) {
  const { settings } = useStrings().conversation;
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
  const set = (list: 'contacts' | 'blocks', isListed: boolean) =>
    attempt(() => client.request(isListed ? 'PUT' : 'DELETE', `/${list}/${partner.id}`));
  return (
    <div className="stack">
      <button
        type="button"
        className="button"
        onClick={() =>
          void set('contacts', true).then((done) => done && toast(settings.isContact(partner.displayName)))
        }
      >
        <UserPlus size={18} />
        {settings.addContact}
      </button>
      <button
        type="button"
        className="button danger"
        disabled={blocked === undefined}
        onClick={() => void set('blocks', !blocked).then((done) => done && setBlocked(!blocked))}
      >
        <Ban size={18} />
        {blocked ? settings.unblock : settings.block}
      </button>
    </div>
  );
}

function ConversationActions({ conversation }: { readonly conversation: Conversation }) {
  const {
    common,
    conversation: { settings },
  } = useStrings();
  const { id, me, policy, visibility } = conversation;
  const client = useClient();
  const openPlace = useOpenPlace();
  const address = useRoomAddress(id);
  const [dialog, setDialog] = useState<'edit' | 'invite' | 'delete'>();
  const isLeader = me?.role === 'creator' || me?.role === 'admin';
  const leave = useLeave(conversation);
  const close = () => setDialog(undefined);
  return (
    <div className="row wrap">
      {(isLeader || policy.membersInvite) && (
        <button type="button" className="button slim" onClick={() => setDialog('invite')}>
          <UserPlus size={16} />
          {settings.invite}
        </button>
      )}
      {isLeader && (
        <button type="button" className="button slim" onClick={() => setDialog('edit')}>
          {settings.customise}
        </button>
      )}
      {visibility === 'public' && address !== undefined && (
        <button type="button" className="button slim" onClick={() => copyText(address, common.linkCopied, address)}>
          <Link2 size={16} />
          {common.copyLink}
        </button>
      )}
      <button type="button" className="button slim danger" onClick={leave}>
        <LogOut size={16} />
        {common.leave}
      </button>
      {me?.role === 'creator' && (
        <button type="button" className="button slim danger" onClick={() => setDialog('delete')}>
          <Trash2 size={16} />
          {common.delete}
        </button>
      )}
      {dialog === 'invite' && <InviteDialog id={id} onClose={close} />}
      {dialog === 'edit' && <CustomiseDialog conversation={conversation} onClose={close} />}
      {dialog === 'delete' && (
        <Dialog title={settings.deleteTitle} onClose={close}>
          <p>{settings.deleteHint}</p>
          <div className="row end">
            <button type="button" className="button" onClick={close}>
              {settings.keep}
            </button>
            <button
              type="button"
              className="button danger"
              onClick={() =>
                void attempt(() => client.request('DELETE', `/conversations/${id}`)).then(
                  (done) => done && openPlace('list'),
                )
              }
            >
              {settings.deleteForAll}
            </button>
          </div>
        </Dialog>
      )}
    </div>
  );
}

function InviteDialog({ id, onClose }: { readonly id: string; readonly onClose: () => void }) {
  const { settings } = useStrings().conversation;
  const client = useClient();
  const members = useView(id)?.members;
  const add = (user: User) =>
    void attempt(() => client.request('PUT', `/conversations/${id}/members/${user.id}`, { body: {} })).then(
      (done) => done && toast(settings.added(user.displayName)),
    );
  return (
    <Dialog title={settings.inviteTitle} onClose={onClose}>
      <PeoplePicker label={settings.searchPeople} without={new Set(members?.keys())} onPick={add} />
    </Dialog>
  );
}

function CustomiseDialog({
  conversation,
  onClose,
}: {
  readonly conversation: Conversation;
  readonly onClose: () => void;
}) {
  const {
    common,
    conversation: { settings },
  } = useStrings();
  const client = useClient();
  const { id, policy } = conversation;
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const number = (name: string) => Math.max(0, Math.trunc(Number(form.get(name)) || 0));
    const change: Omit<CallArguments<'conversation.update'>, 'conversationId'> = {
      ...conversationFieldsOf(form),
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
    <Dialog title={settings.customise} onClose={onClose}>
      <form className="stack" onSubmit={submit}>
        <ConversationFields title={conversation.title} topic={conversation.topic} color={conversation.color} />
        <label className="switch">
          <span>
            {settings.public}
            <small>{settings.publicHint}</small>
          </span>
          <input type="checkbox" role="switch" name="public" defaultChecked={conversation.visibility === 'public'} />
        </label>
        <label className="switch">
          <span>
            {settings.membersInvite}
            <small>{settings.membersInviteHint}</small>
          </span>
          <input type="checkbox" role="switch" name="membersInvite" defaultChecked={policy.membersInvite ?? false} />
        </label>
        <label className="switch">
          <span>{settings.guests}</span>
          <input type="checkbox" role="switch" name="guests" defaultChecked={policy.guests ?? true} />
        </label>
        <label className="field">
          <span>{settings.slowMode}</span>
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
          <span>{settings.reactionGate}</span>
          <input
            className="input"
            type="number"
            name="reactionGate"
            min={0}
            max={100}
            defaultValue={policy.reactionGate ?? 0}
          />
        </label>
        <button className="button primary">{common.save}</button>
      </form>
    </Dialog>
  );
}
