import type { RevocationReason } from '@parley/contracts';
import { Suspense, useEffect, useState } from 'react';
import { useRoute } from 'wouter';
import { ErrorBoundary, lazyPart, useChat, useClient } from '@parley/react-ui/parts';
import { Shell } from './shell.tsx';
import { SignIn } from './sign-in/sign-in.tsx';

const signOutReasons: Partial<Record<RevocationReason, string>> = {
  ended: 'This device was logged out from another one.',
  password: 'Your password was changed. Log in with the new one.',
  expired: 'Your session has expired. Please log in again.',
  reuse: 'This session was used in two places at once and was ended, to be safe. Please log in again.',
};

const AboutPage = lazyPart(() => import('./about/about-page.tsx'));

export function App() {
  const [atAbout] = useRoute('/about');
  const client = useClient();
  const [restored, setRestored] = useState(false);
  const [notice, setNotice] = useState<string>();
  const signedIn = useChat(({ user }) => user !== undefined);
  useEffect(() => {
    void client
      .restore()
      .catch(() => undefined)
      .finally(() => setRestored(true));
    return client.on('revoked', ({ reason }) => setNotice(signOutReasons[reason]));
  }, [client]);
  useEffect(() => {
    if (signedIn) setNotice(undefined);
  }, [signedIn]);
  if (signedIn) return <Shell />;
  if (atAbout)
    return (
      <main className="about-alone">
        <ErrorBoundary>
          <Suspense>
            <AboutPage back={{ href: '/', label: 'Back' }} />
          </Suspense>
        </ErrorBoundary>
      </main>
    );
  return restored ? (
    <SignIn notice={notice} />
  ) : (
    <div className="empty" role="status">
      <div className="spinner" />
      <span className="hidden-text">Loading</span>
    </div>
  );
}
