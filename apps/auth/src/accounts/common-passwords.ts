import { ChatError } from '@parley/contracts';
import { dictionary } from '@zxcvbn-ts/language-common';

/** The commonest passwords of published breaches, some 49,000, in lower case. */
const common = new Set([...dictionary['passwords-common'], 'parley']);
/** Digits and signs that stand for letters. */
const letters: Readonly<Record<string, string>> = {
  '0': 'o',
  '1': 'i',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '7': 't',
  '@': 'a',
  $: 's',
  '!': 'i',
};

/** From the first letter to the last. */
const withoutEnds = (word: string): string => /\p{L}(?:.*\p{L})?/su.exec(word)?.[0] ?? '';
const spelled = (word: string): string => word.replaceAll(/[0134577@$!]/g, (sign) => letters[sign]!);
const hasLetter = (text: string): boolean => /\p{L}/u.test(text);

/** The shortest text of which `word` is a repetition: `word` itself if there is none. */
function repeated(word: string): string {
  const period = (word + word).indexOf(word, 1);
  return word.slice(0, period);
}

/** Whether all characters follow each other, upwards or downwards, as in `abcdefghij` and `0987654321`. */
function isRow(word: string): boolean {
  const codes = Array.from(word, (character) => character.codePointAt(0)!);
  // Nine and zero are neighbours, too.
  const step = (at: number): number => ((codes[at + 1]! - codes[at]! + 15) % 10) - 5;
  return codes.length > 2 && Math.abs(step(0)) === 1 && codes.slice(2).every((_, at) => step(at + 1) === step(0));
}

/**
 * Whether a folded password is a common one, also with digits and signs around it, spelled with digits, or repeated. A
 * few characters again and again are one, too.
 */
function isCommon(password: string): boolean {
  if (isRow(password)) return true;
  const unit = repeated(password);
  if (unit.length <= 4 && unit !== password) return true;
  return [password, unit].some((word) => {
    const core = withoutEnds(word);
    return [word, core, repeated(core), spelled(core)].some((guess) => guess !== '' && common.has(guess));
  });
}

/** The letters as which people write digits and signs. */
const readings: Readonly<Record<string, string>> = {
  '0': 'o',
  '1': 'il',
  '2': 'z',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '6': 'bg',
  '7': 't',
  '8': 'b',
  '9': 'g',
  '@': 'a',
  $: 's',
  '!': 'il',
  '|': 'il',
  '+': 't',
  '(': 'c',
};
const readingsOf = (character: string): string => character + (readings[character] ?? '');
const canBe = (one: string, other: string): boolean =>
  Array.from(readingsOf(one)).some((letter) => readingsOf(other).includes(letter));
const isSign = (character: string): boolean => !/[\p{L}\p{N}]/u.test(character);
/** Without case, width and accents. */
const fold = (text: string): string => text.normalize('NFKC').toLowerCase().normalize('NFKD').replaceAll(/\p{M}/gu, '');

const MIN_WORD = 3;

/** A name, its words, and both without the digits around them; each forwards and backwards, longest first. */
function spellingsOf(name: string): string[][] {
  const folded = fold(name);
  const words = folded.split(/[^\p{L}\p{N}]+/u);
  const forms = [words.join(''), withoutEnds(words.join('')), ...words, ...words.map(withoutEnds)]
    .filter((form, index) => form !== '' && (index < 2 || Array.from(form).length >= MIN_WORD))
    .map((form) => Array.from(form));
  return forms.flatMap((form) => [form, form.toReversed()]).toSorted((a, b) => b.length - a.length);
}

/** Where a word ends that is spelt from a position on, with signs between its letters; undefined if it is not. */
function endOf(word: readonly string[], password: readonly string[], from: number): number | undefined {
  let at = from;
  for (const letter of word) {
    while (at > from && at < password.length && isSign(password[at]!) && !canBe(password[at]!, letter)) at++;
    if (at >= password.length || !canBe(password[at]!, letter)) return undefined;
    at++;
  }
  return at;
}

/**
 * Whether a password is nothing but a name, once or several times, and digits and signs: forwards or backwards, spelt
 * with digits and signs, whatever separates its parts.
 */
function isName(password: string, names: readonly string[]): boolean {
  const characters = Array.from(fold(password));
  const words = names.flatMap(spellingsOf);
  let hasName = names.some((name) => fold(name) === fold(password));
  let rest = '';
  for (let at = 0; at < characters.length && !hasLetter(rest);) {
    const ends = words.map((word) => endOf(word, characters, at)).filter((end) => end !== undefined);
    if (ends.length > 0) {
      hasName = true;
      at = Math.max(...ends);
    } else rest += characters[at++]!;
  }
  return hasName && !hasLetter(rest);
}

/**
 * Rejects with `invalid` for a password that is guessed first: a common one, or one of the user's `names`. `field` is
 * its name in the input.
 */
export function requireUncommon(field: string, password: string, ...names: readonly string[]): void {
  const folded = password.normalize('NFKC').toLowerCase();
  const message = isName(password, names)
    ? 'must not be the username or the displayed name'
    : isCommon(folded)
      ? 'is too common: others use it, so it is guessed first'
      : undefined;
  if (message !== undefined)
    throw new ChatError('invalid', `${field}: ${message}`, { details: [{ path: field, message }] });
}
