const LONGEST = 255;

/** What somebody calls a file, as others may be shown it: no folders, no control or direction characters, not empty. */
export function fileName(given = ''): string {
  const last = given.toWellFormed().split(/[\\/]/).at(-1)!;
  const name = last.replace(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069\ufeff\ufffd]/gu, '').trim();
  return name === '' || /^\.+$/.test(name) ? 'file' : shortened(name);
}

/** Keeps the ending. */
function shortened(name: string): string {
  if (name.length <= LONGEST) return name;
  const ending = /\.\w{1,10}$/.exec(name)?.[0] ?? '';
  return `${name.slice(0, LONGEST - ending.length - 1).replace(/[\ud800-\udbff]$/, '')}…${ending}`.slice(-LONGEST);
}

/** Kinds that a browser shows without running anything. */
const shown =
  /^(?:image\/(?:png|jpeg|gif|webp|avif)|video\/(?:mp4|webm|ogg)|audio\/(?:mpeg|mp4|ogg|wav|webm)|application\/pdf)$/;

/** RFC 6266: the name for old clients in ASCII, for others whole (RFC 5987). */
export function disposition(mediaType: string, name: string): string {
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/g, '_');
  const whole = encodeURIComponent(name).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `${shown.test(mediaType) ? 'inline' : 'attachment'}; filename="${plain}"; filename*=UTF-8''${whole}`;
}
