import type { RevocationReason } from '@parley/contracts';
import { Suspense, useEffect, useState } from 'react';
import { useRoute } from 'wouter';
import { useStrings } from '@parley/react-ui';
import { ErrorBoundary, lazyPart, useChat, useClient } from '@parley/react-ui/parts';
import { Shell } from './shell.tsx';
import { SignIn } from './sign-in/sign-in.tsx';
import { useAppStrings } from './strings/app-strings.tsx';

const AboutPage = lazyPart(() => import('./about/about-page.tsx'));

export function App() {
  const [atAbout] = useRoute('/about');
  const client = useClient();
  const { shell, signedOut } = useAppStrings();
  const { common } = useStrings();
  const [restored, setRestored] = useState(false);
  const [reason, setReason] = useState<RevocationReason>();
  const signedIn = useChat(({ user }) => user !== undefined);
  useEffect(() => {
    void client
      .restore()
      .catch(() => undefined)
      .finally(() => setRestored(true));
    return client.on('revoked', ({ reason: ended }) => setReason(ended));
  }, [client]);
  useEffect(() => {
    if (signedIn) setReason(undefined);
  }, [signedIn]);
  if (signedIn) return <Shell />;
  if (atAbout)
    return (
      <main className="about-alone">
        <ErrorBoundary>
          <Suspense>
            <AboutPage back={{ href: '/', label: shell.back }} />
          </Suspense>
        </ErrorBoundary>
      </main>
    );
  return restored ? (
    <SignIn notice={reason && (signedOut as Partial<Record<RevocationReason, string>>)[reason]} />
  ) : (
    <div className="empty" role="status">
      <div className="spinner" />
      <span className="hidden-text">{common.loading}</span>
    </div>
  );
}
