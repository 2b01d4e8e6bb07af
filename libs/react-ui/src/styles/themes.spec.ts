import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { themes } from './themes.ts';

const css = readFileSync(new URL('themes.css', import.meta.url), 'utf8');

/** Text colours, and the backgrounds that they are used on. */
const pairs: readonly (readonly [string, readonly string[]])[] = [
  ['text', ['bg', 'surface', 'raised']],
  ['muted', ['bg', 'surface', 'raised']],
  ['link', ['bg', 'surface', 'raised', 'own']],
  ['danger', ['bg', 'surface', 'raised']],
  ['good', ['bg', 'surface', 'raised']],
  ['on-accent', ['accent']],
  ['on-own', ['own']],
  ['muted-own', ['own']],
  ['on-warn', ['warn-bg']],
  ...Array.from({ length: 8 }, (_, at) => [`name-${at}`, ['bg', 'surface']] as const),
];

function colorsOf(theme: string): Map<string, string> {
  const blocks = [...css.matchAll(/((?:\[data-theme='\w+'\],?\s)+)\{([^}]*)\}/g)]
    .filter(([, selectors]) => selectors!.includes(`'${theme}'`))
    .map(([, , declarations]) => declarations)
    .join('');
  return new Map([...blocks.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name!, value!]));
}

/** Relative luminance, WCAG 2.2. */
function luminance(hex: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}

function contrast(one: string, other: string): number {
  const [light, dark] = [luminance(one), luminance(other)].toSorted((a, b) => b - a);
  return (light! + 0.05) / (dark! + 0.05);
}

it.each(themes)('%s: text has a contrast of at least 4.5:1 on its backgrounds, and controls of 3:1', (theme) => {
  const colors = colorsOf(theme);
  const poor = pairs.flatMap(([text, backgrounds]) =>
    backgrounds
      .map((background) => ({
        pair: `${text} on ${background}`,
        ratio: contrast(colors.get(text)!, colors.get(background)!),
      }))
      .filter(({ ratio }) => !(ratio >= 4.5)),
  );
  expect(poor).toEqual([]);
  for (const background of ['bg', 'surface', 'raised'])
    expect(contrast(colors.get('accent')!, colors.get(background)!)).toBeGreaterThanOrEqual(3);
});
