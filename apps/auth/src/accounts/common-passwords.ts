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

/** Whether a folded password is the username and nothing but digits and signs, whatever separates them. */
function isUsername(password: string, username: string): boolean {
  if (password === username) return true;
  const [words, name] = [password, username].map((text) => text.replaceAll(/[^\p{L}\p{N}]/gu, '')) as [string, string];
  return name !== '' && words.includes(name) && !hasLetter(words.replaceAll(name, ''));
}

/**
 * Rejects with `invalid` for a password that is guessed first: a common one, or the username. `field` is its name in
 * the input.
 */
export function requireUncommon(field: string, password: string, username: string): void {
  const folded = password.normalize('NFKC').toLowerCase();
  const message = isUsername(folded, username.toLowerCase())
    ? 'must not be the username'
    : isCommon(folded)
      ? 'is too common: others use it, so it is guessed first'
      : undefined;
  if (message !== undefined)
    throw new ChatError('invalid', `${field}: ${message}`, { details: [{ path: field, message }] });
}
