import { hasVisibleText, withoutHidden, withoutInvisible } from '@parley/contracts';
import type { ByteRange } from './store.js';

const MAX_NAME_LENGTH = 255;

/** What Windows, browsers and people may overlook at the end of a name. */
const OVERLOOKED = /[\s.\p{M}\p{P}<>|`]/u;
/** Brackets and dashes are part of a name. */
const KEPT = /[)\]}\p{Pd}_]/u;

/**
 * Makes a name that somebody gave a file safe to show: no folders, no control, direction and invisible characters but
 * those that a script or an emoji needs, something visible.
 */
export function fileName(given = ''): string {
  const last = given.toWellFormed().split(/[\\/]/).at(-1)!;
  const name = withoutHidden(last.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\ufffd]/gu, '')).trim();
  return hasVisibleText(name.replaceAll('.', '')) ? shorten(name) : 'file';
}

/** Endings of names that an operating system runs on a double click. */
const RUNNING = new Set(
  (
    'exe msi msp mst msix msixbundle appx appxbundle appinstaller application appref-ms scr com bat cmd pif cpl reg ' +
    'ps1 psc1 vb vbs vbe jse ws wsc wsf wsh sct hta msc scf shb shs chm hlp jar jnlp gadget xbap xll job diagcab ' +
    'lnk url website library-ms search-ms searchconnector-ms settingcontent-ms ' +
    'desktop command terminal workflow webloc fileloc inetloc'
  ).split(' '),
);
/** The ending of a file that Windows opens as an object of this class. */
const CLASS = /^\{[0-9a-f-]+\}?$/;
/** Names that Windows gives devices, whatever the ending. */
const device = /^(?:con|prn|aux|nul|com\d|lpt\d|conin\$|conout\$|clock\$)$/;

/**
 * The name under which a file is told and saved, safe to show. A name that would run on a double click gets another
 * ending behind its own; one that Windows takes for a device, another beginning.
 */
export function fileNameFor(mediaType: string, given: string): string {
  const name = fileName(given);
  const seen = withoutInvisible(name.normalize('NFKC')).normalize('NFKC').toLowerCase();
  const base = withoutEnd(seen.split(/[.:]/, 1)[0]!);
  const safe = device.test(base) ? `_${name}` : name;
  // Windows takes what follows a colon for another part of the same file.
  const parts = seen.split(':').map((part) => withoutEnd(part.replaceAll(/[。ꓸ۔܁܂]/g, '.')));
  if (!parts.some(isRun)) return safe === name ? name : shorten(safe);
  return shorten(`${withoutDots(safe.replaceAll(/[:：﹕]/g, '_'))}${mediaType.startsWith('text/') ? '.txt' : '.bin'}`);
}

function isRun(name: string): boolean {
  const at = name.lastIndexOf('.');
  const ending = at === -1 ? undefined : name.slice(at + 1);
  return ending !== undefined && (RUNNING.has(ending) || CLASS.test(ending));
}

/** Without what may be overlooked at its end. */
function withoutEnd(text: string): string {
  const characters = Array.from(text);
  let end = characters.length;
  while (end > 0 && OVERLOOKED.test(characters[end - 1]!) && !KEPT.test(characters[end - 1]!)) end--;
  return characters.slice(0, end).join('');
}

/** Without dots and spaces at its end. */
function withoutDots(name: string): string {
  let end = name.length;
  while (end > 0 && /[.\s]/.test(name[end - 1]!)) end--;
  return name.slice(0, end);
}

/** Keeps the extension. */
function shorten(name: string): string {
  if (name.length <= MAX_NAME_LENGTH) return name;
  const extension = /\.\w{1,10}$/.exec(name)?.[0] ?? '';
  const start = withoutHidden(name.slice(0, MAX_NAME_LENGTH - extension.length - 1).replace(/[\ud800-\udbff]$/, ''));
  return `${start}…${extension}`.slice(-MAX_NAME_LENGTH);
}

/** Media types that a browser shows without running anything. */
const inlineTypes =
  /^(?:image\/(?:png|jpeg|gif|webp|avif|heic|heif)|video\/(?:mp4|webm|ogg|quicktime)|audio\/(?:mpeg|mp4|ogg|wav|webm|aac|flac)|application\/pdf)$/;

/** `Content-Disposition` (RFC 6266): the name in ASCII for old clients, and in full (RFC 5987) for others. */
export function disposition(mediaType: string, name: string): string {
  const ascii = name.replace(/[^\x20-\x7e]|["\\%]/g, '_');
  const full = encodeURIComponent(name).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `${inlineTypes.test(mediaType) ? 'inline' : 'attachment'}; filename="${ascii}"; filename*=UTF-8''${full}`;
}

/**
 * The one range of a file of `size` bytes that a request wants (RFC 9110). Any other `Range` is answered with the whole
 * file.
 */
export function rangeOf(
  {
    range = '',
    'if-range': condition,
  }: { readonly range?: string | undefined; readonly 'if-range'?: string | string[] | undefined },
  size: number,
  tag: string,
): ByteRange | 'unsatisfiable' | undefined {
  if (condition !== undefined && condition !== tag) return undefined;
  const [, from, to] = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(range) ?? [];
  if (from === undefined || to === undefined || (from === '' && to === '')) return undefined;
  // The last bytes; of a shorter file, all.
  if (from === '') return Number(to) === 0 ? 'unsatisfiable' : { start: Math.max(0, size - Number(to)), end: size - 1 };
  const [start, end] = [Number(from), to === '' ? Infinity : Number(to)];
  if (end < start) return undefined;
  return start < size ? { start, end: Math.min(end, size - 1) } : 'unsatisfiable';
}
