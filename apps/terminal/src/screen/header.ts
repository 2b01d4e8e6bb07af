import type { ConversationView, Presence } from '@parley/client';
import type { Directory } from '../text/directory.js';
import { dayOf, timeOf } from '../text/message-text.js';
import { inline } from '../text/printable.js';
import type { Span } from './rows.js';

/** The line above the conversation: its title and presence. */
export function headerOf(
  directory: Directory,
  view: ConversationView | undefined,
  presence: ReadonlyMap<string, Presence>,
): Span[] {
  if (!view) return [{ text: ' Parley' }];
  const { conversation, members } = view;
  const title: Span = { text: ` ${directory.title(conversation)}`, bold: true };
  if (conversation.kind === 'direct') {
    const partnerPresence = presence.get(view.partnerId ?? '');
    if (!partnerPresence) return [title];
    const { state, lastSeenAt } = partnerPresence;
    return [
      title,
      {
        text: `  ${state}${state === 'offline' && lastSeenAt !== undefined ? ` since ${dayOf(lastSeenAt)} ${timeOf(lastSeenAt)}` : ''}`,
      },
    ];
  }
  const here = [...members.keys()].filter((userId) => (presence.get(userId)?.state ?? 'offline') !== 'offline').length;
  return [
    title,
    {
      text: `  ${conversation.visibility} ${conversation.kind}, ${conversation.memberCount} member${conversation.memberCount === 1 ? '' : 's'}${here > 0 ? `, ${here} here` : ''}${conversation.topic === undefined ? '' : `  ${inline(conversation.topic)}`}`,
    },
  ];
}
