import { expect, it } from 'vitest';
import { en } from './en.ts';
import { directionOf, formatsOf } from './formats.ts';
import { languageFor, languages, loadStrings, type Language } from './languages.ts';
import { withTexts } from './strings.tsx';

/** The paths of a table's texts. */
const paths = (table: object): string[] =>
  Object.entries(table).flatMap(([key, text]) =>
    typeof text === 'object' && text !== null ? paths(text as object).map((path) => `${key}.${path}`) : [key],
  );

it.each(Object.keys(languages) as Language[])('the table of %s has every text, and none is empty', async (language) => {
  const table = await loadStrings(language);
  expect(table.language).toBe(language);
  expect(paths(table).toSorted()).toEqual(paths(en).toSorted());
  const texts = (part: object): unknown[] =>
    Object.values(part).flatMap((text: unknown) => (typeof text === 'object' && text !== null ? texts(text) : [text]));
  expect(
    texts(table).filter((text) => typeof text !== 'function' && (typeof text !== 'string' || text === '')),
  ).toEqual([]);
});

it('a host replaces some texts, and the others stay', () => {
  const table = withTexts<typeof en>(en, { sidebar: { title: 'Talks' } });
  expect([table.sidebar.title, table.sidebar.none]).toEqual(['Talks', en.sidebar.none]);
});

it('numbers in texts follow the plural rules and digits of the language', () => {
  const forms = { zero: '0', one: 'one', two: 'two', few: '# few', many: '# many', other: '# other' };
  const arabic = formatsOf('ar-EG');
  expect([1, 2, 3, 11, 100].map((count) => arabic.plural(count, forms))).toEqual([
    'one',
    'two',
    '٣ few',
    '١١ many',
    '١٠٠ other',
  ]);
  expect(formatsOf('en').plural(1000, { one: '# message', other: '# messages' })).toBe('1,000 messages');
});

it('takes the first wanted language that exists, whatever its region', () => {
  expect(languageFor(['xx', 'en-GB'])).toBe('en');
  expect(languageFor(['xx'])).toBe('en');
  expect([directionOf('ar-EG'), directionOf('en')]).toEqual(['rtl', 'ltr']);
});
