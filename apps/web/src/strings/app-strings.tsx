import type { Translated } from '@parley/react-ui/parts';
import { createContext, useContext, type ReactNode } from 'react';
import { en } from './en.ts';

/** All texts of the app around the chat in one language. */
export type AppStrings = Translated<typeof en>;

let current: AppStrings = en;
/** The texts that the page shows, for code outside of components. Components call {@link useAppStrings}. */
export const currentAppStrings = (): AppStrings => current;

const AppStringsContext = createContext<AppStrings>(en);

/** The texts of the app around the chat, in the chosen language. */
export const useAppStrings = (): AppStrings => useContext(AppStringsContext);

/** Gives the components below it their texts. */
export function AppStringsProvider({
  strings,
  children,
}: {
  readonly strings: AppStrings;
  readonly children: ReactNode;
}) {
  // Children that render now may already call what asks for it.
  current = strings;
  return <AppStringsContext value={strings}>{children}</AppStringsContext>;
}
