/**
 * Names that look alike, after Unicode Technical Standard 39: two names with the same skeleton are easily taken for
 * each other.
 */
import { withoutInvisible } from '@parley/contracts';
import { LETTERS, SIGNS } from './confusables.js';

const byCharacter = (table: Readonly<Record<string, string>>): Map<string, string> =>
  new Map(Object.entries(table).flatMap(([to, from]) => Array.from(from, (character) => [character, to])));

const letters = byCharacter(LETTERS);
const signs = byCharacter(SIGNS);
/** The letters that flags consist of. */
const flags = new Map<string, string>();
// Emoji that are letters: negative circled and squared ones.
for (let at = 0; at < 26; at++) {
  const letter = at === 8 ? 'I' : String.fromCharCode(0x61 + at);
  for (const start of [0x1f150, 0x1f170]) signs.set(String.fromCodePoint(start + at), letter);
  flags.set(String.fromCodePoint(0x1f1e6 + at), letter);
}
const WORDS = ['cI', 'cool', 'free', 'Id', 'new', 'ng', 'ok', 'sos', 'up', 'vs'];
for (const [at, word] of WORDS.entries()) signs.set(String.fromCodePoint(0x1f191 + at), word);
signs.set('🆊', 'p').set('🆎', 'ab');

const MARKS = /\p{M}/gu;
/** Signs of ASCII that people write for letters. They do so in words, hardly in names. */
const SIGN_LETTERS: Readonly<Record<string, string>> = { $: 's', '@': 'a', '!': 'I', '|': 'I', '+': 't', '(': 'c' };
/** Digits that people write for letters. `1` is an `i` or an `l`. */
const DIGIT_LETTERS: Readonly<Record<string, string>> = {
  0: 'o',
  1: 'I',
  3: 'e',
  4: 'a',
  5: 's',
  7: 't',
  8: 'b',
  9: 'g',
};

/** What a character looks like in ASCII. */
interface Look {
  /** Letters of ASCII as the table has them, or the character itself. */
  readonly text: string;
  /** A letter or digit; a sign or part of a flag, which is read or decorates; what only decorates; white space. */
  readonly kind: 'letter' | 'sign' | 'flag' | 'decoration' | 'space';
}

function lookOf(character: string): Look {
  if (/[A-Za-z0-9]/.test(character)) return { text: character, kind: 'letter' };
  if (/\s/.test(character)) return { text: ' ', kind: 'space' };
  const [sign, flag] = [signs.get(character), flags.get(character)];
  if (sign !== undefined) return { text: sign, kind: 'sign' };
  if (flag !== undefined) return { text: flag, kind: 'flag' };
  const like = letters.get(character) ?? letters.get(character.toUpperCase()) ?? letters.get(character.toLowerCase());
  if (like !== undefined) return { text: like, kind: 'letter' };
  return { text: character, kind: /[\p{L}\p{N}]/u.test(character) ? 'letter' : 'decoration' };
}

/** Without accents, other marks and invisible characters. Compatibility characters are taken apart. */
const looksOf = (text: string): Look[] =>
  Array.from(withoutInvisible(text.normalize('NFKC').normalize('NFKD')).replace(MARKS, ''), lookOf);

// The letters of usernames that are confused within ASCII. Migration 0005 does the same in SQL.
const ofLowerCase = (text: string): string =>
  text.toLowerCase().replaceAll('0', 'o').replaceAll('1', 'l').replaceAll('m', 'rn');

/** What a username looks like. Equal for usernames that are confusable. */
export const skeletonOf = (username: string): string => ofLowerCase(username);

/**
 * What a username looks like without its separators, which people do not remember: `anna_x`, `anna-x` and `annax` are
 * confusable. Between digits they stay, as one: `1-23` is not `12-3`. Migration 0010 does the same in SQL.
 */
export function bareSkeletonOf(username: string): string {
  if (!/[a-z0-9]/i.test(username)) return ofLowerCase(username);
  const isDigit = (character: string | undefined): boolean => /^[0-9]$/.test(character ?? '');
  return ofLowerCase(
    username.replace(/[._-]+/g, (run, at: number) =>
      isDigit(username[at - 1]) && isDigit(username[at + run.length]) ? '-' : '',
    ),
  );
}

/** A name with more strokes is read with all of them as `i`, or all as `l`. */
const MAX_STROKES = 6;

/** The text with each `I` read as `i` or as `l`. */
function readStrokes(text: string): string[] {
  const parts = text.split('I');
  if (parts.length - 1 > MAX_STROKES) return ['i', 'l'].map((letter) => parts.join(letter));
  return parts
    .slice(1)
    .reduce((read, part) => read.flatMap((start) => [`${start}i${part}`, `${start}l${part}`]), [parts[0]!]);
}

/**
 * The skeletons of the usernames as which a displayed name may be read: in any script, with whatever decorates it or
 * stands between its letters. Words with spaces between them are no username, single letters are one.
 */
export const skeletonsOfName = (name: string): string[] => [...new Set(readingsOf(name).map(ofLowerCase))];

/** As {@link skeletonsOfName}, without separators: see {@link bareSkeletonOf}. */
export const bareSkeletonsOfName = (name: string): string[] => [...new Set(readingsOf(name).map(bareSkeletonOf))];

function readingsOf(name: string): string[] {
  const looks = looksOf(name);
  const read = [false, true].flatMap((withSigns) => {
    const shown = looks.filter(({ text, kind }) =>
      kind === 'decoration' ? /[._-]/.test(text) : withSigns || kind === 'letter' || kind === 'space',
    );
    const asWritten = shown
      .map(({ text }) => text)
      .join('')
      .trim();
    const words = asWritten.replace(/[._-]/g, '').split(/ +/);
    const isOneWord = words.length === 1 || words.every((word) => word.length <= 1);
    return [asWritten, withoutEnds(asWritten), ...(isOneWord ? [words.join('')] : [])];
  });
  return read.flatMap(readStrokes);
}

/** Without separators before and behind. */
function withoutEnds(name: string): string {
  let [start, end] = [0, name.length];
  while (start < end && /[._-]/.test(name[start]!)) start++;
  while (end > start && /[._-]/.test(name[end - 1]!)) end--;
  return name.slice(start, end);
}

/** Names of officials, and words that clients use in mentions of many. Nobody may be called so. */
const RESERVED = [
  'admin',
  'administrator',
  'system',
  'support',
  'everyone',
  'here',
  'channel',
  'all',
  'root',
  'moderator',
  'parley',
];
/** Long words are recognised even if `i` and `l` are exchanged. Of short ones that would make other names: `ali`, `all`. */
const LONG = 5;
const reserved = RESERVED.map((word) => (word.length >= LONG ? word.replaceAll('i', 'l') : word)).map(ofLowerCase);

/**
 * True for a reserved word, also spelt with digits, look-alikes or anything but letters and digits around or between
 * its letters: `adm1n`, `Аdmin`, `s.y.s.t.e.m`, `[admin]`.
 */
export function isReserved(name: string): boolean {
  const looks = looksOf(withoutExclamation(name));
  const hasCapitals = /[A-HJ-Z]/.test(
    looks
      .slice(1)
      .map(({ text }) => text)
      .join(''),
  );
  // In `ALI`, the last letter is no `l`.
  const strokes = hasCapitals ? ['i'] : ['i', 'l'];
  const readingsOf = ({ text, kind }: Look, withFlags: boolean): readonly string[] => {
    if (kind === 'letter')
      return text === 'I' ? strokes : readStrokes(DIGIT_LETTERS[text] ?? text).map((read) => read.toLowerCase());
    const letter = kind === 'decoration' ? SIGN_LETTERS[text] : text;
    if (kind === 'space' || letter === undefined || (kind === 'flag' && !withFlags)) return [''];
    return kind === 'flag' ? readStrokes(letter) : ['', ...readStrokes(letter)];
  };
  return [false, true].some((withFlags) => {
    const readings = looks.map((look) => readingsOf(look, withFlags));
    return reserved.some((word) => isSpelt(word, readings));
  });
}

/** `Al!` is no `all`. */
function withoutExclamation(name: string): string {
  let end = name.length;
  while (end > 0 && /[!！\s]/.test(name[end - 1]!)) end--;
  return name.slice(0, end);
}

/** Whether a word can be spelt with one reading of each character. */
function isSpelt(word: string, readings: readonly (readonly string[])[]): boolean {
  const isLong = word.length >= LONG;
  let ends = new Set([0]);
  for (const texts of readings) {
    const written = texts.map((text) => ofLowerCase(isLong ? text.replaceAll('i', 'l') : text));
    ends = new Set(
      [...ends].flatMap((end) => written.filter((text) => word.startsWith(text, end)).map((text) => end + text.length)),
    );
  }
  return ends.has(word.length);
}
