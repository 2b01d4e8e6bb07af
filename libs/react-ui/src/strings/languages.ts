import { en } from './en.ts';
import type { Strings } from './strings.tsx';

/** The languages that there are tables of, by tag, each with its own name. */
export const languages = { en: 'English' } as const;
/** The tag of a language that there is a table of. */
export type Language = keyof typeof languages;

/** Loads a table of texts. All but English are loaded when they are needed. */
const tables: Readonly<Record<Language, () => Promise<Strings>>> = { en: () => Promise.resolve(en) };

/** The texts of a language. */
export const loadStrings = (language: Language): Promise<Strings> => tables[language]();

/** The first of these languages that there is a table of; English if there is none. Regions do not matter. */
export function languageFor(wanted: readonly string[]): Language {
  const known = Object.keys(languages) as Language[];
  for (const tag of wanted) {
    const found = known.find((language) => tag.toLowerCase().split('-')[0] === language);
    if (found !== undefined) return found;
  }
  return 'en';
}
