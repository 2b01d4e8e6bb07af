/** Formatting of a message: quotes, lists, fenced code and paragraphs. */
import { codeIn } from '@parley/contracts';
import { parseInline, type Inline } from './inline.js';

/** A part of a message that stands on lines of its own. */
export type Block =
  /** Its texts keep their line feeds. */
  | { readonly kind: 'paragraph'; readonly children: readonly Inline[] }
  | { readonly kind: 'code'; readonly language: string | undefined; readonly text: string }
  | { readonly kind: 'quote'; readonly children: readonly Block[] }
  | { readonly kind: 'list'; readonly start: number | undefined; readonly items: readonly (readonly Block[])[] };

/** Deeper quotes and lists are text. */
const MAX_DEPTH = 3;

/**
 * Parses a message's body as light Markdown: `**bold**`, `*italic*`, `~~strike~~`, code spans and fenced code, quotes
 * (`> `), lists (`- `, `1. `) and links. Everything else is text, and line feeds stay. Code and mentions are found by the
 * server's rules; only `usernames`, those of the message's `mentions`, become mentions. Hrefs are http, https or mailto.
 * Takes linear time and never throws.
 */
export const formatBody = (body: string, usernames: Iterable<string> = []): Block[] =>
  parseBlocks(body, new Set(usernames), 0);

function parseBlocks(text: string, usernames: ReadonlySet<string>, depth: number): Block[] {
  const blocks: Block[] = [];
  let from = 0;
  for (const { kind, index, end } of codeIn(text)) {
    if (kind === 'span') continue;
    blocks.push(...parseLines(text.slice(from, index), usernames, depth), parseCode(text.slice(index, end)));
    from = end;
  }
  blocks.push(...parseLines(text.slice(from), usernames, depth));
  return blocks;
}

/** A fenced block: its marks, a word for its language at the end of the first line, and its marks again. */
function parseCode(block: string): Block {
  const marks = /^(?:`+|~+)/.exec(block)?.[0] ?? '';
  let inner = block.slice(marks.length);
  let end = inner.length;
  while (end > 0 && inner[end - 1] === marks[0]) end--;
  if (inner.length - end >= marks.length) inner = inner.slice(0, end);
  const lineEnd = inner.indexOf('\n');
  const word = inner.slice(0, Math.max(0, lineEnd)).trim();
  const isOpening = lineEnd >= 0 && /^[\w+#.-]{0,30}$/.test(word);
  const text = isOpening ? inner.slice(lineEnd + 1) : inner;
  const lastLine = text.lastIndexOf('\n');
  return {
    kind: 'code',
    language: isOpening && word !== '' ? word.toLowerCase() : undefined,
    text: lastLine >= 0 && text.slice(lastLine).trim() === '' ? text.slice(0, lastLine) : text,
  };
}

type Line = { readonly kind: 'quote' | 'bullet' | 'number' | 'text'; readonly text: string; readonly start?: number };

function lineOf(line: string): Line {
  // A space is required, because `>_<` is a face.
  const quote = /^ {0,3}>(?: (.*))?$/s.exec(line);
  if (quote) return { kind: 'quote', text: quote[1] ?? '' };
  const bullet = /^ {0,3}[-*+] +(\S.*)$/s.exec(line);
  if (bullet) return { kind: 'bullet', text: bullet[1]! };
  const number = /^ {0,3}(\d{1,9})[.)] +(\S.*)$/s.exec(line);
  if (number) return { kind: 'number', text: number[2]!, start: Number(number[1]) };
  return { kind: 'text', text: line };
}

function parseLines(text: string, usernames: ReadonlySet<string>, depth: number): Block[] {
  if (text.trim() === '') return [];
  const lines = text.replace(/^[ \t]*\n|\n[ \t]*$/g, '').split('\n');
  if (depth >= MAX_DEPTH) return [paragraph(lines, usernames)];
  const blocks: Block[] = [];
  let at = 0;
  while (at < lines.length) {
    const first = lineOf(lines[at]!);
    let end = at + 1;
    if (first.kind === 'text') {
      while (end < lines.length && lineOf(lines[end]!).kind === 'text') end++;
      if (lines.slice(at, end).some((line) => line.trim() !== ''))
        blocks.push(paragraph(lines.slice(at, end), usernames));
    } else if (first.kind === 'quote') {
      while (end < lines.length && lineOf(lines[end]!).kind === 'quote') end++;
      const inner = lines.slice(at, end).map((line) => lineOf(line).text);
      blocks.push({ kind: 'quote', children: parseBlocks(inner.join('\n'), usernames, depth + 1) });
    } else {
      const items = [[first.text]];
      for (; end < lines.length; end++) {
        const line = lines[end]!;
        // What is indented belongs to the item before.
        if (/^(?: {2,}|\t)\S/.test(line)) items.at(-1)!.push(line.replace(/^(?:\t| {2,4})/, ''));
        else if (lineOf(line).kind === first.kind) items.push([lineOf(line).text]);
        else break;
      }
      blocks.push({
        kind: 'list',
        start: first.start,
        items: items.map((item) => parseBlocks(item.join('\n'), usernames, depth + 1)),
      });
    }
    at = end;
  }
  return blocks;
}

const paragraph = (lines: readonly string[], usernames: ReadonlySet<string>): Block => ({
  kind: 'paragraph',
  children: parseInline(lines.join('\n'), usernames),
});
