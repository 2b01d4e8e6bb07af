import type { User } from '@parley/contracts';
import { Check } from 'lucide-react';
import { useState } from 'react';
import { useMe } from '../shared/chat.ts';
import { useSearch } from '../shared/search.ts';
import { Avatar } from './avatar.tsx';
import { useStrings } from '../strings/strings.tsx';

interface Props {
  readonly label: string;
  readonly picked?: readonly User[];
  readonly without?: ReadonlySet<string>;
  readonly onPick: (user: User) => void;
}

/** Finds people by name, to pick one or several. */
export function PeoplePicker({ label, picked = [], without, onPick }: Props) {
  const strings = useStrings();
  const me = useMe();
  const [query, setQuery] = useState('');
  const { items, done, failed } = useSearch<User>('/users', {
    query: query.trim() === '' ? undefined : query.trim(),
    limit: 30,
  });
  const people = items.filter(({ id }) => id !== me.id && !without?.has(id));
  return (
    <>
      <input
        className="input"
        type="search"
        placeholder={strings.people.search}
        aria-label={label}
        maxLength={100}
        value={query}
        onChange={(event) => setQuery(event.target.value)}
      />
      <div className="person-list" aria-live="polite">
        {people.map((user) => (
          <button
            key={user.id}
            type="button"
            className="person"
            aria-pressed={picked.some(({ id }) => id === user.id)}
            onClick={() => onPick(user)}
          >
            <Avatar user={user} size={38} />
            <span className="grow">
              <span className="cut" dir="auto">
                {user.displayName}
              </span>
              <small className="cut">@{user.username}</small>
            </span>
            {picked.some(({ id }) => id === user.id) && <Check size={20} />}
          </button>
        ))}
        {failed && <p className="muted small">{strings.people.offline}</p>}
        {done && people.length === 0 && (
          <p className="muted small">
            {query.trim() === '' ? strings.people.nobodyElse : strings.people.nobodyCalled(query.trim())}
          </p>
        )}
      </div>
    </>
  );
}
