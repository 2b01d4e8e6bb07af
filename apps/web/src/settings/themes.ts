import { onSystemThemeChange, Preference, systemTheme, type Theme, themes } from '@parley/react-ui/parts';

export type ThemeChoice = Theme | 'system';

/** The chosen theme. `system`: one that suits the system's colour scheme, also when that changes. */
export const themeChoice = new Preference<ThemeChoice>('parley:theme', [...themes, 'system'], 'system');

export const themeOf = (choice: ThemeChoice): Theme => (choice === 'system' ? systemTheme() : choice);

/** Shows the page in the chosen theme from now on, and what a phone draws around it. */
export function followThemeChoice(): void {
  const page = document.documentElement;
  const apply = () => {
    page.dataset['theme'] = themeOf(themeChoice.value);
    const color = getComputedStyle(page).getPropertyValue('--surface');
    document.querySelector('meta[name="theme-color"]')?.setAttribute('content', color);
  };
  apply();
  themeChoice.subscribe(apply);
  onSystemThemeChange(apply);
}
