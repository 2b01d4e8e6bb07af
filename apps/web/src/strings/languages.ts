import type { Language } from '@parley/react-ui';
import type { AppStrings } from './app-strings.tsx';
import { en } from './en.ts';

/** Loads a table of texts. All but English are loaded when they are needed. */
const tables: Readonly<Record<Language, () => Promise<AppStrings>>> = {
  en: () => Promise.resolve(en),
  de: async () => (await import('./de.ts')).de,
  fr: async () => (await import('./fr.ts')).fr,
  es: async () => (await import('./es.ts')).es,
  ja: async () => (await import('./ja.ts')).ja,
  ar: async () => (await import('./ar.ts')).ar,
};

/** The texts of the app around the chat in a language. */
export const loadAppStrings = (language: Language): Promise<AppStrings> => tables[language]();
