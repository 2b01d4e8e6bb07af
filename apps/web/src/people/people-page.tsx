import type { ListedUser, User } from '@parley/contracts';
import { Ban, MessageCircle, UserMinus, UserPlus } from 'lucide-react';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { useLocation } from 'wouter';
import {
  Avatar,
  PeoplePicker,
  attempt,
  listItems,
  openDirectConversation,
  useChat,
  useClient,
  useOpenPerson,
  useWatchedPresence,
} from '@parley/react-ui/parts';
import { useAppStrings } from '../strings/app-strings.tsx';

type List = 'contacts' | 'blocks';

function usePeopleList(name: List) {
  const client = useClient();
  const [users, setUsers] = useState<readonly User[]>();
  const load = useCallback(
    () =>
      attempt(async () => {
        const loaded: User[] = [];
        for await (const { user } of listItems<ListedUser>(client, `/${name}`)) loaded.push(user);
        setUsers(loaded);
      }),
    [client, name],
  );
  useEffect(() => void load(), [load]);
  const set = (userId: string, isListed: boolean) =>
    void attempt(() => client.request(isListed ? 'PUT' : 'DELETE', `/${name}/${userId}`)).then(load);
  return { users, set };
}

/** The user's contacts, a search for people, and blocked people. */
export function PeoplePage() {
  const { people } = useAppStrings();
  const client = useClient();
  const [, navigate] = useLocation();
  const contacts = usePeopleList('contacts');
  const blocks = usePeopleList('blocks');
  const ids = useMemo(() => (contacts.users ?? []).slice(0, 100).map(({ id }) => id), [contacts.users]);
  useWatchedPresence(ids);
  const write = (user: User) =>
    void attempt(async () => navigate(`/c/${await openDirectConversation(client, user.id)}`));
  return (
    <div className="page">
      <div className="page-inner">
        <h1>{people.title}</h1>
        <section className="card">
          <h2>{people.contacts}</h2>
          {contacts.users?.length === 0 && <p className="muted">{people.none}</p>}
          <div className="person-list">
            {contacts.users?.map((user) => (
              <PersonEntry key={user.id} user={user}>
                <button
                  type="button"
                  className="icon-button"
                  aria-label={people.writeTo(user.displayName)}
                  title={people.write}
                  onClick={() => write(user)}
                >
                  <MessageCircle size={19} />
                </button>
                <button
                  type="button"
                  className="icon-button"
                  aria-label={people.takeOffPerson(user.displayName)}
                  title={people.takeOff}
                  onClick={() => contacts.set(user.id, false)}
                >
                  <UserMinus size={19} />
                </button>
                <button
                  type="button"
                  className="icon-button"
                  aria-label={people.blockPerson(user.displayName)}
                  title={people.block}
                  onClick={() => blocks.set(user.id, true)}
                >
                  <Ban size={19} />
                </button>
              </PersonEntry>
            ))}
          </div>
        </section>
        <section className="card">
          <h2>{people.find}</h2>
          <PeoplePicker
            label={people.search}
            picked={contacts.users ?? []}
            onPick={(user) => contacts.set(user.id, !contacts.users?.some(({ id }) => id === user.id))}
          />
          <p className="muted small row">
            <UserPlus size={16} />
            {people.pickHint}
          </p>
        </section>
        {(blocks.users?.length ?? 0) > 0 && (
          <section className="card">
            <h2>{people.blocked}</h2>
            <div className="person-list">
              {blocks.users?.map((user) => (
                <PersonEntry key={user.id} user={user}>
                  <button type="button" className="button slim" onClick={() => blocks.set(user.id, false)}>
                    {people.unblock}
                  </button>
                </PersonEntry>
              ))}
            </div>
          </section>
        )}
      </div>
    </div>
  );
}

function PersonEntry({ user, children }: { readonly user: User; readonly children: React.ReactNode }) {
  const state = useChat(({ presence }) => presence.get(user.id)?.state);
  const openPerson = useOpenPerson();
  return (
    <div className="person">
      <button type="button" className="who-button grow" onClick={() => openPerson(user.id)}>
        <Avatar user={user} size={42} presence={state} />
        <span className="grow">
          <span className="cut" dir="auto">
            {user.displayName}
          </span>
          <small className="cut">@{user.username}</small>
        </span>
      </button>
      {children}
    </div>
  );
}
