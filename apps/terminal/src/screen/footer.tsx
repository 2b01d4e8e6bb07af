import type { ConversationView } from '@parley/client';
import { useParley } from '@parley/client/react';
import { useSyncExternalStore, type ReactNode } from 'react';
import { inline } from '../text/printable.js';
import { Line } from './line.js';
import type { Span } from './rows.js';
import type { ScreenState } from './screen-state.js';

/** The line below the messages: a notice, or the typing users. */
export function Notice({
  state,
  view,
  width,
}: {
  readonly state: ScreenState;
  readonly view: ConversationView | undefined;
  readonly width: number;
}): ReactNode {
  const { notice } = useSyncExternalStore(state.subscribe, state.get);
  const typing = (view?.typing ?? []).slice(0, 3).map((userId) => state.directory.name(userId));
  const spans: Span[] =
    notice !== undefined
      ? [{ text: ` ${inline(notice)}`, color: 'yellow' }]
      : typing.length > 0
        ? [{ text: ` ${typing.join(', ')} ${typing.length > 1 ? 'type' : 'types'} …`, dim: true }]
        : [];
  return <Line spans={spans} width={width} />;
}

/** The last line: the connection, the user, and the number of unsent messages. */
export function StatusLine({ width }: { readonly width: number }): ReactNode {
  const { connection, user, pendingCount } = useParley((state) => state);
  const connectionTexts = {
    online: '● online',
    connecting: '◌ connecting',
    offline: '○ offline, trying again',
    'signed-out': '○ signed out',
  } as const;
  const userText = user ? `${inline(user.displayName)} (@${inline(user.username)})` : '';
  return (
    <Line
      spans={[
        {
          text: ` ${connectionTexts[connection]}  ${userText}${pendingCount > 0 ? `  ${pendingCount} waiting` : ''}  /help`,
        },
      ]}
      width={width}
      inverse
    />
  );
}
