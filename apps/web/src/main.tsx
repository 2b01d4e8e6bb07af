import { createClient } from '@parley/client';
import { createRoot } from 'react-dom/client';
import { Router } from 'wouter';
import { ErrorBoundary, refuseOtherDrops } from '@parley/react-ui/parts';
import { App } from './app.tsx';
import '@parley/react-ui/styles.css';
import { frameLogOf } from './protocol-log/frame-log.ts';
import { registerServiceWorker } from './service-worker.ts';
import { AppPlaces } from './shared/app-places.tsx';
import { basePath } from './shared/base-path.ts';
import { keepFocus } from './shared/keep-focus.ts';
import { followLanguage } from './settings/language.ts';
import { followDensity } from './settings/density.ts';
import { followThemeChoice } from './settings/themes.ts';

followThemeChoice();
followDensity();
const client = createClient({ url: location.origin + basePath, keepConversations: true });
frameLogOf(client);
refuseOtherDrops();
keepFocus();
// In a frame the server decides each time whether it may be shown.
if (import.meta.env.PROD && self === top) registerServiceWorker();
for (const event of ['online', 'focus'] as const) addEventListener(event, () => client.wake());
document.addEventListener('visibilitychange', () =>
  document.visibilityState === 'visible' ? client.wake() : void client.flush(),
);
// Not awaited: the parts of a language may need this script, which has then to be complete.
void followLanguage().then(() =>
  createRoot(document.getElementById('app')!).render(
    <Router base={basePath}>
      <AppPlaces client={client}>
        <ErrorBoundary>
          <App />
        </ErrorBoundary>
      </AppPlaces>
    </Router>,
  ),
);
