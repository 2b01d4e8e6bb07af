/** A page that shows what `@parley/client/react` gives, in React's strict mode; `web.e2e.spec.ts` builds it and opens it. Which server, and who logs in, is in the address. */
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

export interface BindingPage {
  client: ParleyClient;
  /** How often each part was drawn. */
  drawn: Record<string, number>;
}

const { url = '', username = '', password = '' } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
const here: BindingPage = { client: createClient({ url, storage: memoryStorage() }), drawn: {} };
Object.assign(globalThis, { here });
const count = (part: string): void => void (here.drawn[part] = (here.drawn[part] ?? 0) + 1);

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
  const client = useClient();
  const view = useConversation(id);
  return h(
    'ol',
    { onClick: () => client.markRead(id) },
    view?.messages.map(({ clientId, body, status }) => h('li', { key: clientId }, `${body}, ${status}`)),
  );
}

function Partner({ id }: { readonly id: string }): ReactNode {
  count('partner');
  const name = useUser(id)?.displayName;
  const state = usePresence([id]).get(id)?.state;
  return h('p', null, `${name} is ${state}`);
}

function Page(): ReactNode {
  const [open, setOpen] = useState<string>();
  const partnerId = useParley(({ conversations }) =>
    open === undefined ? undefined : conversations.get(open)?.partnerId,
  );
  return h(
    'main',
    null,
    h(List, { onOpen: setOpen }),
    h('button', { onClick: () => setOpen(undefined) }, 'Close'),
    open !== undefined && h(Conversation, { id: open }),
    partnerId !== undefined && h(Partner, { id: partnerId }),
  );
}

createRoot(document.body.appendChild(document.createElement('div'))).render(
  h(StrictMode, null, h(ParleyProvider, { client: here.client }, h(Page))),
);
void here.client.login({ username, password });
