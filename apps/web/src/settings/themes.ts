/** The look of the page, remembered by this browser. */
export const themes = ['daylight', 'paper', 'meadow', 'blossom', 'dusk', 'midnight', 'forest', 'ember'] as const;
export type Theme = (typeof themes)[number];

const KEY = 'parley:theme';
const isTheme = (value: unknown): value is Theme => themes.includes(value as Theme);

/** What was chosen here before, or else what the system prefers. */
export function rememberedTheme(): Theme {
  const kept = read(KEY);
  if (isTheme(kept)) return kept;
  return matchMedia('(prefers-color-scheme: dark)').matches ? 'midnight' : 'daylight';
}

export function applyTheme(theme: Theme): void {
  document.documentElement.dataset['theme'] = theme;
}

export function rememberTheme(theme: Theme): void {
  applyTheme(theme);
  write(KEY, theme);
}

/** A browser may forbid storage: then nothing is remembered, and nothing breaks. */
export function read(key: string): string | undefined {
  try {
    return localStorage.getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}

export function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Forbidden, or full.
  }
}
