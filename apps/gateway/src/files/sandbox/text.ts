import { closeSync, openSync, readSync } from 'node:fs';

/** Of a longer text, the rest is not examined. */
const MAX_EXAMINED_BYTES = 32 * 1024 * 1024;
const BEGINNING_BYTES = 1024 * 1024;

/** The first bytes of a file, and whether they are all. */
export interface Beginning {
  readonly bytes: Buffer;
  readonly isWhole: boolean;
}

/** Reads at most the first MiB of a file. */
export const beginningOf = (path: string): Beginning => readStart(path, BEGINNING_BYTES);

function readStart(path: string, length: number): Beginning {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(length + 1);
    let filled = 0;
    for (let read = 1; read > 0 && filled <= length; filled += read)
      read = readSync(file, bytes, filled, bytes.length - filled, filled);
    return { bytes: bytes.subarray(0, Math.min(filled, length)), isWhole: filled <= length };
  } finally {
    closeSync(file);
  }
}

/** Whether a file is Portable Executable, ELF, Mach-O or a Java class. A text may begin with MZ, too. */
export function isExecutable(bytes: Buffer): boolean {
  if (bytes.length < 4) return false;
  if (bytes.toString('latin1', 0, 2) === 'MZ') return true;
  return executables.has(bytes.readUInt32BE(0));
}
const executables: ReadonlySet<number> = new Set([
  0x7f454c46, 0xfeedface, 0xfeedfacf, 0xcefaedfe, 0xcffaedfe, 0xcafebabe, 0xcafebabf, 0xbebafeca, 0xbfbafeca,
]);

/**
 * Whether a browser would take the file for HTML, XHTML or SVG, in any encoding: after comments, processing
 * instructions and a declaration, its first element is one of a page. A comment or declaration without end counts,
 * unless the file ends there.
 */
export function isMarkup({ bytes, isWhole }: Beginning): boolean {
  // Without NUL and byte order marks, UTF-16 and UTF-8 read as ASCII.
  const text = bytes.toString('latin1').replace(/[\0]|\u00ef\u00bb\u00bf|\u00ff\u00fe|\u00fe\u00ff/g, '');
  let at = 0;
  for (;;) {
    while (at < text.length && text.charCodeAt(at) <= 0x20) at++;
    const start = text.slice(at, at + 256);
    if (/^<!doctype\s+(?:[\w.-]+:)?(?:html|svg)\b/i.test(start)) return true;
    const [opening, closing] = prologs.find(([pattern]) => pattern.test(start)) ?? [];
    if (!opening || closing === undefined) break;
    const end = text.indexOf(closing, at + 2);
    if (end === -1) return !isWhole;
    at = end + closing.length;
  }
  const [, element] = /^<(?:[\w.-]+:)?([a-z]+)\b/i.exec(text.slice(at, at + 256)) ?? [];
  if (element !== undefined && pageElements.has(element.toLowerCase())) return true;
  return text[at] === '<' && namespaces.test(text.slice(at, at + 65_536));
}
const pageElements: ReadonlySet<string> = new Set(
  'html head body frameset title meta link base style script noscript iframe object embed svg'.split(' '),
);
const prologs = [
  [/^<!--/, '-->'],
  [/^<\?/, '>'],
  [/^<!doctype[^>[]*\[/i, ']>'],
  [/^<!doctype/i, '>'],
] as const;
const namespaces = /xmlns(?::[\w.-]+)?\s*=\s*["']http:\/\/www\.w3\.org\/(?:1999\/xhtml|2000\/svg)["']/i;

// Control characters that no text has: all but bell, backspace, tab, line feeds, form feed, end of file (Ctrl-Z) and
// escape, which terminals' output has.
// eslint-disable-next-line no-control-regex -- control characters are what it looks for
const control = /[\u0000-\u0006\u000e-\u0019\u001c-\u001f]/;
/** Bytes that Windows-1252 does not define. */
const undefined1252 = /[\u0081\u008d\u008f\u0090\u009d]/;

/** The media type of a file that is plain text in UTF-8, UTF-16 or Windows-1252. */
export function textTypeOf(path: string, beginning: Buffer): string | undefined {
  const utf16 = utf16Of(beginning);
  if (utf16 === undefined && control.test(beginning.subarray(0, 4096).toString('latin1'))) return undefined;
  const { bytes, isWhole } = readStart(path, MAX_EXAMINED_BYTES);
  const encoding = utf16 ?? 'utf-8';
  const unicode = decoded(bytes, encoding, isWhole);
  if (unicode !== undefined) return control.test(unicode) ? undefined : `text/plain; charset=${encoding}`;
  if (utf16 !== undefined) return undefined;
  const text = bytes.toString('latin1');
  return control.test(text) || undefined1252.test(text) ? undefined : 'text/plain; charset=windows-1252';
}

function decoded(bytes: Buffer, encoding: string, isWhole: boolean): string | undefined {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes, { stream: !isWhole });
  } catch {
    return undefined;
  }
}

/** UTF-16, which begins with a byte order mark, or has zeros in every other place as Latin letters do. */
function utf16Of(bytes: Buffer): string | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  const sample = bytes.subarray(0, 512);
  const zeros = [0, 0];
  for (const [index, byte] of sample.entries()) if (byte === 0) zeros[index % 2]!++;
  const [even = 0, odd = 0] = zeros;
  if (even === 0 && odd > sample.length / 4) return 'utf-16le';
  if (odd === 0 && even > sample.length / 4) return 'utf-16be';
  return undefined;
}
