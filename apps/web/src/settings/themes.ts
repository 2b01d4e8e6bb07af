import { readItem, writeItem } from '../shared/local-storage.ts';

/** The colour themes. This browser remembers the chosen one. */
export const themes = ['daylight', 'paper', 'meadow', 'blossom', 'dusk', 'midnight', 'forest', 'ember'] as const;
export type Theme = (typeof themes)[number];

const KEY = 'parley:theme';
const isTheme = (value: unknown): value is Theme => themes.includes(value as Theme);

/** The theme that was chosen in this browser, else one that suits the system's colour scheme. */
export function rememberedTheme(): Theme {
  const remembered = readItem(KEY);
  if (isTheme(remembered)) return remembered;
  return matchMedia('(prefers-color-scheme: dark)').matches ? 'midnight' : 'daylight';
}

export function applyTheme(theme: Theme): void {
  document.documentElement.dataset['theme'] = theme;
}

export function rememberTheme(theme: Theme): void {
  applyTheme(theme);
  writeItem(KEY, theme);
}
