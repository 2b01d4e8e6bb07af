import type { ParleyClient } from '@parley/client';
import { ChatProvider, type Place, type Places } from '@parley/react-ui';
import { useCallback, type ReactNode } from 'react';
import { useLocation, useRoute } from 'wouter';
import { useTexts } from '../settings/language.ts';
import { AppStringsProvider } from '../strings/app-strings.tsx';
import { basePath } from './base-path.ts';
import { serverHasAnotherVersion } from './new-version.ts';

/** The path of a place, below the base path. */
function pathOf(place: Place): string {
  if (place === 'list') return '/';
  if (place === 'rooms') return '/rooms';
  if ('room' in place) return `/r/${place.room}`;
  return `/c/${place.conversation}${place.at === undefined ? '' : `?at=${place.at}`}`;
}

const hrefOf = (place: Place): string => basePath + pathOf(place);

/** Gives the chat's components the client, its texts, and lets them open the addresses of this app. */
export function AppPlaces({ client, children }: { readonly client: ParleyClient; readonly children: ReactNode }) {
  const texts = useTexts();
  const [, navigate] = useLocation();
  const [, params] = useRoute('/c/:id');
  const open = useCallback<Places['open']>((place, options) => navigate(pathOf(place), options), [navigate]);
  return (
    <ChatProvider
      client={client}
      conversationId={params?.id}
      open={open}
      hrefOf={hrefOf}
      hasRooms
      hasNewVersion={serverHasAnotherVersion}
      strings={texts.chat}
    >
      <AppStringsProvider strings={texts.app}>{children}</AppStringsProvider>
    </ChatProvider>
  );
}

/** The `seq` of the message to which the query of an address leads, as in `?at=12`. */
export function messageOf(query: string): number | undefined {
  const seq = Number(new URLSearchParams(query).get('at'));
  return Number.isSafeInteger(seq) && seq > 0 ? seq : undefined;
}
