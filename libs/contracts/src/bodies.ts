/**
 * The rules of message bodies: characters, addresses, mentions. Server and clients share them, so that what is
 * highlighted is what was notified.
 */

/**
 * Control characters except line feed and tab; and direction overrides, which no script needs, and which show text, such
 * as an address, in another order than it is read and followed.
 */
const BODY_CONTROLS = /(?![\n\t])\p{Cc}|[\u202d\u202e]/u;
const ANY_BODY_CONTROL = new RegExp(BODY_CONTROLS, 'gu');

/** True when a body has a control character other than line feed and tab, or a direction override. */
export const hasBodyControls = (body: string): boolean => BODY_CONTROLS.test(body);

/** The text with line feeds as its only line ends. */
export const withLineFeeds = (text: string): string => text.replaceAll('\r\n', '\n');

/** The text as a body that the server accepts: without the control characters and overrides that come along when text is pasted. */
export const cleanBody = (text: string): string =>
  withLineFeeds(text).replaceAll('\r', '\n').replace(ANY_BODY_CONTROL, '');

/** A part of a body, from `index` to `end` in UTF-16 units. */
interface BodyPart {
  readonly index: number;
  readonly end: number;
}
/** An address with its scheme, such as `https://example.org/a`. */
export interface UrlPart extends BodyPart {
  readonly kind: 'url';
}
/** A place where a body may mention somebody. `index` is that of the `@`; `end` that of the longest name. */
export interface MentionPart extends BodyPart {
  readonly kind: 'mention';
  /**
   * The usernames that may be meant, in lower case, longest first: signs at the end may belong to the sentence. Each is
   * a prefix of the text after the `@`.
   */
  readonly usernames: readonly string[];
}

const MIN_USERNAME = 3;
const MAX_USERNAME = 32;

/** Letters of scripts that put no spaces between words: a mention may touch them. */
const UNSPACED = String.raw`[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Bopomofo}\p{scx=Hangul}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]`;
const unspaced = new RegExp(UNSPACED, 'u');

/** True for a letter of a script that puts no spaces between words: whatever begins a word may follow it. */
export const isUnspaced = (character: string): boolean => unspaced.test(character);

const wordCharacter = /[\p{L}\p{N}]/u;
/** Characters that show no sign of their own: combining marks, joiners, direction marks. */
const attached = /[\p{M}\p{Cf}]/u;
/**
 * Schemes of addresses that have no `//`, and those of which people leave it out. Other words before a colon are words:
 * `cc:@anna`.
 */
const SCHEME =
  /(?:^|[^a-z0-9+.-])(?:acct|data|facetime|file|ftps?|geo|git|https?|im|ircs?|javascript|jsr|magnet|mailto|matrix|npm|pkg|sips?|skype|sms|ssh|tel|tg|urn|view-source|wss?|xmpp)$/i;
const LONGEST_SCHEME = 'view-source'.length;
/** Inside an e-mail address, a file name or an identifier these join words. */
const joiner = /[._+-]/;
/** Characters of a pattern's class that end an address: white space, quotes, brackets of other texts, and the punctuation of Chinese, Japanese and Korean. */
export const URL_END = String.raw`\s<>"'\u0060\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb\u3000-\u3020\uff01-\uff0f\uff1a-\uff1f\uff3b-\uff3d\uff5b-\uff65`;
/**
 * Addresses with a scheme, addresses that begin with a host name and have a path, and `@` with the characters of a
 * username. Bounded quantifiers and the look-behinds keep it linear.
 */
const pieces = new RegExp(
  [
    String.raw`(?<url>(?<![a-z0-9+.\-])[a-z][a-z0-9+.\-]{0,31}:\/\/[^${URL_END}]+)`,
    String.raw`(?<host>(?<![\p{L}\p{N}.\-_@])(?:[\p{L}\p{N}\-]{1,63}\.){1,10}\p{L}{2,63}(?::\d{1,5})?[\/?#][^${URL_END}]*)`,
    String.raw`(?<mention>[@\uff20\ufe6b][A-Za-z0-9_.\-]*)`,
  ].join('|'),
  'giu',
);

/** The addresses and the possible mentions of a body, in order, without overlap. Takes linear time. */
export function partsOf(body: string): (UrlPart | MentionPart)[] {
  if (!/:\/\/|[@\uff20\ufe6b]/.test(body)) return [];
  const parts: (UrlPart | MentionPart)[] = [];
  const code = codeIn(body);
  let nextCode = 0;
  let mentionEnd = -1;
  for (let match: RegExpExecArray | null, from = 0; (match = at(pieces, body, from));) {
    const { index, groups } = match;
    from = index + match[0].length;
    if (groups!['mention'] === undefined) {
      const end = index + closedLength(match[0]);
      from = end;
      if (groups!['url'] !== undefined) parts.push({ kind: 'url', index, end });
      continue;
    }
    while (nextCode < code.length && code[nextCode]!.end <= index) nextCode++;
    const isCode = nextCode < code.length && code[nextCode]!.index <= index;
    if (isCode || !beginsWord(body, index, mentionEnd) || !endsWord(body, from)) continue;
    const usernames = usernamesAt(body, index + 1, from);
    if (usernames.length === 0) continue;
    mentionEnd = from;
    parts.push({ kind: 'mention', index, end: index + 1 + usernames[0]!.length, usernames });
  }
  return parts;
}

/**
 * True when a mention may begin at the `@` at this position, as far as the text before it tells. Says nothing about
 * addresses and code.
 */
export const mayBeginMention = (body: string, index: number): boolean => beginsWord(body, index, -1);

function at(pattern: RegExp, text: string, from: number): RegExpExecArray | null {
  pattern.lastIndex = from;
  return pattern.exec(text);
}

/** The length of an address before a bracket that closes one outside of it: `(https://example.org)`. */
function closedLength(address: string): number {
  const open = { ')': 0, ']': 0 };
  for (let index = 0; index < address.length; index++) {
    const character = address[index]!;
    if (character === '(') open[')']++;
    else if (character === '[') open[']']++;
    else if ((character === ')' || character === ']') && --open[character] < 0) return index;
  }
  return address.length;
}

/** `mentionEnd`: where the mention before ends, after which a slash lists another: `@anna/@ben`. */
function beginsWord(body: string, index: number, mentionEnd: number): boolean {
  let before = previous(body, index);
  if (/^[@\uff20\ufe6b]$/.test(before.character)) return false;
  if (before.character === '/') {
    if (before.index === mentionEnd) return true;
    // The middle of a path.
    before = previous(body, before.index);
    // The beginning of an address without a scheme.
    if (before.character === '/') return false;
  } else while (joiner.test(before.character)) before = previous(body, before.index);
  if (before.character === ':')
    return !SCHEME.test(body.slice(Math.max(0, before.index - LONGEST_SCHEME - 1), before.index));
  return !wordCharacter.test(before.character) || unspaced.test(before.character);
}

/** The character before a position, without those that are attached to it. Empty at the beginning. */
function previous(body: string, index: number): { character: string; index: number } {
  for (let end = index; end > 0;) {
    const pair = end > 1 && /^[\ud800-\udbff][\udc00-\udfff]$/.test(body.slice(end - 2, end));
    const start = end - (pair ? 2 : 1);
    const character = body.slice(start, end);
    if (!attached.test(character)) return { character, index: start };
    end = start;
  }
  return { character: '', index: 0 };
}

/**
 * False when a name goes on after the characters of a username: as a package (`@anna/core`), an address
 * (`@anna@example.org`) or a word with other letters.
 */
function endsWord(body: string, end: number): boolean {
  const next = String.fromCodePoint(body.codePointAt(end) ?? 0x20);
  if (/[@\uff20\ufe6b]/.test(next)) return false;
  if (next === '/') return !/[\p{L}\p{N}~_-]/u.test(body.slice(end + 1, end + 2));
  return !/[\p{L}\p{N}\p{M}]/u.test(next) || unspaced.test(next);
}

function usernamesAt(body: string, start: number, end: number): string[] {
  const names: string[] = [];
  for (let to = end; to >= start + MIN_USERNAME; to--) {
    if (to <= start + MAX_USERNAME) names.push(body.slice(start, to).toLowerCase());
    if (!/[._-]/.test(body[to - 1]!)) break;
  }
  return names;
}

/** Code in a body: a fenced block, or a span within a line of text. */
export interface CodePart extends BodyPart {
  readonly kind: 'block' | 'span';
}

/**
 * The code of a body, in order, by the rules of CommonMark: fenced blocks, and spans between two runs of equally many
 * backticks in one paragraph. More lenient where chats are: three or more backticks begin a block anywhere in a line
 * and also end it there; its fence need not have a line of its own. Takes linear time.
 */
export function codeIn(body: string): CodePart[] {
  if (!/`|~~~/.test(body)) return [];
  const runs = [...body.matchAll(/`+/g)].map(({ index, 0: { length } }) => ({ index, length }));
  const blocks = blocksIn(body, runs);
  return [...blocks, ...spansIn(body, runs, blocks)].sort((a, b) => a.index - b.index);
}

interface Run {
  readonly index: number;
  readonly length: number;
}

function blocksIn(body: string, runs: readonly Run[]): CodePart[] {
  // The lines that open a fence. Those without more text also close one.
  const fences = [...body.matchAll(/^ {0,3}(?<marks>`{3,}(?=[^`\n]*$)|~{3,})(?<info>.*)$/gm)].map(
    ({ index, 0: { length: lineLength }, groups }) => {
      const { marks, info } = groups as { marks: string; info: string };
      const end = index + lineLength;
      return { index: end - info.length - marks.length, end, marks, closes: info.trim() === '' };
    },
  );
  const atLineStart = new Set(fences.map(({ index }) => index));
  const inLines = runs
    .filter(({ index, length }) => length >= 3 && !atLineStart.has(index) && !isEscaped(body, index))
    .map(({ index, length }) => ({ index, end: index + length, marks: '`'.repeat(length), fence: undefined }));
  const openers = [...fences.map((fence, at) => ({ ...fence, fence: at })), ...inLines];
  const closers = new Closers(runs);
  const blocks: CodePart[] = [];
  /** The length of the shortest fence that has no closing line any more. */
  const unclosed = { '`': Infinity, '~': Infinity };
  let from = 0;
  for (const { index, end, marks, fence } of openers.sort((a, b) => a.index - b.index)) {
    if (index < from) continue;
    const sign = marks[0] as '`' | '~';
    let closing: { end: number } | undefined;
    if (fence !== undefined && marks.length < unclosed[sign]) {
      for (let next = fence + 1; next < fences.length && !closing; next++) {
        const line = fences[next]!;
        if (line.closes && line.marks[0] === sign && line.marks.length >= marks.length) closing = line;
      }
      if (!closing) unclosed[sign] = marks.length;
    }
    const run = closing || sign === '~' ? undefined : closers.after(end - 1, marks.length);
    if (fence === undefined && run === undefined) continue;
    from = closing?.end ?? (run === undefined ? body.length : run + marks.length);
    blocks.push({ kind: 'block', index, end: from });
  }
  return blocks;
}

function spansIn(body: string, runs: readonly Run[], blocks: readonly BodyPart[]): CodePart[] {
  const closers = new Closers(runs);
  const blankLines = [...body.matchAll(/\n(?=[ \t]*\r?\n)/g)].map(({ index }) => index);
  const spans: CodePart[] = [];
  let [block, blank, from] = [0, 0, 0];
  for (const run of runs) {
    while (block < blocks.length && blocks[block]!.end <= run.index) block++;
    while (blank < blankLines.length && blankLines[blank]! < run.index) blank++;
    const nextBlock = blocks[block]?.index ?? body.length;
    if (run.index < from || run.index >= nextBlock) continue;
    const escaped = isEscaped(body, run.index) ? 1 : 0;
    const length = run.length - escaped;
    const closer = length === 0 ? undefined : closers.after(run.index, length);
    if (closer === undefined || closer >= Math.min(nextBlock, blankLines[blank] ?? body.length)) continue;
    from = closer + length;
    spans.push({ kind: 'span', index: run.index + escaped, end: from });
  }
  return spans;
}

function isEscaped(body: string, index: number): boolean {
  let start = index;
  while (body[start - 1] === '\\') start--;
  return (index - start) % 2 === 1;
}

/** Finds runs of backticks by length, for positions that do not decrease. */
class Closers {
  private readonly byLength = new Map<number, { readonly at: number[]; next: number }>();

  constructor(runs: readonly Run[]) {
    for (const { index, length } of runs) {
      const known = this.byLength.get(length);
      if (known) known.at.push(index);
      else this.byLength.set(length, { at: [index], next: 0 });
    }
  }

  /** The first run of this length after a position. */
  after(index: number, length: number): number | undefined {
    const runs = this.byLength.get(length);
    while (runs && runs.next < runs.at.length && runs.at[runs.next]! <= index) runs.next++;
    return runs?.at[runs.next];
  }
}
