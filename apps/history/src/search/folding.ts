/** Text folding and word splitting for search. */
import { foldPart } from '@parley/contracts';

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
// eslint-disable-next-line no-control-regex -- all of ASCII
const ASCII = /^[\x00-\x7f]*$/;
/** The first begins a hit, the second ends it. Removed from bodies and queries. */
const MARKERS = ['\ue000', '\ue001'] as const;
const ANY_MARKER = /[\ue000\ue001]/g;
// Scripts without spaces between words, as far as single characters or pairs have a meaning.
const UNSPACED = String.raw`[[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Bopomofo}\p{scx=Hangul}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]&&[\p{L}\p{Nl}\p{M}]]`;
const LETTER = String.raw`[[\p{L}\p{N}\p{M}_]--${UNSPACED}]`;
/** A run of those scripts, a word of any other script, or a sign with a meaning of its own. */
const PIECES = new RegExp(
  String.raw`(?<run>${UNSPACED}+)|(?<word>${LETTER}+)|(?<sign>[\p{S}\p{Extended_Pictographic}])`,
  'gv',
);
const WORDS = new RegExp(`${LETTER}+`, 'gv');
/** Maximum number of characters of an indexed word. Longer words are found by their parts. */
const MAX_WORD_LENGTH = 64;
/**
 * A term without a word of this length only matches the beginning of words, because as a part of words it would match
 * everywhere.
 */
const LONG_WORD = 3;

/** The folded graphemes of a text. White space becomes one space. */
function* foldedParts(parts: Iterable<string>): Generator<string> {
  let last = '';
  for (const part of parts) {
    let folded = foldPart(part);
    if (/^\s/.test(folded)) folded = last === ' ' ? '' : ' ';
    if (folded !== '') last = folded;
    yield folded;
  }
}

/**
 * Text without case, accents and width, with single spaces. Folds grapheme by grapheme, so that a part of a text folds
 * to a part of the folded text.
 */
export function foldText(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase().replace(/\s+/g, ' ');
  return [...foldedParts(graphemesOf(text.replace(ANY_MARKER, '')))].join('');
}

const graphemesOf = (text: string): string[] => Array.from(graphemes.segment(text), ({ segment }) => segment);

/**
 * The words of a folded text for the index: words, single characters and pairs of scripts without spaces, and signs.
 * None contains white space.
 */
export function wordsOf(folded: string): string[] {
  const words = new Set<string>();
  for (const { groups } of folded.matchAll(PIECES)) {
    if (groups!['run'] === undefined) words.add(indexed(groups!['word'] ?? groups!['sign']!));
    else for (const piece of [...charactersOf(groups!['run']), ...pairsOf(groups!['run'])]) words.add(piece);
  }
  return [...words];
}

const indexed = (word: string): string => word.slice(0, MAX_WORD_LENGTH).toWellFormed();
const charactersOf = (text: string): string[] => Array.from(text);
function pairsOf(run: string): string[] {
  const characters = charactersOf(run);
  return characters.slice(1).map((character, at) => characters[at]! + character);
}

/** A part of a query between white space, or a phrase. */
export interface Term {
  /** Folded. */
  readonly text: string;
  /** True when it only matches the beginning of words. */
  readonly atWordStart: boolean;
  /**
   * Words that {@link wordsOf} returns for every text that contains the term; and the beginning of the word with which
   * it begins.
   */
  readonly words: readonly string[];
  readonly prefix?: string;
}

/** A phrase between quotation marks, or a run without white space. */
const QUERY_PARTS = /["“”„](?<phrase>[^"“”„]*)["“”]|(?<term>[^\s"“”„]+|["“”„])/gu;

/** The different terms of a query: words, and phrases between quotation marks. */
export function termsOf(query: string): Term[] {
  const terms = Array.from(query.replace(ANY_MARKER, '').matchAll(QUERY_PARTS), ({ groups }) => {
    const { phrase, term } = groups as { phrase?: string; term?: string };
    return { text: foldText(phrase ?? term!).trim(), isPhrase: phrase !== undefined };
  }).filter(({ text }) => text !== '');
  return [...new Map(terms.map((term) => [term.text, term])).values()].map(({ text, isPhrase }) =>
    termOf(text, isPhrase),
  );
}

function termOf(text: string, isPhrase: boolean): Term {
  const pieces = [...text.matchAll(PIECES)].map(({ index, groups }) => ({
    index,
    ...(groups as { run?: string; word?: string; sign?: string }),
  }));
  const words = pieces.flatMap(({ run, sign }) =>
    run === undefined ? (sign ?? []) : charactersOf(run).length === 1 ? run : pairsOf(run),
  );
  const first = pieces[0];
  const long = pieces.some(({ word }) => word !== undefined && charactersOf(word).length >= LONG_WORD);
  const startsWithWord = first?.index === 0 && first.word !== undefined;
  if (isPhrase && startsWithWord) {
    // All words but one that ends the phrase are complete.
    const ending = pieces.at(-1)!;
    const goesOn = ending.word !== undefined && ending.index + ending.word.length === text.length;
    const complete = pieces.slice(0, goesOn ? -1 : undefined).flatMap(({ word }) => word ?? []);
    return {
      text,
      atWordStart: true,
      words: [...words, ...complete.map(indexed)],
      ...(goesOn && { prefix: indexed(ending.word!) }),
    };
  }
  const atWordStart = words.length === 0 && !long && startsWithWord;
  return { text, atWordStart, words, ...(atWordStart ? { prefix: first.word! } : {}) };
}

/** A folded text in which terms are looked up, each in time in proportion to its length. */
class FoldedText {
  /** The positions after which a word goes on or ends; found when they are needed. */
  private afterLetter: Uint8Array | undefined;

  constructor(readonly text: string) {}

  /** The positions of a term. */
  *hitsOf({ text, atWordStart }: Term): Generator<number> {
    for (let at = this.text.indexOf(text); at >= 0;) {
      const hit = !atWordStart || !this.isAfterLetter(at);
      if (hit) yield at;
      at = this.text.indexOf(text, at + (hit ? text.length : 1));
    }
  }

  private isAfterLetter(at: number): boolean {
    if (!this.afterLetter) {
      this.afterLetter = new Uint8Array(this.text.length + 1);
      for (const { index, 0: word } of this.text.matchAll(WORDS))
        this.afterLetter.fill(1, index + 1, index + word.length + 1);
    }
    return this.afterLetter[at] === 1;
  }
}

/** True when a body contains all terms. */
export function contains(body: string, terms: readonly Term[]): boolean {
  const folded = new FoldedText(foldText(body));
  return terms.every((term) => !folded.hitsOf(term).next().done);
}

/** Length of a passage and of its part before the first hit, in graphemes. */
const PASSAGE = 300;
const BEFORE_HIT = 80;

/**
 * A passage of the body around its first hit, at most {@link PASSAGE} graphemes, with every hit between U+E000 and
 * U+E001. A hit covers whole graphemes; adjacent hits are one.
 */
export function highlight(body: string, terms: readonly Term[]): string {
  const { parts, origins, folded } = foldByPart(body.replace(ANY_MARKER, ''));
  const hit = new Uint8Array(parts.length);
  for (const term of terms)
    for (const at of folded.hitsOf(term))
      // With the parts between them that fold to nothing.
      hit.fill(1, origins[at]!, origins[at + term.text.length - 1]! + 1);
  const from = Math.max(0, Math.min(hit.indexOf(1) - BEFORE_HIT, parts.length - PASSAGE));
  const to = Math.min(from + PASSAGE, parts.length);
  let passage = '';
  for (let at = from; at < to; at++)
    passage +=
      (hit[at] && (at === from || !hit[at - 1]) ? MARKERS[0] : '') +
      parts[at]! +
      (hit[at] && (at + 1 === to || !hit[at + 1]) ? MARKERS[1] : '');
  return passage;
}

/** The graphemes of a text, the text folded, and the grapheme from which each code unit of the folded text comes. */
function foldByPart(text: string): { parts: string[]; origins: number[]; folded: FoldedText } {
  const parts = ASCII.test(text) ? Array.from(text) : graphemesOf(text);
  const origins: number[] = [];
  let folded = '';
  let at = -1;
  for (const foldedPart of foldedParts(parts)) {
    at++;
    folded += foldedPart;
    for (let unit = 0; unit < foldedPart.length; unit++) origins.push(at);
  }
  return { parts, origins, folded: new FoldedText(folded) };
}
