import type { Conversation } from '@parley/contracts';
import { useEffect, useState } from 'react';
import { Link, useLocation } from 'wouter';
import { useStrings } from '@parley/react-ui';
import { RoomAvatar, attempt, explain, useChat, useClient } from '@parley/react-ui/parts';
import { useAppStrings } from '../strings/app-strings.tsx';
import './rooms.css';

/** The page of a room's link. Members are sent to the conversation; others see what the room is, and join. */
export function RoomLink({ id }: { readonly id: string }) {
  const { rooms } = useAppStrings();
  const { common } = useStrings();
  const client = useClient();
  const [, navigate] = useLocation();
  const isMember = useChat(({ conversations }) => conversations.has(id));
  const [room, setRoom] = useState<Conversation>();
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    if (isMember) return navigate(`/c/${id}`, { replace: true });
    let current = true;
    client.request<Conversation>('GET', `/conversations/${encodeURIComponent(id)}`).then(
      (found) => current && setRoom(found),
      (error: unknown) => current && setProblem(explain(error)),
    );
    return () => {
      current = false;
    };
  }, [client, id, isMember, navigate]);
  if (problem !== undefined)
    return (
      <div className="empty grow">
        <h2>{rooms.noSuchRoom}</h2>
        <p>{problem}</p>
        <Link href="/rooms" className="button">
          {rooms.browse}
        </Link>
      </div>
    );
  if (!room)
    return (
      <div className="empty grow">
        <div className="spinner" role="img" aria-label={common.loading} />
      </div>
    );
  return (
    <div className="page">
      <section className="card room-card">
        <RoomAvatar conversation={room} size={84} />
        <h1>{room.title ?? rooms.room}</h1>
        {room.topic && <p>{room.topic}</p>}
        <p className="muted">{rooms.members(room.memberCount)}</p>
        <button type="button" className="button primary wide" onClick={() => void attempt(() => client.join(id))}>
          {rooms.joinThis}
        </button>
      </section>
    </div>
  );
}
