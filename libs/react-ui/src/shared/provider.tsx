import type { ParleyClient } from '@parley/client';
import { ParleyProvider } from '@parley/client/react';
import { useMemo, useState, type ReactNode } from 'react';
import { draftsOf } from '../conversation/drafts.ts';
import { peerChatsOf } from '../peer/peer-chat.ts';
import { OpenPersonContext, type OpenPerson } from '../people/open-person.ts';
import { NewVersionContext } from './error-boundary.tsx';
import { StringsProvider, type Partially, type Strings } from '../strings/strings.tsx';
import { OpenConversationContext, PlacesContext, type Places } from './places.tsx';
import { setClock } from './times.ts';

interface Props extends Partial<Places> {
  /** A language, from `loadStrings`. Default: English. */
  readonly strings?: Strings | undefined;
  /** Other texts in place of some of them. */
  readonly texts?: Partially<Strings> | undefined;
  readonly client: ParleyClient;
  /** The conversation that is shown, if any. */
  readonly conversationId?: string | undefined;
  /** Opens a person's card; with a conversation, for what can be done about them there. */
  readonly onOpenPerson?: OpenPerson | undefined;
  /** Whether the server has another version of the page: asked when a part of this one could not be loaded. */
  readonly hasNewVersion?: (() => Promise<boolean>) | undefined;
  readonly children: ReactNode;
}

const nowhere = (): void => undefined;
const nobody = (): void => undefined;
const never = (): Promise<boolean> => Promise.resolve(false);

/** Gives the components below it the client, and what the page does for them. */
export function ChatProvider({
  client,
  conversationId,
  open = nowhere,
  hrefOf,
  hasRooms,
  onOpenPerson = nobody,
  hasNewVersion = never,
  strings,
  texts,
  children,
}: Props) {
  // Once for each client: calls for direct connections are heard from the beginning, and drafts are sent.
  useState(() => {
    setClock(() => client.serverTime());
    peerChatsOf(client);
    draftsOf(client);
  });
  const places = useMemo(() => ({ open, hrefOf, hasRooms }), [open, hrefOf, hasRooms]);
  return (
    <ParleyProvider client={client}>
      <PlacesContext value={places}>
        <OpenConversationContext value={conversationId}>
          <OpenPersonContext value={onOpenPerson}>
            <NewVersionContext value={hasNewVersion}>
              <StringsProvider strings={strings} texts={texts}>
                {children}
              </StringsProvider>
            </NewVersionContext>
          </OpenPersonContext>
        </OpenConversationContext>
      </PlacesContext>
    </ParleyProvider>
  );
}
