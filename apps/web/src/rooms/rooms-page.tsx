import type { Conversation } from '@parley/contracts';
import { Hash, Plus, UsersRound } from 'lucide-react';
import { useState } from 'react';
import { Link, useLocation } from 'wouter';
import { NewChat, RoomAvatar, attempt, colorOf, useChat, useClient, useSearch } from '@parley/react-ui/parts';
import { useAppStrings } from '../strings/app-strings.tsx';
import './rooms.css';

/** The page of public conversations. */
export function RoomsPage() {
  const { rooms } = useAppStrings();
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
          <h1 className="grow">{rooms.title}</h1>
          <button type="button" className="button primary" onClick={() => setCreating(true)}>
            <Plus size={18} />
            {rooms.newRoom}
          </button>
        </header>
        <div className="rooms-bar">
          <input
            className="input"
            type="search"
            placeholder={rooms.search}
            aria-label={rooms.search}
            maxLength={100}
            value={query}
            onChange={(event) => setQuery(event.target.value)}
          />
          <div className="tabs">
            <button type="button" aria-pressed={order === 'active'} onClick={() => setOrder('active')}>
              {rooms.active}
            </button>
            <button type="button" aria-pressed={order === 'created'} onClick={() => setOrder('created')}>
              {rooms.newest}
            </button>
          </div>
        </div>
        {done && items.length === 0 && (
          <div className="empty">
            <Hash size={40} />
            <h2>{q === '' ? rooms.none : rooms.notFound}</h2>
            <p>{q === '' ? rooms.noneHint : rooms.notFoundHint(q)}</p>
          </div>
        )}
        {failed && (
          <div className="empty">
            <p>{rooms.offline}</p>
          </div>
        )}
        <div className="rooms">
          {items.map((room) => (
            <RoomCard key={room.id} room={room} />
          ))}
        </div>
        {more && <p className="muted small">{rooms.more}</p>}
      </div>
      {creating && <NewChat initialKind="group" initiallyPublic onClose={() => setCreating(false)} />}
    </div>
  );
}

function RoomCard({ room }: { readonly room: Conversation }) {
  const { rooms } = useAppStrings();
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
        <h2>{room.title ?? rooms.room}</h2>
        {room.topic && <p>{room.topic}</p>}
      </div>
      <div className="room-foot">
        <span className="row muted small">
          <UsersRound size={15} />
          {rooms.count(room.memberCount)}
        </span>
        {isMember ? (
          <Link className="button slim" href={`/c/${room.id}`}>
            {rooms.open}
          </Link>
        ) : (
          <button type="button" className="button primary slim" onClick={join} aria-label={rooms.joinRoom(room.title)}>
            {rooms.join}
          </button>
        )}
      </div>
    </article>
  );
}
