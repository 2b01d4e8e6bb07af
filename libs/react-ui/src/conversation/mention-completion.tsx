import type { ConversationView } from '@parley/client';
import { foldName, mayBeginMention, type User } from '@parley/contracts';
import { useId, useMemo, useState, type KeyboardEvent, type RefObject } from 'react';
import { Avatar } from '../people/avatar.tsx';
import { useChat } from '../shared/chat.ts';
import { useStrings } from '../strings/strings.tsx';

const MAX_SUGGESTIONS = 6;

/** Completes `@na` to a member's username, by arrow keys and Enter or Tab, or by the pointer. */
export function useMentionCompletion(
  { members, conversation }: ConversationView,
  text: string,
  field: RefObject<HTMLTextAreaElement | null>,
  change: (value: string) => void,
) {
  const { composer } = useStrings().conversation;
  const listId = useId();
  const users = useChat((state) => state.users);
  const me = useChat(({ user }) => user?.id);
  const [caret, setCaret] = useState(0);
  const [index, setIndex] = useState(0);
  const [dismissed, setDismissed] = useState<string>();
  const typed = /[@＠]([A-Za-z0-9_.-]*)$/u.exec(text.slice(0, caret));
  const prefix = typed && mayBeginMention(text, typed.index) ? typed[1]!.toLowerCase() : undefined;
  const suggestions = useMemo(() => {
    if (prefix === undefined || conversation.kind === 'direct') return [];
    const matches = ({ username, displayName }: User) =>
      username.startsWith(prefix) ||
      foldName(displayName)
        .split(' ')
        .some((word) => word.startsWith(prefix));
    const found: User[] = [];
    for (const userId of members.keys()) {
      const user = users.get(userId);
      if (user && userId !== me && matches(user)) found.push(user);
      if (found.length === MAX_SUGGESTIONS) break;
    }
    return found;
  }, [prefix, conversation.kind, me, members, users]);
  const isOpen = suggestions.length > 0 && dismissed !== prefix;
  const selected = suggestions[Math.min(index, suggestions.length - 1)];

  const choose = (user: User) => {
    const box = field.current!;
    box.setRangeText(`${user.username} `, caret - prefix!.length, caret, 'end');
    setCaret(box.selectionStart);
    setIndex(0);
    change(box.value);
    box.focus();
  };
  return {
    update: () => setCaret(field.current?.selectionStart ?? 0),
    aria: {
      'aria-autocomplete': 'list' as const,
      ...(isOpen && { 'aria-controls': listId, 'aria-activedescendant': `${listId}-${selected!.id}` }),
    },
    /** Handles a key. Returns whether it was for the list. */
    onKey(event: KeyboardEvent): boolean {
      if (!isOpen) return false;
      if (event.key === 'ArrowDown' || event.key === 'ArrowUp')
        setIndex(
          (Math.min(index, suggestions.length - 1) + (event.key === 'ArrowDown' ? 1 : -1) + suggestions.length) %
            suggestions.length,
        );
      else if (event.key === 'Enter' || event.key === 'Tab') choose(selected!);
      else if (event.key === 'Escape') setDismissed(prefix);
      else return false;
      event.preventDefault();
      return true;
    },
    list: isOpen && (
      <ul className="completions" role="listbox" id={listId} aria-label={composer.completions}>
        {suggestions.map((user) => (
          <li
            key={user.id}
            id={`${listId}-${user.id}`}
            role="option"
            aria-selected={user === selected}
            onMouseDown={(event) => {
              event.preventDefault();
              choose(user);
            }}
          >
            <Avatar user={user} size={28} />
            <span className="cut" dir="auto">
              {user.displayName}
            </span>
            <span className="muted small cut">@{user.username}</span>
          </li>
        ))}
      </ul>
    ),
  };
}
