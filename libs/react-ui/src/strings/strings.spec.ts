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

/** The texts of a table with their paths. */
function textsOf(table: object, prefix = ''): [string, string][] {
  return Object.entries(table).flatMap(([key, value]: [string, unknown]) => {
    const path = `${prefix}${key}`;
    if (typeof value === 'string') return [[path, value] as [string, string]];
    return typeof value === 'object' && value !== null ? textsOf(value, `${path}.`) : [];
  });
}

/** Words that are the same as in English. */
const international = new Set(
  'Admin,Audio,Bot,Canal,Chats,Code,Conversation,Conversations,Details,Document,Emoji,Message,Messages,Name,Offline,Online,Pause,Person,Position,Public,Smileys,Version,Video'.split(
    ',',
  ),
);

it.each(['de', 'fr', 'es', 'ja', 'ar'] as const)('no text of %s is left in English', async (language) => {
  const english = new Map(textsOf(en));
  const same = textsOf(await loadStrings(language)).filter(
    ([path, text]) => text === english.get(path) && !international.has(text) && path !== 'language',
  );
  expect(same).toEqual([]);
});

it('each language counts with the forms of its plural rules', async () => {
  const counts = [0, 1, 2, 5, 11, 100];
  const membersIn = async (language: Language) => {
    const { conversation } = await loadStrings(language);
    return counts.map((count) => conversation.members(count));
  };
  expect(await membersIn('ar')).toEqual(['لا أعضاء', 'عضو واحد', 'عضوان', '5 أعضاء', '11 عضوًا', '100 عضو']);
  expect((await membersIn('de')).slice(0, 3)).toEqual(['0 Mitglieder', '1 Mitglied', '2 Mitglieder']);
  expect((await membersIn('fr')).slice(0, 3)).toEqual(['0 membre', '1 membre', '2 membres']);
  expect((await membersIn('es')).slice(0, 3)).toEqual(['0 miembros', '1 miembro', '2 miembros']);
  expect((await membersIn('ja')).slice(0, 3)).toEqual(['メンバー0人', 'メンバー1人', 'メンバー2人']);
  expect((await membersIn('en')).slice(0, 3)).toEqual(['0 members', '1 member', '2 members']);
});

it('lists, sizes, and people in sentences follow the language', async () => {
  const [de, fr, ar] = await Promise.all([loadStrings('de'), loadStrings('fr'), loadStrings('ar')]);
  expect(de.messages.typing(['Ann', 'Ben'])).toBe('Ann und Ben schreiben');
  expect(de.system.added({ name: 'Ann', isMe: true }, { name: 'Ben', isMe: false })).toBe('Du hast Ben hinzugefügt');
  expect(fr.common.size('1,5', 'MB')).toBe('1,5 Mo');
  expect(ar.times.minutesAgo(5)).toBe('قبل 5 دقائق');
});

it('takes the first wanted language that exists, whatever its region', () => {
  expect(languageFor(['xx', 'en-GB'])).toBe('en');
  expect(languageFor(['pt', 'ja-JP', 'de'])).toBe('ja');
  expect(languageFor(['xx'])).toBe('en');
  expect([directionOf('ar-EG'), directionOf('en')]).toEqual(['rtl', 'ltr']);
});
