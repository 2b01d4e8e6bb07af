/**
 * Smaller parts, of which the components and Parley's own web app are made. They change without notice; others are better
 * off with the main entry.
 */
import { lazyPart } from './shared/error-boundary.tsx';

export { draftsOf } from './conversation/drafts.ts';
export { refuseOtherDrops } from './files/file-drop.ts';
export { isOfIme, useGlobalKeys } from './keys/keys.ts';
export { isAttended } from './messages/seen-rows.ts';
export { summaryOf } from './messages/summary.ts';
export { NewChat, type Kind } from './new-chat/new-chat.tsx';
export { peerChatsOf } from './peer/peer-chat.ts';
export { Avatar, colorOf, RoomAvatar } from './people/avatar.tsx';
export { OpenPersonContext, useOpenPerson } from './people/open-person.ts';
export { PeoplePicker } from './people/people-picker.tsx';
export {
  openDirectConversation,
  titleOf,
  useChat,
  useClient,
  useMe,
  usePartner,
  useUser,
  useView,
  useWatchedPresence,
} from './shared/chat.ts';
export { Dialog } from './shared/dialog.tsx';
export { ErrorBoundary, lazyPart } from './shared/error-boundary.tsx';
export { explain } from './shared/errors.ts';
export { textField } from './shared/forms.ts';
export { Highlight } from './shared/highlight.tsx';
export { listItems } from './shared/lists.ts';
export { readItem, writeItem } from './shared/local-storage.ts';
export { Preference, usePreference } from './shared/preference.ts';
export { useSearch } from './shared/search.ts';
export { momentOf, sinceOf, sizeOf } from './shared/times.ts';
export { attempt, toast } from './shared/toasts.tsx';
export { undoQueueOf } from './shared/undo.ts';
export { formatsOf, localeOf } from './strings/formats.ts';
export { currentStrings, withTexts, type Translated } from './strings/strings.tsx';
export { onSystemThemeChange, systemTheme, themes, type Theme } from './styles/themes.ts';

/** The dialog that shows all keys. */
export const KeysDialog = lazyPart(() => import('./keys/keys-dialog.tsx'));
