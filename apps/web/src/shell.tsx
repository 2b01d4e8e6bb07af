import { Bell, Hash, MessageCircle, MessagesSquare, Settings, Users } from 'lucide-react';
import { Suspense, useCallback, useState, type ReactNode } from 'react';
import { Link, Route, Switch, useLocation, useRoute, useSearch } from 'wouter';
import { ConversationPage, PersonCard, Sidebar, Toasts, UndoNotice, type OpenPerson } from '@parley/react-ui';
import {
  Avatar,
  ErrorBoundary,
  KeysDialog,
  lazyPart,
  NewChat,
  OpenPersonContext,
  undoQueueOf,
  useChat,
  useClient,
  useGlobalKeys,
  useMe,
  type Kind,
} from '@parley/react-ui/parts';
import { MessageNotifier } from './notifications/message-notifier.tsx';
import { messageOf } from './shared/app-places.tsx';
import { basePath } from './shared/base-path.ts';
import { LogOutDialog } from './shared/log-out-dialog.tsx';
import { useHasUnreadActivity } from './activity/activity.ts';
import { useActions } from './find/actions.tsx';
import { DevicesPage } from './settings/devices-page.tsx';
import { PeoplePage } from './people/people-page.tsx';
import { RoomLink } from './rooms/room-link.tsx';
import { RoomsPage } from './rooms/rooms-page.tsx';
import { SettingsPage } from './settings/settings-page.tsx';
import { useAppStrings } from './strings/app-strings.tsx';
import './shell.css';

const FindDialog = lazyPart(() => import('./find/find-dialog.tsx'));
const ActivityPage = lazyPart(() => import('./activity/activity-page.tsx'));
const AboutPage = lazyPart(() => import('./about/about-page.tsx'));

/** The app of a signed-in user: navigation, sidebar and the present page. */
export function Shell() {
  const { devices, shell } = useAppStrings();
  const [location] = useLocation();
  const [inConversation] = useRoute('/c/:id');
  const at = messageOf(useSearch());
  const [dialog, setDialog] = useState<OpenDialog>();
  const openPerson = useCallback<OpenPerson>((person, conversationId) => setDialog({ person, conversationId }), []);
  const undoQueue = undoQueueOf(useClient());
  useGlobalKeys({ find: () => setDialog('find'), help: () => setDialog('keys'), undo: () => undoQueue.undo() });
  return (
    <OpenPersonContext value={openPerson}>
      <div className={`shell${location === '/' ? ' at-list' : ''}${inConversation ? ' in-talk' : ''}`}>
        <ConnectionBanner />
        <Navigation />
        <ErrorBoundary>
          <Sidebar onFind={() => setDialog('find')} />
        </ErrorBoundary>
        <main className="main">
          <ErrorBoundary key={location}>
            <Switch>
              <Route path="/c/:id">{({ id }) => <ConversationPage key={id} id={id} at={at} />}</Route>
              <Route path="/r/:id">{({ id }) => <RoomLink key={id} id={id} />}</Route>
              <Route path="/rooms">
                <RoomsPage />
              </Route>
              <Route path="/people">
                <PeoplePage />
              </Route>
              <Route path="/settings">
                <SettingsPage />
              </Route>
              <Route path="/activity">
                <Suspense>
                  <ActivityPage />
                </Suspense>
              </Route>
              <Route path="/about">
                <Suspense>
                  <AboutPage back={{ href: '/settings', label: devices.back }} />
                </Suspense>
              </Route>
              <Route path="/settings/devices">
                <DevicesPage />
              </Route>
              <Route path="/">
                <EmptyPage title={shell.pick} text={shell.pickHint} />
              </Route>
              <Route>
                <EmptyPage title={shell.nothing} text={shell.nothingHint} />
              </Route>
            </Switch>
          </ErrorBoundary>
        </main>
        <ErrorBoundary key={typeof dialog === 'object' ? 'newChat' : dialog}>
          <Dialogs open={dialog} onOpen={setDialog} />
        </ErrorBoundary>
        <MessageNotifier />
        <Toasts />
        <UndoNotice />
      </div>
    </OpenPersonContext>
  );
}

/** A dialog that belongs to no page. */
type OpenDialog = 'find' | 'keys' | 'logOut' | { readonly newChat: Kind } | PersonShown | undefined;

interface PersonShown {
  readonly person: string;
  readonly conversationId: string | undefined;
}

function Dialogs({ open, onOpen }: { readonly open: OpenDialog; readonly onOpen: (next: OpenDialog) => void }) {
  const close = () => onOpen(undefined);
  const actions = useActions({
    newChat: (kind) => onOpen({ newChat: kind }),
    keys: () => onOpen('keys'),
    logOut: () => onOpen('logOut'),
  });
  return (
    <Suspense>
      {open === 'find' && <FindDialog actions={actions} onClose={close} />}
      {open === 'keys' && <KeysDialog onClose={close} />}
      {open === 'logOut' && <LogOutDialog onClose={close} />}
      {typeof open === 'object' && 'person' in open && (
        <PersonCard userId={open.person} conversationId={open.conversationId} onClose={close} />
      )}
      {typeof open === 'object' && 'newChat' in open && <NewChat initialKind={open.newChat} onClose={close} />}
    </Suspense>
  );
}

function EmptyPage({ title, text }: { readonly title: string; readonly text: string }) {
  return (
    <div className="empty grow">
      <MessagesSquare size={48} strokeWidth={1.5} />
      <h2>{title}</h2>
      <p>{text}</p>
    </div>
  );
}

function ConnectionBanner() {
  const { shell } = useAppStrings();
  const connection = useChat((state) => state.connection);
  const pending = useChat((state) => state.pendingCount);
  const showsKept = useChat(({ conversations }) => [...conversations.values()].some((view) => view.kept));
  return (
    <div role="status" className={connection === 'offline' ? 'banner' : 'hidden-text'}>
      {connection === 'offline' && <span>{shell.offline(showsKept, pending)}</span>}
    </div>
  );
}

function Navigation() {
  const { shell } = useAppStrings();
  const me = useMe();
  const unread = useChat(({ conversations }) =>
    [...conversations.values()].reduce(
      (sum, view) => sum + (view.conversation.me?.notifications === 'none' ? 0 : view.unread),
      0,
    ),
  );
  return (
    <nav className="rail" aria-label={shell.navigation}>
      <img src={`${basePath}/favicon.svg`} alt="" />
      <NavigationLink href="/" label={shell.chats} icon={<MessageCircle size={22} />} badge={unread} prefix="/c/" />
      <NavigationLink href="/activity" label={shell.activity} icon={<Bell size={22} />} dot={useHasUnreadActivity()} />
      <NavigationLink href="/rooms" label={shell.rooms} icon={<Hash size={22} />} prefix="/r/" />
      <NavigationLink href="/people" label={shell.people} icon={<Users size={22} />} />
      <NavigationLink href="/settings" label={shell.settings} icon={<Settings size={22} />} prefix="/settings/" last />
      <Link href="/settings" className="rail-me" aria-label={shell.profile(me.displayName)}>
        <Avatar user={me} size={36} />
      </Link>
    </nav>
  );
}

interface NavigationLinkProps {
  readonly href: string;
  readonly label: string;
  readonly icon: ReactNode;
  readonly badge?: number;
  /** Whether something is new there. */
  readonly dot?: boolean;
  /** Addresses that begin with this belong to the link too. */
  readonly prefix?: string;
  readonly last?: boolean;
}

function NavigationLink({ href, label, icon, badge = 0, dot = false, prefix, last = false }: NavigationLinkProps) {
  const { shell } = useAppStrings();
  const [location] = useLocation();
  const current = location === href || (prefix !== undefined && location.startsWith(prefix));
  return (
    <Link href={href} className={last ? 'last' : ''} aria-current={current ? 'page' : undefined}>
      {icon}
      <span>{label}</span>
      {dot && <span className="rail-dot" aria-label={shell.newActivity} role="img" />}
      {badge > 0 && (
        <span className="badge" aria-label={shell.unread(badge)} role="img">
          {badge > 99 ? '99+' : badge}
        </span>
      )}
    </Link>
  );
}
