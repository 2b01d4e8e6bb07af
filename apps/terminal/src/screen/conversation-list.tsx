import type { Presence } from '@parley/client';
import { useConversations, useParley } from '@parley/client/react';
import { Box } from 'ink';
import type { ReactNode } from 'react';
import stringWidth from 'string-width';
import type { Directory } from '../text/directory.js';
import { Line } from './line.js';
import { fit, type Span } from './rows.js';

const presenceMarks: Readonly<Record<Presence['state'], Span>> = {
  online: { text: '●', color: 'green' },
  away: { text: '◐', color: 'yellow' },
  busy: { text: '●', color: 'red' },
  offline: { text: '○', dim: true },
};

/** The list of the user's conversations, scrolled to the selected one. */
export function ConversationList({
  directory,
  selected,
  width,
  height,
}: {
  readonly directory: Directory;
  readonly selected: string | undefined;
  readonly width: number;
  readonly height: number;
}): ReactNode {
  const views = useConversations();
  const presence = useParley((state) => state.presence);
  const at = views.findIndex(({ conversation }) => conversation.id === selected);
  const start = Math.max(0, Math.min(at - Math.floor(height / 2), views.length - height));
  return (
    <Box
      flexDirection="column"
      width={width + 1}
      height={height}
      flexShrink={0}
      borderStyle="single"
      borderTop={false}
      borderBottom={false}
      borderLeft={false}
      borderDimColor
    >
      {views.slice(start, start + height).map(({ conversation, partnerId, unread, mentions }) => {
        const mark =
          partnerId === undefined
            ? { text: conversation.kind === 'channel' ? '»' : '#', dim: true }
            : presenceMarks[presence.get(partnerId)?.state ?? 'offline'];
        const count = unread > 0 ? ` ${mentions > 0 ? '@' : ''}${unread > 999 ? '999+' : unread} ` : ' ';
        const title = fit(directory.title(conversation), width - 3 - count.length);
        const gap = ' '.repeat(Math.max(0, width - 2 - stringWidth(title) - count.length));
        const spans: Span[] = [
          mark,
          { text: ` ${title}${gap}`, bold: unread > 0 },
          { text: count, bold: true, color: mentions > 0 ? 'red' : 'yellow' },
        ];
        return <Line key={conversation.id} width={width} spans={spans} inverse={conversation.id === selected} />;
      })}
    </Box>
  );
}
