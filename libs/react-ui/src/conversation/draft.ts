import type { ChatMessage } from '@parley/client';
import { hasVisibleText } from '@parley/contracts';
import type { Upload } from '../files/uploads.ts';
import { summaryOf } from '../messages/summary.ts';
import { currentStrings } from '../strings/strings.tsx';

/** A message that is answered or edited, as it was when that began. */
export interface Quoted {
  readonly id: string;
  readonly senderId: string;
  readonly summary: string;
  /** The server said that it was deleted. */
  readonly gone?: boolean;
}

/** A stored message that is being changed. */
export interface Edit {
  readonly message: Quoted;
  readonly original: string;
  readonly text: string;
  /** The server has been asked, and has not answered yet. */
  readonly saving?: boolean;
}

/** A voice message that was recorded and is not sent yet. */
export interface Recording extends Upload {
  readonly reply?: Quoted | undefined;
  /** Whether the user has sent it: it goes out when it is uploaded. */
  readonly wanted: boolean;
}

/** What a user has written in a conversation and not sent. */
export interface Draft {
  readonly text: string;
  readonly reply?: Quoted | undefined;
  readonly edit?: Edit | undefined;
  readonly files: readonly Upload[];
  readonly recording?: Recording | undefined;
  /** Tells why something was not sent or not taken. */
  readonly notice?: string | undefined;
  /** When a tab last changed the text or the edit, in milliseconds since the epoch. */
  readonly writtenAt?: number | undefined;
}

/** A draft in which nothing was written. */
export const emptyDraft: Draft = { text: '', files: [] };

/** What a reply shows of the message that it answers. */
export const quote = (message: ChatMessage): Quoted => ({
  id: message.id,
  senderId: message.senderId,
  summary: summaryOf(message).slice(0, 200),
});

/**
 * The draft after this tab changed it from `before` to `next`. `stored`: what the browser keeps, by any tab. Text that
 * another tab has written since, and this tab has not seen, is not lost: it takes the place of unchanged text, and is
 * added to changed text.
 */
export function reconciled(next: Draft, before: Draft, stored: Draft | undefined): Draft {
  const { writtenAt: seenAt = 0 } = before;
  const { writtenAt: storedAt = 0 } = stored ?? {};
  const isChanged = next.text !== before.text || next.edit?.text !== before.edit?.text;
  const writtenAt = isChanged ? Math.max(Date.now(), seenAt + 1, storedAt + 1) : seenAt;
  if (!stored || storedAt <= seenAt) return { ...next, writtenAt };
  if (!isChanged) return { ...next, text: stored.text, edit: stored.edit, writtenAt: storedAt };
  if (next.text.includes(stored.text)) return { ...next, writtenAt };
  if (stored.text.includes(next.text)) return { ...next, text: stored.text, writtenAt };
  const notice = next.notice ?? currentStrings().conversation.drafts.otherTab;
  return { ...next, text: `${next.text}\n${stored.text}`, notice, writtenAt };
}

/** Whether the composer has room for a message that comes back. */
export const isFree = ({ text, files, reply, edit }: Draft): boolean =>
  !hasVisibleText(text) && files.length === 0 && !reply && !edit;

/** Whether there is nothing that should be kept. */
export const isNothing = (draft: Draft): boolean =>
  draft.text === '' && draft.files.length === 0 && !draft.reply && !draft.edit && !draft.recording;

/** The draft in one line, for the list. Undefined when nothing was written. */
export function lineOf({ text, edit, files, recording }: Draft): string | undefined {
  const written = [edit?.text ?? '', text].find(hasVisibleText);
  if (written !== undefined) return written.slice(0, 200).replaceAll(/\s+/g, ' ');
  if (recording) return '🎤 Voice message';
  return files[0] && `📄 ${files[0].name}`;
}
