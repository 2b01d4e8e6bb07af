import { en } from './en.ts';
import type { Strings } from './strings.tsx';

/** The languages that there are tables of, by tag, each with its own name. */
export const languages = {
  en: 'English',
  de: 'Deutsch',
  fr: 'Français',
  es: 'Español',
  ja: '日本語',
  ar: 'العربية',
} as const;
/** The tag of a language that there is a table of. */
export type Language = keyof typeof languages;

/** Loads a table of texts. All but English are loaded when they are needed. */
const tables: Readonly<Record<Language, () => Promise<Strings>>> = {
  en: () => Promise.resolve(en),
  de: async () => (await import('./de.ts')).de,
  fr: async () => (await import('./fr.ts')).fr,
  es: async () => (await import('./es.ts')).es,
  ja: async () => (await import('./ja.ts')).ja,
  ar: async () => (await import('./ar.ts')).ar,
};

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
