import { lazyPart } from './shared/error-boundary.tsx';

export { Chat, type ChatProps } from './chat/chat.tsx';
export { Composer } from './conversation/composer.tsx';
export { ConversationPage } from './conversation/conversation-page.tsx';
export { Members } from './conversation/members.tsx';
export type { OpenPerson } from './people/open-person.ts';
export type { Place, Places } from './shared/places.tsx';
export { ChatProvider } from './shared/provider.tsx';
export { Toasts } from './shared/toasts.tsx';
export { UndoNotice } from './shared/undo-notice.tsx';
export { ConversationList, Sidebar } from './sidebar/sidebar.tsx';
export { directionOf } from './strings/formats.ts';
export { languageFor, languages, loadStrings, type Language } from './strings/languages.ts';
export { useStrings, type Partially, type Strings } from './strings/strings.tsx';
export { themes, type Theme } from './styles/themes.ts';

/** Who somebody is, and what can be done about them: a dialog, open while it is rendered, which is loaded when needed. */
export const PersonCard = lazyPart(() => import('./people/person-card.tsx'));
