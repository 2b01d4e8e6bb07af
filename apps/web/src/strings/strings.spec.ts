import { languages, type Language } from '@parley/react-ui';
import { expect, it } from 'vitest';
import { en } from './en.ts';
import { loadAppStrings } from './languages.ts';

/** The texts of a table with their paths, and functions as nothing. */
const textsOf = (table: object, prefix = ''): [string, string | undefined][] =>
  Object.entries(table).flatMap(([key, value]: [string, unknown]) =>
    typeof value === 'object' && value !== null
      ? textsOf(value, `${prefix}${key}.`)
      : [[`${prefix}${key}`, typeof value === 'string' ? value : undefined]],
  );

/** Words that are the same as in English. */
const international = new Set(
  'Action,Browser,Chat,Chats,Contacts,Compact,Documentation,Frames,Invitation,Licences,Message,Messages,Name,Online,Person,Server,Session,Version'.split(
    ',',
  ),
);
/** Other words by which actions are found, which may be the same. */
const isSearchWord = (path: string) => /^find\.actions\.\w+\.1$/.test(path);

it.each(Object.keys(languages) as Language[])(
  'the table of %s has every text, none of them in English',
  async (tag) => {
    const texts = textsOf(await loadAppStrings(tag));
    const english = new Map(textsOf(en));
    expect(texts.map(([path]) => path).toSorted()).toEqual([...english.keys()].toSorted());
    expect(texts.filter(([, text]) => text === '')).toEqual([]);
    if (tag === 'en') return;
    const same = texts.filter(
      ([path, text]) =>
        text !== undefined && text === english.get(path) && !international.has(text) && !isSearchWord(path),
    );
    expect(same).toEqual([]);
  },
);

it('messages that wait are counted by the rules of the language', async () => {
  const [de, ar] = await Promise.all([loadAppStrings('de'), loadAppStrings('ar')]);
  expect(de.shell.offline(false, 1)).toBe('Keine Verbindung zum Server. 1 Nachricht wartet und geht nicht verloren.');
  expect([1, 2, 5, 11, 100].map((count) => ar.shell.logOut.unsent(count).split(' ')[0])).toEqual([
    'رسالة',
    'رسالتان',
    '5',
    '11',
    '100',
  ]);
});
