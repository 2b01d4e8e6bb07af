/** The colour themes. */
export const themes = ['daylight', 'paper', 'meadow', 'blossom', 'dusk', 'midnight', 'forest', 'ember'] as const;
/** The name of a colour theme. */
export type Theme = (typeof themes)[number];

const systemIsDark = (): MediaQueryList => matchMedia('(prefers-color-scheme: dark)');

/** The theme that suits the system's colour scheme at this moment. */
export const systemTheme = (): Theme => (systemIsDark().matches ? 'midnight' : 'daylight');

/** Calls the listener when the system's colour scheme changes. Returns what ends that. */
export function onSystemThemeChange(listener: () => void): () => void {
  const query = systemIsDark();
  query.addEventListener('change', listener);
  return () => query.removeEventListener('change', listener);
}
