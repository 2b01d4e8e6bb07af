/** Formatting within a paragraph: emphasis, code spans, links and mentions. */
import { codeIn, isUnspaced, partsOf } from '@parley/contracts';
import { characterBefore, linksIn, safeHref } from './links.js';

/** A part of a paragraph. `text` is what is shown, without the signs of its markup. */
export type Inline =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'code'; readonly text: string }
  | { readonly kind: 'mention'; readonly text: string; readonly username: string }
  | { readonly kind: 'link'; readonly href: string; readonly children: readonly Inline[] }
  | { readonly kind: 'bold' | 'italic' | 'strike'; readonly children: readonly Inline[] };

type Emphasis = 'bold' | 'italic' | 'strike';
/** A piece of a paragraph that holds no markup, or a run of signs that may begin or end emphasis. */
type Piece =
  | { readonly kind: 'done'; readonly inline: Inline }
  | { readonly kind: 'signs'; readonly text: string; readonly opens: boolean; readonly closes: boolean };

const EMPHASIS: Readonly<Record<string, Emphasis>> = {
  '*': 'italic',
  _: 'italic',
  '**': 'bold',
  __: 'bold',
  '~': 'strike',
  '~~': 'strike',
};
/** Deeper emphasis is text, so that whatever shows it need not nest deeply. */
const MAX_DEPTH = 16;
const MAX_LABEL = 300;
const MAX_ADDRESS = 2048;
/** `[label](address)`, an escaped sign, or signs of emphasis. */
const markup = new RegExp(
  [
    String.raw`\\(?<escaped>[\\\u0060*_~\[\]()#>+.!\-])`,
    String.raw`\[(?<label>[^\[\]\n]{1,${MAX_LABEL}})\]\((?<address>[^\s()<>]{1,${MAX_ADDRESS}})\)`,
    String.raw`(?<signs>\*{1,3}|_{1,3}|~{1,2})`,
  ].join('|'),
  'gu',
);

/** Parses a paragraph. Only these usernames are mentions. Takes linear time for texts of bounded addresses. */
export function parseInline(text: string, usernames: ReadonlySet<string>): Inline[] {
  return resolve(piecesOf(text, usernames));
}

/** Places that markup does not reach into: code, links and mentions. */
function piecesOf(text: string, usernames: ReadonlySet<string>): Piece[] {
  const fixed: { readonly index: number; readonly end: number; readonly inline: Inline }[] = [];
  for (const { index, end } of codeIn(text))
    fixed.push({ index, end, inline: { kind: 'code', text: codeOf(text.slice(index, end)) } });
  for (const { index, end, href } of linksIn(text))
    fixed.push({ index, end, inline: { kind: 'link', href, children: [textOf(text.slice(index, end))] } });
  for (const part of partsOf(text)) {
    const username = part.kind === 'mention' ? part.usernames.find((name) => usernames.has(name)) : undefined;
    if (username === undefined) continue;
    const end = part.index + 1 + username.length;
    fixed.push({ index: part.index, end, inline: { kind: 'mention', text: text.slice(part.index, end), username } });
  }
  const pieces: Piece[] = [];
  let from = 0;
  for (const { index, end, inline } of fixed.sort((a, b) => a.index - b.index || b.end - a.end)) {
    if (index < from) continue;
    // The address of a labelled link is one of the links found above.
    if (isLabelled(text, index)) continue;
    addMarkup(pieces, text, from, index, usernames);
    pieces.push({ kind: 'done', inline });
    from = end;
  }
  addMarkup(pieces, text, from, text.length, usernames);
  return pieces;
}

const isLabelled = (text: string, index: number): boolean =>
  text.slice(Math.max(0, index - 2), index) === '](' && text.lastIndexOf('[', index - 3) >= index - 3 - MAX_LABEL;

function addMarkup(pieces: Piece[], text: string, from: number, to: number, usernames: ReadonlySet<string>): void {
  let end = from;
  const addText = (until: number): void => {
    if (until > end) pieces.push({ kind: 'done', inline: textOf(text.slice(end, until)) });
  };
  for (const match of text.slice(from, to).matchAll(markup)) {
    const index = from + match.index;
    const { escaped, label, address, signs } = match.groups as Record<string, string | undefined>;
    const href = address === undefined ? undefined : safeHref(address);
    if (address !== undefined && href === undefined) continue;
    addText(index);
    end = index + match[0].length;
    if (escaped !== undefined) pieces.push({ kind: 'done', inline: textOf(escaped) });
    else if (href !== undefined)
      pieces.push({ kind: 'done', inline: { kind: 'link', href, children: resolve(labelPieces(label!, usernames)) } });
    else pieces.push({ kind: 'signs', text: signs!, ...sidesOf(text, index, end) });
  }
  addText(to);
}

/** A label has emphasis, but neither links nor mentions. */
function labelPieces(label: string, usernames: ReadonlySet<string>): Piece[] {
  const pieces: Piece[] = [];
  addMarkup(pieces, label, 0, label.length, usernames);
  return pieces;
}

const textOf = (text: string): Inline => ({ kind: 'text', text });

/** The code between its backticks. One space on each side belongs to them: ``` `` ` `` ```. */
function codeOf(span: string): string {
  const marks = /^`+/.exec(span)?.[0].length ?? 0;
  const code = span.slice(marks, span.length - marks);
  return /^ .* $/s.test(code) && code.trim() !== '' ? code.slice(1, -1) : code;
}

/**
 * Signs begin emphasis at the beginning of a word, and end it at the end of one: `2*3*4` and `snake_case_name` are text.
 * Scripts that put no spaces between words have no such borders.
 */
function sidesOf(text: string, index: number, end: number): { opens: boolean; closes: boolean } {
  const before = characterBefore(text, index);
  const after = String.fromCodePoint(text.codePointAt(end) ?? 0x20);
  const [isSpaceBefore, isSpaceAfter] = [before === '' || /\s/u.test(before), /\s/u.test(after)];
  return {
    opens: !isSpaceAfter && (!isWord(before) || isUnspaced(before)),
    closes: !isSpaceBefore && (!isWord(after) || isUnspaced(after)),
  };
}
const isWord = (character: string): boolean => /[\p{L}\p{N}\p{M}]/u.test(character);

interface Opening {
  readonly signs: string;
  readonly children: Inline[];
}

/**
 * Pairs signs that begin emphasis with those that end it: the nearest equal ones. Signs without a partner are text.
 * Counting what is open keeps it linear: each opening is looked at once, when it is closed or given up.
 */
function resolve(pieces: readonly Piece[]): Inline[] {
  const root: Inline[] = [];
  const open: Opening[] = [];
  const counts = new Map<string, number>();
  const target = (): Inline[] => open.at(-1)?.children ?? root;
  const pop = (): Opening => {
    const opening = open.pop()!;
    counts.set(opening.signs, counts.get(opening.signs)! - 1);
    return opening;
  };
  const giveUp = (): void => {
    const { signs, children } = pop();
    append(target(), textOf(signs), ...children);
  };
  const close = (signs: string): boolean => {
    if ((counts.get(signs) ?? 0) === 0) return false;
    while (open.at(-1)!.signs !== signs) giveUp();
    const { children } = pop();
    append(target(), { kind: EMPHASIS[signs]!, children });
    return true;
  };
  for (const piece of pieces) {
    if (piece.kind === 'done') append(target(), piece.inline);
    else {
      for (const signs of partsOfSigns(piece.text, open)) {
        const isEmpty = open.at(-1)?.signs === signs && open.at(-1)!.children.length === 0;
        if (piece.closes && !isEmpty && close(signs)) continue;
        if (piece.opens && open.length < MAX_DEPTH) {
          open.push({ signs, children: [] });
          counts.set(signs, (counts.get(signs) ?? 0) + 1);
        } else append(target(), textOf(signs));
      }
    }
  }
  while (open.length > 0) giveUp();
  return root;
}

/** Three signs are bold and italic, in the order that closes what is open. */
function partsOfSigns(signs: string, open: readonly Opening[]): string[] {
  if (signs.length < 3) return [signs];
  const [one, two] = [signs[0]!, signs.slice(0, 2)];
  return open.at(-1)?.signs === one ? [one, two] : [two, one];
}

/** Appends, joining neighbouring texts. */
function append(to: Inline[], ...inlines: readonly Inline[]): void {
  for (const inline of inlines) {
    const last = to.at(-1);
    if (inline.kind === 'text' && last?.kind === 'text') to[to.length - 1] = textOf(last.text + inline.text);
    else to.push(inline);
  }
}
