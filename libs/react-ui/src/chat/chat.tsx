import type { ParleyClient } from '@parley/client';
import { MessagesSquare } from 'lucide-react';
import { Suspense, useCallback, useEffect, useState, useSyncExternalStore, type ReactNode } from 'react';
import { ConversationPage } from '../conversation/conversation-page.tsx';
import type { OpenPerson } from '../people/open-person.ts';
import { useChat } from '../shared/chat.ts';
import { ErrorBoundary, lazyPart } from '../shared/error-boundary.tsx';
import type { Places } from '../shared/places.tsx';
import { ChatProvider } from '../shared/provider.tsx';
import { Toasts } from '../shared/toasts.tsx';
import { Sidebar } from '../sidebar/sidebar.tsx';
import { directionOf } from '../strings/formats.ts';
import { useStrings, type Partially, type Strings } from '../strings/strings.tsx';
import { onSystemThemeChange, systemTheme, type Theme } from '../styles/themes.ts';

const PersonCard = lazyPart(() => import('../people/person-card.tsx'));

/** What {@link Chat} takes. */
export interface ChatProps {
  /** A client; the chat is shown once somebody is signed in to it. */
  readonly client: ParleyClient;
  /** The conversation to show, also when this changes later. Without it the user picks one from the list. */
  readonly conversationId?: string | undefined;
  /** A theme. Default: one that suits the system's colour scheme. */
  readonly theme?: Theme | undefined;
  /** A language, from `loadStrings`. Default: English. */
  readonly strings?: Strings | undefined;
  /** Other texts in place of some of them. */
  readonly texts?: Partially<Strings> | undefined;
  /** What is shown while nobody is signed in to the client. Default: that it is loading. */
  readonly whileSignedOut?: 'loading' | 'signedOut' | 'expired' | undefined;
  /** Tells which conversation is shown; undefined: the list alone. */
  readonly onConversation?: ((id: string | undefined) => void) | undefined;
}

/** What is shown: a conversation, perhaps at one of its messages. */
interface Shown {
  readonly conversation?: string | undefined;
  readonly at?: number | undefined;
}

/**
 * The whole chat: conversations, the open one, people's cards and notices, in an element of class `parley` that fills the
 * one around it. It keeps no address, so that it can be a part of any page.
 */
export function Chat({
  client,
  conversationId,
  theme,
  strings,
  texts,
  whileSignedOut = 'loading',
  onConversation,
}: ChatProps) {
  const system = useSyncExternalStore(onSystemThemeChange, systemTheme);
  const [shown, setShown] = useState<Shown>({ conversation: conversationId });
  useEffect(() => setShown({ conversation: conversationId }), [conversationId]);
  const { conversation } = shown;
  useEffect(() => onConversation?.(conversation), [conversation, onConversation]);
  const [person, setPerson] = useState<Parameters<OpenPerson>>();
  const openPerson = useCallback<OpenPerson>((...named) => setPerson(named), []);
  const open = useCallback<Places['open']>((place) => {
    if (place === 'rooms') return;
    if (place === 'list') setShown({});
    else setShown('room' in place ? { conversation: place.room } : place);
  }, []);
  const language = texts?.language ?? strings?.language ?? 'en';
  return (
    <ChatProvider
      client={client}
      conversationId={conversation}
      open={open}
      onOpenPerson={openPerson}
      strings={strings}
      texts={texts}
    >
      <div
        className="parley chat-root"
        part="chat"
        data-theme={theme ?? system}
        lang={language}
        dir={directionOf(language)}
      >
        <SignedIn otherwise={whileSignedOut}>
          <div className={`chat${conversation === undefined ? '' : ' in-conversation'}`}>
            <ConnectionNote />
            <ErrorBoundary>
              <Sidebar />
            </ErrorBoundary>
            <div className="chat-main">
              <ErrorBoundary key={conversation}>
                {conversation === undefined ? (
                  <NothingOpen />
                ) : (
                  <ConversationPage key={conversation} id={conversation} at={shown.at} />
                )}
              </ErrorBoundary>
            </div>
            {person && (
              <ErrorBoundary key={person.join()}>
                <Suspense>
                  <PersonCard userId={person[0]} conversationId={person[1]} onClose={() => setPerson(undefined)} />
                </Suspense>
              </ErrorBoundary>
            )}
          </div>
        </SignedIn>
        <Toasts />
      </div>
    </ChatProvider>
  );
}

function SignedIn({
  otherwise,
  children,
}: {
  readonly otherwise: 'loading' | 'signedOut' | 'expired';
  readonly children: ReactNode;
}) {
  const { common, chat } = useStrings();
  const isSignedIn = useChat(({ user }) => user !== undefined);
  if (isSignedIn) return children;
  return (
    <div className="empty" role="status">
      {otherwise === 'loading' ? (
        <div className="spinner" role="img" aria-label={common.loading} />
      ) : (
        <p>{chat[otherwise]}</p>
      )}
    </div>
  );
}

function NothingOpen() {
  const { chat } = useStrings();
  return (
    <div className="empty grow">
      <MessagesSquare size={40} strokeWidth={1.5} />
      <h2>{chat.pick}</h2>
    </div>
  );
}

function ConnectionNote() {
  const { chat } = useStrings();
  const offline = useChat(({ connection }) => connection === 'offline');
  return (
    <div role="status" className={offline ? 'chat-note' : 'hidden-text'}>
      {offline && chat.offline}
    </div>
  );
}
