import { closeSync, openSync, writeSync } from 'node:fs';
import { gif } from './gif.ts';
import { heif } from './heif.ts';
import { jpeg } from './jpeg.ts';
import { png } from './png.ts';
import { Source, type Piece } from './source.ts';
import { webp } from './webp.ts';

/** What {@link strip} did and found. */
export interface Stripped {
  /** False: the picture has no metadata, and nothing was written. */
  readonly isStripped: boolean;
  /** The pixels of the largest picture that a HEIF container has, 0 for other formats. */
  readonly largestPart: number;
}

/**
 * Writes a picture to `target` without Exif, XMP, IPTC, comments, embedded previews and whatever else does not draw it,
 * between its parts and behind its end, unless it has none of them. Pixels, animation and a valid colour profile stay as
 * they are. `orientation` is what its Exif says (1 to 8); above 1 it is kept as the only value of a new Exif. Rejects
 * when the picture's structure is broken.
 */
export async function strip(path: string, target: string, mediaType: string, orientation: number): Promise<Stripped> {
  const source = new Source(path);
  try {
    const format = formats[mediaType];
    const { pieces, largestPart = 0 } = format
      ? { pieces: await format(source, orientation), largestPart: 0 }
      : heif(source);
    const isStripped = !isWhole(pieces, source.size);
    if (isStripped) write(source, target, pieces);
    return { isStripped, largestPart };
  } finally {
    source.close();
  }
}

type Format = (source: Source, orientation: number) => Piece[] | Promise<Piece[]>;
const formats: Readonly<Record<string, Format>> = {
  'image/jpeg': jpeg,
  'image/png': png,
  'image/webp': webp,
  'image/gif': gif,
};

/** Whether the pieces are the file as it is. */
function isWhole(pieces: readonly Piece[], size: number): boolean {
  let at = 0;
  for (const piece of pieces) {
    if (Buffer.isBuffer(piece) || piece.start !== at) return false;
    at = piece.end;
  }
  return at === size;
}

function write(source: Source, target: string, pieces: readonly Piece[]): void {
  const file = openSync(target, 'w', 0o600);
  try {
    for (const piece of pieces)
      for (const bytes of Buffer.isBuffer(piece) ? [piece] : source.chunks(piece)) writeSync(file, bytes);
  } finally {
    closeSync(file);
  }
}
