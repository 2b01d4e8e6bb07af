import type { ConversationView } from '@parley/client';
import { useClient, useParley } from '@parley/client/react';
import { useInput } from 'ink';
import { useEffect, useMemo, useState, type ReactNode } from 'react';
import type { Directory } from '../text/directory.js';
import { Rows } from './line.js';
import { Layout } from './rows.js';
import { scrolled, visibleOf, type Anchor } from './scroll.js';

/** The messages of a conversation, which are marked as read while the newest ones are shown. */
export function Timeline({
  directory,
  view,
  width,
  height,
}: {
  readonly directory: Directory;
  readonly view: ConversationView;
  readonly width: number;
  readonly height: number;
}): ReactNode {
  const client = useClient();
  const { id } = view.conversation;
  const users = useParley((state) => state.users);
  const ownId = useParley(({ user }) => user?.id ?? '');
  const [newFrom] = useState(() => (view.unread > 0 ? view.readSeq + 1 : undefined));
  const [anchor, setAnchor] = useState<Anchor>();
  // eslint-disable-next-line react-hooks/exhaustive-deps -- the rows contain names, which change with `users`
  const layout = useMemo(() => new Layout(directory, ownId, width), [directory, ownId, width, users]);
  const rows = layout.of(view, newFrom);
  const visible = visibleOf(rows, anchor, height);

  const isReading = anchor === undefined && view.opened && !view.hasAfter && view.unread > 0;
  useEffect(() => {
    if (isReading) client.markRead(id);
  }, [client, id, isReading, view.conversation.lastSeq]);

  const wantsOlder = anchor !== undefined && visible.above < height && view.hasBefore;
  const wantsNewer = anchor !== undefined && visible.below < height && view.hasAfter;
  const oldest = view.messages[0]?.seq;
  const newest = view.messages.at(-1)?.seq;
  useEffect(() => {
    const unneeded = new AbortController();
    const options = { retry: true, signal: unneeded.signal };
    if (wantsOlder) client.loadOlder(id, options).catch(() => undefined);
    if (wantsNewer) client.loadNewer(id, options).catch(() => undefined);
    return () => unneeded.abort();
  }, [client, id, wantsOlder, wantsNewer, oldest, newest]);

  useInput((_input, key) => {
    if (key.escape) {
      setAnchor(undefined);
      client.jumpToNewest(id).catch(() => undefined);
    }
    const by = key.pageUp ? 1 - height : key.pageDown ? height - 1 : 0;
    // By the next key press, an older page may have been loaded.
    if (by !== 0) setAnchor((now) => scrolled(rows, now, height, by, !view.hasAfter));
  });
  return <Rows rows={visible.rows} width={width} height={height} />;
}
