import type { Found } from '@parley/contracts';
import { useState } from 'react';
import { useSearch } from '../shared/search.ts';
import { MessageHit } from './message-hit.tsx';
import { Panel } from '../shared/panel.tsx';
import { useStrings } from '../strings/strings.tsx';

const MAX_HITS = 50;

/** The panel that searches the messages of one conversation. */
export function SearchPanel({
  id,
  onClose,
  onPick,
}: {
  readonly id: string;
  readonly onClose: () => void;
  readonly onPick: (seq: number) => void;
}) {
  const { conversation } = useStrings();
  const [query, setQuery] = useState('');
  const q = query.trim();
  const { items, done, more } = useSearch<Found>(q === '' ? undefined : '/search/messages', {
    q,
    conversationId: id,
    limit: MAX_HITS,
  });
  return (
    <Panel title={conversation.searchMessages} onClose={onClose}>
      <div className="panel-body">
        {/* eslint-disable-next-line jsx-a11y/no-autofocus -- the panel was opened to type here */}
        <input
          autoFocus
          className="input"
          type="search"
          placeholder={conversation.search.placeholder}
          aria-label={conversation.search.label}
          maxLength={200}
          value={query}
          onChange={(event) => setQuery(event.target.value)}
        />
        <div className="person-list" aria-live="polite">
          {items.map(({ message, highlight }) => (
            <MessageHit key={message.id} message={message} highlight={highlight} onPick={onPick} />
          ))}
          {q !== '' && done && items.length === 0 && <p className="empty">{conversation.search.none(q)}</p>}
          {more && <p className="muted small">{conversation.search.more(MAX_HITS)}</p>}
        </div>
      </div>
    </Panel>
  );
}
