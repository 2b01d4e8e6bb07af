import type { Conversation } from '@parley/contracts';
import { Hash, Plus, UsersRound } from 'lucide-react';
import { useState } from 'react';
import { Link, useLocation } from 'wouter';
import { NewChat, RoomAvatar, attempt, colorOf, useChat, useClient, useSearch } from '@parley/react-ui/parts';
import './rooms.css';

/** The page of public conversations. */
export function RoomsPage() {
  const [query, setQuery] = useState('');
  const [order, setOrder] = useState<'active' | 'created'>('active');
  const [creating, setCreating] = useState(false);
  const q = query.trim();
  const { items, done, failed, more } = useSearch<Conversation>('/conversations/public', {
    order,
    limit: 60,
    ...(q !== '' && { query: q }),
  });
  return (
    <div className="page">
      <div className="page-inner">
        <header className="page-head">
          <h1 className="grow">Public rooms</h1>
          <button type="button" className="button primary" onClick={() => setCreating(true)}>
            <Plus size={18} />
            New room
          </button>
        </header>
        <div className="rooms-bar">
          <input
            className="input"
            type="search"
            placeholder="Search rooms"
            aria-label="Search rooms"
            maxLength={100}
            value={query}
            onChange={(event) => setQuery(event.target.value)}
          />
          <div className="tabs">
            <button type="button" aria-pressed={order === 'active'} onClick={() => setOrder('active')}>
              Active
            </button>
            <button type="button" aria-pressed={order === 'created'} onClick={() => setOrder('created')}>
              Newest
            </button>
          </div>
        </div>
        {done && items.length === 0 && (
          <div className="empty">
            <Hash size={40} />
            <h2>{q === '' ? 'No rooms yet' : 'No such room'}</h2>
            <p>
              {q === ''
                ? 'Open the first one: a place where anybody can drop in.'
                : `No public room has “${q}” in its name.`}
            </p>
          </div>
        )}
        {failed && (
          <div className="empty">
            <p>The rooms are shown as soon as the server answers.</p>
          </div>
        )}
        <div className="rooms">
          {items.map((room) => (
            <RoomCard key={room.id} room={room} />
          ))}
        </div>
        {more && <p className="muted small">There are more. Search to find them.</p>}
      </div>
      {creating && <NewChat initialKind="group" initiallyPublic onClose={() => setCreating(false)} />}
    </div>
  );
}

function RoomCard({ room }: { readonly room: Conversation }) {
  const client = useClient();
  const [, navigate] = useLocation();
  const isMember = useChat(({ conversations }) => conversations.has(room.id));
  const join = () =>
    void attempt(async () => {
      await client.join(room.id);
      navigate(`/c/${room.id}`);
    });
  return (
    <article className="room" style={{ '--room': room.color ?? colorOf(room.id) } as React.CSSProperties}>
      <div className="room-band">
        <RoomAvatar conversation={room} size={48} />
      </div>
      <div className="room-text">
        <h2>{room.title ?? 'Room'}</h2>
        {room.topic && <p>{room.topic}</p>}
      </div>
      <div className="room-foot">
        <span className="row muted small">
          <UsersRound size={15} />
          {room.memberCount}
        </span>
        {isMember ? (
          <Link className="button slim" href={`/c/${room.id}`}>
            Open
          </Link>
        ) : (
          <button
            type="button"
            className="button primary slim"
            onClick={join}
            aria-label={`Join ${room.title ?? 'room'}`}
          >
            Join
          </button>
        )}
      </div>
    </article>
  );
}
