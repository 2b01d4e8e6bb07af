/**
 * A page that uses `@parley/client/react` in React's strict mode. `react-binding.e2e.spec.ts` builds and opens it. Its
 * address names the server and the user.
 */
import { createClient, memoryStorage, type ParleyClient } from '@parley/client';
import {
  ParleyProvider,
  useClient,
  useConversation,
  useConversations,
  useParley,
  usePresence,
  useUser,
} from '@parley/client/react';
import { createElement as h, StrictMode, useState, type ReactNode } from 'react';
import { createRoot } from 'react-dom/client';

interface BindingPage {
  readonly client: ParleyClient;
  /** How often each component was rendered. */
  readonly renderCounts: Record<string, number>;
}

declare global {
  /** For the spec. */
  var bindingPage: BindingPage;
}

const { url = '', username = '', password = '' } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
const client = createClient({ url, storage: memoryStorage() });
const renderCounts: Record<string, number> = {};
globalThis.bindingPage = { client, renderCounts };
const countRender = (component: string): void => void (renderCounts[component] = (renderCounts[component] ?? 0) + 1);

function List({ onOpen }: { readonly onOpen: (id: string | undefined) => void }): ReactNode {
  return h(
    'ul',
    null,
    useConversations().map(({ conversation: { id, title, kind }, unread }) =>
      h('li', { key: id }, h('button', { onClick: () => onOpen(id) }, `${title ?? kind} (${unread})`)),
    ),
  );
}

function Conversation({ id }: { readonly id: string }): ReactNode {
  const provided = useClient();
  const view = useConversation(id);
  return h(
    'ol',
    { onClick: () => provided.markRead(id) },
    view?.messages.map(({ clientId, body, status }) => h('li', { key: clientId }, `${body}, ${status}`)),
  );
}

function Partner({ id }: { readonly id: string }): ReactNode {
  countRender('Partner');
  const name = useUser(id)?.displayName;
  const state = usePresence([id]).get(id)?.state;
  return h('p', null, `${name} is ${state}`);
}

function Page(): ReactNode {
  const [openId, setOpenId] = useState<string>();
  const partnerId = useParley(({ conversations }) =>
    openId === undefined ? undefined : conversations.get(openId)?.partnerId,
  );
  return h(
    'main',
    null,
    h(List, { onOpen: setOpenId }),
    h('button', { onClick: () => setOpenId(undefined) }, 'Close'),
    openId !== undefined && h(Conversation, { id: openId }),
    partnerId !== undefined && h(Partner, { id: partnerId }),
  );
}

createRoot(document.body.appendChild(document.createElement('div'))).render(
  h(StrictMode, null, h(ParleyProvider, { client: client }, h(Page))),
);
void client.login({ username, password });
