import type { Found } from '@parley/contracts';
import { useState } from 'react';
import { useUser } from '../shared/chat.ts';
import { useSearch } from '../shared/search.ts';
import { Highlight } from '../shared/highlight.tsx';
import { Panel } from '../shared/panel.tsx';
import { briefly } from '../shared/times.ts';

export function SearchPanel({
  id,
  onClose,
  onPick,
}: {
  readonly id: string;
  readonly onClose: () => void;
  readonly onPick: (seq: number) => void;
}) {
  const [query, setQuery] = useState('');
  const q = query.trim();
  const { items, done, more } = useSearch<Found>(q === '' ? undefined : '/search/messages', {
    q,
    conversationId: id,
    limit: 50,
  });
  return (
    <Panel title="Search messages" onClose={onClose}>
      <div className="panel-body">
        {/* eslint-disable-next-line jsx-a11y/no-autofocus -- the panel was opened to type here */}
        <input
          autoFocus
          className="input"
          type="search"
          placeholder="Words, or parts of words"
          aria-label="Search in this conversation"
          maxLength={200}
          value={query}
          onChange={(event) => setQuery(event.target.value)}
        />
        <div className="person-list" aria-live="polite">
          {items.map(({ message, highlight }) => (
            <Hit key={message.id} message={message} highlight={highlight} onPick={onPick} />
          ))}
          {q !== '' && done && items.length === 0 && <p className="empty">No message contains “{q}”.</p>}
          {more && <p className="muted small">These are the newest 50. More words find fewer.</p>}
        </div>
      </div>
    </Panel>
  );
}

export function Hit({
  message,
  highlight,
  onPick,
}: {
  readonly message: Found['message'];
  readonly highlight: string;
  readonly onPick: (seq: number) => void;
}) {
  const sender = useUser(message.senderId);
  return (
    <button type="button" className="person" onClick={() => onPick(message.seq)}>
      <span className="grow">
        <span className="row">
          <strong className="grow cut">{sender?.displayName ?? '…'}</strong>
          <time className="muted small" dateTime={message.createdAt}>
            {briefly(message.createdAt)}
          </time>
        </span>
        <small className="hit">
          <Highlight text={highlight} />
        </small>
      </span>
    </button>
  );
}
