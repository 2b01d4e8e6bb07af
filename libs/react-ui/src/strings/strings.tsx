import { createContext, useContext, useMemo, type ReactNode } from 'react';
import { en } from './en.ts';

/** The type of a table of texts, from the English one: any text in place of each text, the same arguments. */
export type Translated<T> = T extends string
  ? string
  : T extends (...args: infer A) => string
    ? (...args: A) => string
    : { readonly [K in keyof T]: Translated<T[K]> };

/** Some texts of a table. */
export type Partially<T> = T extends string | ((...args: never[]) => string)
  ? T
  : { readonly [K in keyof T]?: Partially<T[K]> };

/** All texts of the components in one language. */
export type Strings = Translated<typeof en>;

/** The table with other texts in place of some. */
export function withTexts<T extends object>(table: T, texts: NoInfer<Partially<T>> | undefined): T {
  if (texts === undefined) return table;
  const merged = { ...table } as Record<string, unknown>;
  for (const [key, text] of Object.entries(texts as Record<string, unknown>)) {
    const present = merged[key];
    if (text === undefined || present === undefined) continue;
    merged[key] =
      typeof text === 'object' && text !== null && typeof present === 'object' && present !== null
        ? withTexts(present, text)
        : text;
  }
  return merged as T;
}

let current: Strings = en;
/**
 * The texts that the page shows, for code outside of components. Components call {@link useStrings}, which renders them
 * again when the language changes.
 */
export const currentStrings = (): Strings => current;

const StringsContext = createContext<Strings>(en);

/** The texts of the components. */
export const useStrings = (): Strings => useContext(StringsContext);

interface Props {
  /** A language. Default: English. */
  readonly strings?: Strings | undefined;
  /** Other texts in place of some of them. */
  readonly texts?: Partially<Strings> | undefined;
  readonly children: ReactNode;
}

/** Gives the components below it their texts. */
export function StringsProvider({ strings = en, texts, children }: Props) {
  const merged = useMemo(() => withTexts(strings, texts), [strings, texts]);
  // Children that render now may already call what asks for it.
  current = merged;
  return <StringsContext value={merged}>{children}</StringsContext>;
}
