import { directionOf, languageFor, languages, loadStrings, type Language, type Strings } from '@parley/react-ui';
import { Preference, toast } from '@parley/react-ui/parts';
import { useSyncExternalStore } from 'react';
import { currentAppStrings, type AppStrings } from '../strings/app-strings.tsx';
import { en } from '../strings/en.ts';
import { loadAppStrings } from '../strings/languages.ts';

/** The tags of all languages. */
export const languageTags = Object.keys(languages) as Language[];

/** The chosen language. `browser`: the first of the browser's languages that there are texts of. */
export const languageChoice = new Preference<Language | 'browser'>(
  'parley:language',
  ['browser', ...languageTags],
  'browser',
);

/** The language that suits the browser. */
export const browserLanguage = (): Language => languageFor(navigator.languages);

/** The texts of a language. Those of the chat are undefined until another language than English is loaded. */
interface Texts {
  readonly chat: Strings | undefined;
  readonly app: AppStrings;
}

let shown: Texts = { chat: undefined, app: en };
const listeners = new Set<() => void>();

/** The language that was asked for last: texts that arrive later than those of another choice are not shown. */
let wanted: Language = 'en';

async function show(): Promise<void> {
  const language = languageChoice.value === 'browser' ? browserLanguage() : languageChoice.value;
  wanted = language;
  const [chat, app] = await Promise.all([loadStrings(language), loadAppStrings(language)]);
  if (wanted !== language) return;
  shown = { chat, app };
  const page = document.documentElement;
  page.lang = language;
  page.dir = directionOf(language);
  for (const listener of listeners) listener();
}

/** Shows the page in the chosen language from now on. Resolves when the page can be shown. */
export async function followLanguage(): Promise<void> {
  const showOrSay = () => void show().catch(() => toast(currentAppStrings().settings.languageFailed));
  languageChoice.subscribe(showOrSay);
  addEventListener('languagechange', () => languageChoice.value === 'browser' && showOrSay());
  // Without its texts, the page is English.
  await show().catch(() => undefined);
}

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => void listeners.delete(listener);
};

/** The texts of the chosen language. */
export const useTexts = (): Texts => useSyncExternalStore(subscribe, () => shown);
