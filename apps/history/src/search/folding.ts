/** What search takes for the same, and what it takes for a word. */

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
// eslint-disable-next-line no-control-regex -- all of ASCII
const ASCII = /^[\x00-\x7f]*$/;
/** Accents. The marks of scripts that write vowels with them stay, and so do those of kana, which make other letters. */
const ACCENTS = /[[\p{Mn}&&[\p{Script=Inherited}\p{Script=Hebrew}\p{Script=Arabic}]]--[\u3099\u309a]]/gv;
/** The first begins a hit and the second ends it; no body keeps them. */
const MARKERS = ['\ue000', '\ue001'] as const;
const ANY_MARKER = /[\ue000\ue001]/g;
// Scripts that put no spaces between words, as far as their characters mean something alone or in pairs.
const UNSPACED = String.raw`[[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Bopomofo}\p{scx=Hangul}]&&[\p{L}\p{Nl}\p{M}]]`;
const LETTER = String.raw`[[\p{L}\p{N}\p{M}_]--${UNSPACED}]`;
/** A run of those scripts; a word of any other; a sign that means something by itself. */
const PIECES = new RegExp(
  String.raw`(?<run>${UNSPACED}+)|(?<word>${LETTER}+)|(?<sign>[\p{S}\p{Extended_Pictographic}])`,
  'gv',
);
const ENDS_IN_WORD = new RegExp(`${LETTER}$`, 'v');
/** Longer words are found by their parts. */
const MOST_OF_A_WORD = 64;
/** Terms without a longer word in them are found at the beginning of words only: as parts of words they would be everywhere. */
const SHORT = 3;

/** Upper case first: it also unites letters that only lower case tells apart (σ and ς) or has no other form of (ß). */
const foldOne = (grapheme: string): string =>
  grapheme.normalize('NFKD').toUpperCase().toLowerCase().normalize('NFKD').replace(ACCENTS, '').normalize('NFC');

/** Text without differences of case, accents and width; grapheme by grapheme, so that a part of a text folds to a part of what the text folds to. */
export function foldText(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase();
  let folded = '';
  for (const { segment } of graphemes.segment(text.replace(ANY_MARKER, ''))) folded += foldOne(segment);
  return folded;
}

/** What a folded text can be looked up by beside its parts: its words, single characters and pairs of scripts without spaces, and signs. Without white space in them. */
export function wordsOf(folded: string): string[] {
  const words = new Set<string>();
  for (const { groups } of folded.matchAll(PIECES)) {
    if (groups!['run'] === undefined)
      words.add((groups!['word'] ?? groups!['sign']!).slice(0, MOST_OF_A_WORD).toWellFormed());
    else for (const piece of [...charactersOf(groups!['run']), ...pairsOf(groups!['run'])]) words.add(piece);
  }
  return [...words];
}

const charactersOf = (text: string): string[] => Array.from(text);
function pairsOf(run: string): string[] {
  const characters = charactersOf(run);
  return characters.slice(1).map((character, at) => characters[at]! + character);
}

/** One part of a search, between white space. */
export interface Term {
  /** Folded. */
  readonly text: string;
  /** Whether it is looked for at the beginning of words only. */
  readonly atWordStart: boolean;
  /** What {@link wordsOf} every text has that contains it, and how the word begins with which it begins. */
  readonly words: readonly string[];
  readonly prefix?: string;
}

/** The terms of a search, each once. */
export function termsOf(query: string): Term[] {
  const texts = new Set(
    foldText(query.replace(ANY_MARKER, ''))
      .split(/\s+/)
      .filter((text) => text !== ''),
  );
  return Array.from(texts, termOf);
}

function termOf(text: string): Term {
  const pieces = [...text.matchAll(PIECES)].map(({ index, groups }) => ({
    index,
    ...(groups as { run?: string; word?: string; sign?: string }),
  }));
  const words = pieces.flatMap(({ run, sign }) =>
    run === undefined ? (sign ?? []) : charactersOf(run).length === 1 ? run : pairsOf(run),
  );
  const first = pieces[0];
  const long = pieces.some(({ word }) => word !== undefined && charactersOf(word).length >= SHORT);
  const atWordStart = words.length === 0 && !long && first?.index === 0 && first.word !== undefined;
  return { text, atWordStart, words, ...(atWordStart ? { prefix: first.word! } : {}) };
}

/** Where a term is in a folded text. */
function* hitsOf(folded: string, { text, atWordStart }: Term): Generator<number> {
  for (let at = folded.indexOf(text); at >= 0;) {
    const hit = !atWordStart || !ENDS_IN_WORD.test(folded.slice(Math.max(0, at - 2), at));
    if (hit) yield at;
    at = folded.indexOf(text, at + (hit ? text.length : 1));
  }
}

/** Whether a body contains all terms. */
export function contains(body: string, terms: readonly Term[]): boolean {
  const folded = foldText(body);
  return terms.every((term) => !hitsOf(folded, term).next().done);
}

/** A body with every hit between U+E000 and U+E001; a hit covers whole graphemes, and hits that touch are one. */
export function highlight(body: string, terms: readonly Term[]): string {
  const clean = body.replace(ANY_MARKER, '');
  const parts = [...graphemes.segment(clean)].map(({ segment }) => segment);
  // Which grapheme each unit of the folded text comes from.
  const origins: number[] = [];
  let folded = '';
  for (const [at, part] of parts.entries()) {
    const one = foldOne(part);
    folded += one;
    for (let unit = 0; unit < one.length; unit++) origins.push(at);
  }
  const hit = new Set<number>();
  for (const term of terms)
    for (const at of hitsOf(folded, term))
      for (let unit = at; unit < at + term.text.length; unit++) hit.add(origins[unit]!);
  return parts
    .map(
      (part, at) =>
        (hit.has(at) && !hit.has(at - 1) ? MARKERS[0] : '') +
        part +
        (hit.has(at) && !hit.has(at + 1) ? MARKERS[1] : ''),
    )
    .join('');
}
