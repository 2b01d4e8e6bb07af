import type { User } from '@parley/contracts';
import { X } from 'lucide-react';
import { useState, type FormEvent } from 'react';
import { openDirectConversation, useClient, useMe } from '../shared/chat.ts';
import { Avatar } from '../people/avatar.tsx';
import { Dialog } from '../shared/dialog.tsx';
import { PeoplePicker } from '../people/people-picker.tsx';
import { useOpenPlace } from '../shared/places.tsx';
import { ConversationFields, conversationFieldsOf } from './conversation-fields.tsx';
import { attempt } from '../shared/toasts.tsx';
import { useStrings } from '../strings/strings.tsx';

/** What the dialog creates. */
export type Kind = 'direct' | 'group' | 'channel';
const kinds: readonly Kind[] = ['direct', 'group', 'channel'];

/** The dialog that starts a direct conversation, a group or a channel. */
export function NewChat({
  onClose,
  initialKind = 'direct',
  initiallyPublic = false,
}: {
  readonly onClose: () => void;
  readonly initialKind?: Kind;
  readonly initiallyPublic?: boolean;
}) {
  const { newChat } = useStrings();
  const isGuest = useMe().kind === 'guest';
  const [kind, setKind] = useState<Kind>(initialKind);
  const client = useClient();
  const openPlace = useOpenPlace();
  const create = (work: () => Promise<string>) =>
    void attempt(async () => {
      openPlace({ conversation: await work() });
      onClose();
    });
  return (
    <Dialog title={newChat.title} onClose={onClose}>
      <div className="tabs">
        {kinds
          .filter((choice) => !isGuest || choice !== 'channel')
          .map((choice) => (
            <button key={choice} type="button" aria-pressed={kind === choice} onClick={() => setKind(choice)}>
              {newChat.kinds[choice]}
            </button>
          ))}
      </div>
      {kind === 'direct' ? (
        <PeoplePicker
          label={newChat.searchPeople}
          onPick={(user) => create(() => openDirectConversation(client, user.id))}
        />
      ) : (
        <GroupForm
          key={kind}
          kind={kind}
          initiallyPublic={initiallyPublic}
          onCreate={(input) => create(async () => (await client.createConversation(input)).id)}
        />
      )}
    </Dialog>
  );
}

type Input = Parameters<ReturnType<typeof useClient>['createConversation']>[0];

function GroupForm({
  kind,
  initiallyPublic,
  onCreate,
}: {
  readonly kind: 'group' | 'channel';
  readonly initiallyPublic: boolean;
  readonly onCreate: (input: Input) => void;
}) {
  const { newChat } = useStrings();
  const [members, setMembers] = useState<readonly User[]>([]);
  const [isPublic, setPublic] = useState(initiallyPublic);
  const toggle = (user: User) =>
    setMembers((current) =>
      current.some(({ id }) => id === user.id) ? current.filter(({ id }) => id !== user.id) : [...current, user],
    );
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    onCreate({
      kind,
      visibility: isPublic ? 'public' : 'private',
      ...conversationFieldsOf(new FormData(event.currentTarget)),
      memberIds: members.map(({ id }) => id),
    });
  };
  return (
    <form className="stack" onSubmit={submit}>
      {kind === 'channel' && <p className="muted small">{newChat.channelHint}</p>}
      <ConversationFields />
      <label className="switch">
        <span>
          {newChat.public}
          <small>{newChat.publicHint}</small>
        </span>
        <input type="checkbox" role="switch" checked={isPublic} onChange={(event) => setPublic(event.target.checked)} />
      </label>
      <div className="field">
        <span>{newChat.members}</span>
      </div>
      {members.length > 0 && (
        <div className="chips">
          {members.map((user) => (
            <button
              key={user.id}
              type="button"
              aria-label={newChat.remove(user.displayName)}
              onClick={() => toggle(user)}
            >
              <Avatar user={user} size={24} />
              <span className="cut" dir="auto">
                {user.displayName}
              </span>
              <X size={14} />
            </button>
          ))}
        </div>
      )}
      <PeoplePicker label={newChat.searchToAdd} picked={members} onPick={toggle} />
      <button className="button primary sticky">{newChat.create[kind]}</button>
    </form>
  );
}
