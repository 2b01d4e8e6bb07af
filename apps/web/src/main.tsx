import { createClient } from '@parley/client';
import { ParleyProvider } from '@parley/client/react';
import { createRoot } from 'react-dom/client';
import { Router } from 'wouter';
import { App } from './app.tsx';
import './base.css';
import { draftsOf } from './conversation/drafts.ts';
import { refuseOtherDrops } from './files/file-drop.ts';
import { frameLogOf } from './protocol-log/frame-log.ts';
import { peerChatsOf } from './peer/peer-chat.ts';
import { registerServiceWorker } from './service-worker.ts';
import './settings/themes.css';
import { basePath } from './shared/base-path.ts';
import { ErrorBoundary } from './shared/error-boundary.tsx';
import { setClock } from './shared/times.ts';
import { followDensity } from './settings/density.ts';
import { followThemeChoice } from './settings/themes.ts';

followThemeChoice();
followDensity();
const client = createClient({ url: location.origin + basePath, keepConversations: true });
setClock(() => client.serverTime());
frameLogOf(client);
peerChatsOf(client);
draftsOf(client);
refuseOtherDrops();
if (import.meta.env.PROD) registerServiceWorker();
for (const event of ['online', 'focus'] as const) addEventListener(event, () => client.wake());
document.addEventListener('visibilitychange', () =>
  document.visibilityState === 'visible' ? client.wake() : void client.flush(),
);
createRoot(document.getElementById('app')!).render(
  <ParleyProvider client={client}>
    <Router base={basePath}>
      <ErrorBoundary>
        <App />
      </ErrorBoundary>
    </Router>
  </ParleyProvider>,
);
