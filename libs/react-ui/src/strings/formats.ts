/** The forms of a text for different numbers; `#` is replaced by the number. A language needs those of its plural rules. */
export type PluralForms = Partial<Record<Intl.LDMLPluralRule, string>> & { readonly other: string };

/** How texts of a language contain numbers. */
export interface Formats {
  readonly number: (value: number) => string;
  readonly plural: (count: number, forms: PluralForms) => string;
  /** Names in a row, as in “Ann, Ben, Cid”. */
  readonly list: (items: readonly string[]) => string;
  /** A time ago in short, as in “5 min ago”. */
  readonly ago: (count: number, unit: 'minute' | 'hour') => string;
}

/** How texts of a language contain numbers. */
export function formatsOf(language: string): Formats {
  const numbers = new Intl.NumberFormat(language);
  const rules = new Intl.PluralRules(language);
  // English texts name people without an “and”.
  const lists = new Intl.ListFormat(language, language === 'en' ? { type: 'unit', style: 'short' } : {});
  const times = new Intl.RelativeTimeFormat(language, { style: 'short' });
  const number = (value: number) => numbers.format(value);
  return {
    number,
    plural: (count, forms) => (forms[rules.select(count)] ?? forms.other).replaceAll('#', number(count)),
    list: (items) => lists.format(items),
    ago: (count, unit) => times.format(-count, unit),
  };
}

/** Languages that are written from right to left. */
const rightToLeft: ReadonlySet<string> = new Set(['ar', 'fa', 'he', 'ur']);

/** The direction in which a language is written. */
export const directionOf = (language: string): 'ltr' | 'rtl' =>
  rightToLeft.has(language.split('-')[0]!) ? 'rtl' : 'ltr';

/**
 * The language with the region for dates and numbers: the user's own if they read this language, as in en-GB for en.
 */
export const localeOf = (language: string): string =>
  navigator.languages.find((tag) => tag.split('-')[0] === language.split('-')[0]) ?? language;
