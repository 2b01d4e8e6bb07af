import type { ConversationView } from '@parley/client';
import { useConversation, useConversations, useParley, usePresence } from '@parley/client/react';
import { Box, Text, useWindowSize } from 'ink';
import { useSyncExternalStore, type ReactNode } from 'react';
import { layoutText, type Composer } from './composer.js';
import { ConversationList } from './conversation-list.js';
import { Notice, StatusLine } from './footer.js';
import { headerOf } from './header.js';
import { useKeys } from './keys.js';
import { Line } from './line.js';
import { PageView } from './page-view.js';
import type { ScreenState } from './screen-state.js';
import { Timeline } from './timeline.js';

const MAX_COMPOSER_ROWS = 5;
/** Below the server's limit of 200 for one connection. */
const MAX_WATCHED = 150;

interface Props {
  readonly state: ScreenState;
  readonly composer: Composer;
}

/** The whole screen: the list of conversations at the left, the selected one at the right, the composer below. */
export function App({ state, composer }: Props): ReactNode {
  const { columns, rows } = useWindowSize();
  const { selected, page } = useSyncExternalStore(state.subscribe, state.get);
  const view = useConversation(selected);
  const online = useParley(({ connection }) => connection === 'online');
  const edited = useSyncExternalStore(composer.subscribe, composer.get);
  // Names are shown everywhere, so the whole screen renders when one is loaded.
  useParley(({ users }) => users);
  const presence = useParley((snapshot) => snapshot.presence);
  useWatchedPresence(view);
  useKeys(state, composer);

  const listWidth = columns >= 80 ? 28 : columns >= 56 ? 20 : 0;
  const width = Math.max(20, columns - (listWidth > 0 ? listWidth + 1 : 0));
  const { rows: textRows, cursorRow } = layoutText(edited, columns - 3);
  const composerRows = textRows.slice(
    Math.max(0, Math.min(cursorRow - MAX_COMPOSER_ROWS + 1, textRows.length - MAX_COMPOSER_ROWS)),
    Math.max(MAX_COMPOSER_ROWS, cursorRow + 1),
  );
  const bodyRows = Math.max(1, rows - composerRows.length - 3);
  return (
    <Box flexDirection="column" width={columns} height={rows}>
      <Line spans={headerOf(state.directory, view, presence)} inverse width={columns} />
      <Box height={bodyRows}>
        {listWidth > 0 && (
          <ConversationList directory={state.directory} selected={selected} width={listWidth} height={bodyRows} />
        )}
        {page ? (
          <PageView key={page.title} state={state} page={page} width={width} height={bodyRows} />
        ) : view ? (
          <Timeline
            key={`${view.conversation.id} ${view.opened}`}
            directory={state.directory}
            view={view}
            width={width}
            height={bodyRows}
          />
        ) : (
          <Text dimColor>
            {online
              ? 'No conversation yet: /new, /rooms and /join make one; /help lists all commands.'
              : 'Your conversations are shown as soon as the server answers.'}
          </Text>
        )}
      </Box>
      <Notice state={state} view={view} width={columns} />
      {composerRows.map((row, n) => (
        <Line key={row.key} spans={[{ text: n === 0 ? '> ' : '  ', dim: true }, ...row.spans]} width={columns} />
      ))}
      <StatusLine width={columns} />
    </Box>
  );
}

/** Watches the people whose presence is shown. */
function useWatchedPresence(view: ConversationView | undefined): void {
  const views = useConversations();
  const partners = views.flatMap(({ partnerId }) => partnerId ?? []);
  usePresence([...new Set([...partners, ...(view?.members.keys() ?? [])])].slice(0, MAX_WATCHED));
}
