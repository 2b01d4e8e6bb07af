import type { ByteRange } from './store.js';

const MAX_NAME_LENGTH = 255;

/** Makes a name that somebody gave a file safe to show: no folders, no control or direction characters, not empty. */
export function fileName(given = ''): string {
  const last = given.toWellFormed().split(/[\\/]/).at(-1)!;
  const name = last.replace(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069\ufeff\ufffd]/gu, '').trim();
  return name === '' || /^\.+$/.test(name) ? 'file' : shorten(name);
}

/** Endings of names that an operating system runs on a double click. */
const runs =
  /\.(?:exe|msi|scr|com|bat|cmd|ps1|vbs|vbe|jse|wsf|wsh|hta|lnk|url|pif|cpl|reg|msc|scf|jar)(?<dots>[.\s]*)$/i;

/**
 * The name under which a file is told and saved: a name that would run on a double click gets another ending behind its
 * own.
 */
export function fileNameFor(mediaType: string, name: string): string {
  const { dots } = runs.exec(name)?.groups ?? {};
  if (dots === undefined) return name;
  return shorten(`${name.slice(0, name.length - dots.length)}${mediaType.startsWith('text/') ? '.txt' : '.bin'}`);
}

/** Keeps the extension. */
function shorten(name: string): string {
  if (name.length <= MAX_NAME_LENGTH) return name;
  const extension = /\.\w{1,10}$/.exec(name)?.[0] ?? '';
  const start = name.slice(0, MAX_NAME_LENGTH - extension.length - 1).replace(/[\ud800-\udbff]$/, '');
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
