import type { User } from '@parley/contracts';
import { X } from 'lucide-react';
import { useState, type FormEvent } from 'react';
import { useLocation } from 'wouter';
import { directWith, useClient, useMe } from '../shared/chat.ts';
import { Avatar } from '../people/avatar.tsx';
import { Dialog } from '../shared/dialog.tsx';
import '../shared/forms.css';
import { PeoplePicker } from '../people/people-picker.tsx';
import { RoomFields, roomOf } from './conversation-fields.tsx';
import { attempt } from '../shared/toasts.tsx';

export type Kind = 'direct' | 'group' | 'channel';
const kinds: readonly (readonly [Kind, string])[] = [
  ['direct', 'Person'],
  ['group', 'Group'],
  ['channel', 'Channel'],
];

/** Starts a direct chat, a group or a channel. */
export function NewChat({
  onClose,
  begin = 'direct',
  open = false,
}: {
  readonly onClose: () => void;
  readonly begin?: Kind;
  /** Whether it is a public room at first. */ readonly open?: boolean;
}) {
  const guest = useMe().kind === 'guest';
  const [kind, setKind] = useState<Kind>(begin);
  const client = useClient();
  const [, navigate] = useLocation();
  const go = (work: () => Promise<string>) =>
    void attempt(async () => {
      navigate(`/c/${await work()}`);
      onClose();
    });
  return (
    <Dialog title="New chat" onClose={onClose}>
      <div className="tabs">
        {kinds
          .filter(([one]) => !guest || one !== 'channel')
          .map(([one, label]) => (
            <button key={one} type="button" aria-pressed={kind === one} onClick={() => setKind(one)}>
              {label}
            </button>
          ))}
      </div>
      {kind === 'direct' ? (
        <PeoplePicker label="Search people by name" onPick={(user) => go(() => directWith(client, user.id))} />
      ) : (
        <GroupForm
          key={kind}
          kind={kind}
          open={open}
          onCreate={(input) => go(async () => (await client.createConversation(input)).id)}
        />
      )}
    </Dialog>
  );
}

type Input = Parameters<ReturnType<typeof useClient>['createConversation']>[0];

function GroupForm({
  kind,
  open,
  onCreate,
}: {
  readonly kind: 'group' | 'channel';
  readonly open: boolean;
  readonly onCreate: (input: Input) => void;
}) {
  const [members, setMembers] = useState<readonly User[]>([]);
  const [isPublic, setPublic] = useState(open);
  const toggle = (user: User) =>
    setMembers((all) =>
      all.some(({ id }) => id === user.id) ? all.filter(({ id }) => id !== user.id) : [...all, user],
    );
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    onCreate({
      kind,
      visibility: isPublic ? 'public' : 'private',
      ...roomOf(new FormData(event.currentTarget)),
      memberIds: members.map(({ id }) => id),
    });
  };
  return (
    <form className="stack" onSubmit={submit}>
      {kind === 'channel' && (
        <p className="muted small">
          In a channel only you and the admins you choose write; everybody reads and reacts.
        </p>
      )}
      <RoomFields />
      <label className="switch">
        <span>
          Public<small>Anybody can find it and join</small>
        </span>
        <input type="checkbox" role="switch" checked={isPublic} onChange={(event) => setPublic(event.target.checked)} />
      </label>
      <div className="field">
        <span>Members</span>
      </div>
      {members.length > 0 && (
        <div className="chips">
          {members.map((user) => (
            <button key={user.id} type="button" aria-label={`Remove ${user.displayName}`} onClick={() => toggle(user)}>
              <Avatar user={user} size={24} />
              <span className="cut">{user.displayName}</span>
              <X size={14} />
            </button>
          ))}
        </div>
      )}
      <PeoplePicker label="Search people to add" picked={members} onPick={toggle} />
      <button className="button primary sticky">Create {kind}</button>
    </form>
  );
}
