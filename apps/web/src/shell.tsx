import { Hash, MessageCircle, MessagesSquare, Settings, Users } from 'lucide-react';
import type { ReactNode } from 'react';
import { Link, Route, Switch, useLocation, useRoute } from 'wouter';
import { useChat, useMe } from './shared/chat.ts';
import { Announcer } from './notifications/message-notifier.tsx';
import { Avatar } from './people/avatar.tsx';
import { Toasts } from './shared/toasts.tsx';
import { ConversationPage } from './conversation/conversation-page.tsx';
import { Devices } from './settings/devices-page.tsx';
import { People } from './people/people-page.tsx';
import { RoomLink } from './rooms/room-link.tsx';
import { Rooms } from './rooms/rooms-page.tsx';
import { SettingsPage } from './settings/settings-page.tsx';
import './shell.css';
import { Side } from './sidebar/sidebar.tsx';

/** Everything that one sees while logged in. */
export function Shell() {
  const [location] = useLocation();
  const [inTalk] = useRoute('/c/:id');
  return (
    <div className={`shell${location === '/' ? ' at-list' : ''}${inTalk ? ' in-talk' : ''}`}>
      <Banner />
      <Rail />
      <Side />
      <main className="main">
        <Switch>
          <Route path="/c/:id">{({ id }) => <ConversationPage key={id} id={id} />}</Route>
          <Route path="/r/:id">{({ id }) => <RoomLink key={id} id={id} />}</Route>
          <Route path="/rooms">
            <Rooms />
          </Route>
          <Route path="/people">
            <People />
          </Route>
          <Route path="/settings">
            <SettingsPage />
          </Route>
          <Route path="/settings/devices">
            <Devices />
          </Route>
          <Route path="/">
            <Nothing
              title="Pick a conversation"
              text="Or start a new one: with a friend, in a group, or in a public room."
            />
          </Route>
          <Route>
            <Nothing title="Nothing here" text="This address leads nowhere. Pick a conversation on the left." />
          </Route>
        </Switch>
      </main>
      <Announcer />
      <Toasts />
    </div>
  );
}

function Nothing({ title, text }: { readonly title: string; readonly text: string }) {
  return (
    <div className="empty grow">
      <MessagesSquare size={48} strokeWidth={1.5} />
      <h2>{title}</h2>
      <p>{text}</p>
    </div>
  );
}

function Banner() {
  const connection = useChat((state) => state.connection);
  const pending = useChat((state) => state.pendingCount);
  const kept = useChat(({ conversations }) => [...conversations.values()].some((view) => view.kept));
  const waiting =
    pending === 0
      ? 'What you write is sent when the connection is back.'
      : `${pending} message${pending === 1 ? ' waits' : 's wait'}, and won’t be lost.`;
  return (
    <div role="status" className={connection === 'offline' ? 'banner' : 'hidden-text'}>
      {connection === 'offline' && (
        <span>
          No connection to the server{kept ? ': you see what was last known' : ''}. {waiting}
        </span>
      )}
    </div>
  );
}

function Rail() {
  const me = useMe();
  const unread = useChat(({ conversations }) =>
    [...conversations.values()].reduce(
      (sum, view) => sum + (view.conversation.me?.notifications === 'none' ? 0 : view.unread),
      0,
    ),
  );
  return (
    <nav className="rail" aria-label="Parts of Parley">
      <img src="/favicon.svg" alt="" />
      <RailLink href="/" label="Chats" icon={<MessageCircle size={22} />} badge={unread} also="/c/" />
      <RailLink href="/rooms" label="Rooms" icon={<Hash size={22} />} also="/r/" />
      <RailLink href="/people" label="People" icon={<Users size={22} />} />
      <RailLink href="/settings" label="Settings" icon={<Settings size={22} />} also="/settings/" last />
      <Link href="/settings" className="rail-me" aria-label={`${me.displayName}, your profile`}>
        <Avatar user={me} size={36} />
      </Link>
    </nav>
  );
}

interface RailLinkProps {
  readonly href: string;
  readonly label: string;
  readonly icon: ReactNode;
  readonly badge?: number;
  /** Addresses below it belong to it too. */
  readonly also?: string;
  readonly last?: boolean;
}

function RailLink({ href, label, icon, badge = 0, also, last = false }: RailLinkProps) {
  const [location] = useLocation();
  const current = location === href || (also !== undefined && location.startsWith(also));
  return (
    <Link href={href} className={last ? 'last' : ''} aria-current={current ? 'page' : undefined}>
      {icon}
      <span>{label}</span>
      {badge > 0 && (
        <span className="badge" aria-label={`${badge} unread`} role="img">
          {badge > 99 ? '99+' : badge}
        </span>
      )}
    </Link>
  );
}
