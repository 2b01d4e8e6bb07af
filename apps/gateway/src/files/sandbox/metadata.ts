import { closeSync, openSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { heif } from './heif.ts';
import { Source, type Piece } from './source.ts';

/** What {@link strip} did and found. */
export interface Stripped {
  /** False: the picture has no metadata, and nothing was written. */
  readonly isStripped: boolean;
  /** The pixels of the largest picture that a HEIF container has, 0 for other formats. */
  readonly largestPart: number;
}

/**
 * Writes a picture to `target` without Exif, XMP, IPTC, comments, embedded previews and whatever follows its end,
 * unless it has none of them. Pixels, colour profile and animation stay as they are. `orientation` is what its Exif
 * says (1 to 8); above 1 it is kept as the only value of a new Exif. Throws when the picture's structure is broken.
 */
export function strip(path: string, target: string, mediaType: string, orientation: number): Stripped {
  const source = new Source(path);
  try {
    const format = formats[mediaType];
    const { pieces, largestPart = 0 } = format ? format(source, orientation) : heif(source);
    const isStripped = !isWhole(pieces, source.size);
    if (isStripped) write(source, target, pieces);
    return { isStripped, largestPart };
  } finally {
    source.close();
  }
}

type Format = (source: Source, orientation: number) => { pieces: Piece[]; largestPart?: number };
const formats: Readonly<Record<string, Format>> = {
  'image/jpeg': (source, orientation) => ({ pieces: jpeg(source, orientation) }),
  'image/png': (source, orientation) => ({ pieces: png(source, orientation) }),
  'image/webp': (source, orientation) => ({ pieces: webp(source, orientation) }),
  'image/gif': (source) => ({ pieces: gif(source) }),
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

/** Exif with nothing but the orientation. */
function exifOf(orientation: number): Buffer {
  const exif = Buffer.from('49492a00 08000000 0100 1201 0300 01000000 00000000 00000000'.replaceAll(' ', ''), 'hex');
  exif.writeUInt16LE(orientation, 18);
  return exif;
}

const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;
const APP0 = 0xe0;
const APP2 = 0xe2;
const APP14 = 0xee;
const APP15 = 0xef;
const COM = 0xfe;

/** ITU T.81. Of the application segments, JFIF, colour profiles and Adobe's colour transform stay. */
function jpeg(source: Source, orientation: number): Piece[] {
  const pieces: Piece[] = [{ start: 0, end: 2 }];
  if (orientation > 1) {
    const exif = Buffer.concat([Buffer.from('Exif\0\0'), exifOf(orientation)]);
    pieces.push(Buffer.concat([Buffer.from([0xff, 0xe1, 0, exif.length + 2]), exif]));
  }
  for (let at = 2; ;) {
    const start = source.find(0xff, at);
    if (start === undefined) return pieces;
    let code = start + 1;
    while (source.byte(code) === 0xff) code++;
    const marker = source.byte(code);
    if (marker === undefined) return pieces;
    at = code + 1;
    if (marker === EOI) return [...pieces, { start, end: at }];
    // Stray bytes of a scan are dropped, as decoders do.
    if (marker === 0 || marker === 1 || marker === SOI || (marker >= 0xd0 && marker <= 0xd7)) continue;
    const end = at + source.uint16(at);
    const next = marker === SOS ? endOfScan(source, end) : end;
    if (isImageData(source, marker, at)) pieces.push({ start, end: next });
    at = next;
  }
}

function isImageData(source: Source, marker: number, at: number): boolean {
  if (marker === COM) return false;
  if (marker < APP0 || marker > APP15) return true;
  const name = source.bytes(at + 2, 12).toString('latin1');
  if (marker === APP0) return name.startsWith('JFIF\0');
  if (marker === APP2) return name === 'ICC_PROFILE\0';
  return marker === APP14 && name.startsWith('Adobe');
}

/** Where the next marker begins that is neither a stuffed byte nor a restart. */
function endOfScan(source: Source, from: number): number {
  for (let at = from; ;) {
    const found = source.find(0xff, at);
    if (found === undefined) return source.size;
    const next = source.byte(found + 1);
    if (next === undefined) return source.size;
    if (next !== 0 && next !== 0xff && !(next >= 0xd0 && next <= 0xd7)) return found;
    at = next === 0xff ? found + 1 : found + 2;
  }
}

/** Chunks that say how the pixels look. Chunks whose names begin with a capital letter are needed to decode them. */
const pngChunks: ReadonlySet<string> = new Set(
  'tRNS gAMA cHRM sRGB iCCP cICP mDCV cLLI sBIT bKGD hIST pHYs sPLT acTL fcTL fdAT'.split(' '),
);

/** PNG, third edition, and APNG. */
function png(source: Source, orientation: number): Piece[] {
  const pieces: Piece[] = [{ start: 0, end: 8 }];
  for (let at = 8; at + 12 <= source.size;) {
    const type = source.bytes(at + 4, 4).toString('latin1');
    const end = at + 12 + source.uint32(at);
    if (end > source.size) return [...pieces, { start: at, end: source.size }];
    if (/^[A-Z]/.test(type) || pngChunks.has(type)) pieces.push({ start: at, end });
    if (type === 'IHDR' && orientation > 1) pieces.push(pngChunk('eXIf', exifOf(orientation)));
    if (type === 'IEND') return pieces;
    at = end;
  }
  return pieces;
}

function pngChunk(type: string, content: Buffer): Buffer {
  const chunk = Buffer.concat([Buffer.alloc(4), Buffer.from(type, 'latin1'), content, Buffer.alloc(4)]);
  chunk.writeUInt32BE(content.length);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, -4)), chunk.length - 4);
  return chunk;
}

const webpChunks: ReadonlySet<string> = new Set(['VP8 ', 'VP8L', 'VP8X', 'ANIM', 'ANMF', 'ALPH', 'ICCP']);
const WEBP_EXIF = 0x08;
const WEBP_XMP = 0x04;

/** The WebP container. Its header counts the bytes, and VP8X tells which chunks there are. */
function webp(source: Source, orientation: number): Piece[] {
  const pieces: Piece[] = [];
  const end = Math.min(source.size, 8 + source.uint32le(4));
  for (let at = 12; at + 8 <= end;) {
    const type = source.bytes(at, 4).toString('latin1');
    const length = source.uint32le(at + 4);
    const next = Math.min(at + 8 + length + (length % 2), source.size);
    if (type === 'VP8X' && length >= 1) {
      const flags = source.byte(at + 8) ?? 0;
      const cleared = (flags & ~(WEBP_EXIF | WEBP_XMP)) | (orientation > 1 ? WEBP_EXIF : 0);
      if (cleared === flags) pieces.push({ start: at, end: next });
      else pieces.push({ start: at, end: at + 8 }, Buffer.from([cleared]), { start: at + 9, end: next });
    } else if (webpChunks.has(type)) pieces.push({ start: at, end: next });
    at = next;
  }
  if (orientation > 1) {
    const exif = exifOf(orientation);
    pieces.push(Buffer.from('EXIF'), uint32le(exif.length), exif);
  }
  const length = pieces.reduce(
    (sum, piece) => sum + (Buffer.isBuffer(piece) ? piece.length : piece.end - piece.start),
    4,
  );
  const isLengthTrue = length === source.uint32le(4);
  return isLengthTrue
    ? [{ start: 0, end: 12 }, ...pieces]
    : [{ start: 0, end: 4 }, uint32le(length), { start: 8, end: 12 }, ...pieces];
}

function uint32le(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

const GIF_COMMENT = 0xfe;
const GIF_APPLICATION = 0xff;
/** Applications whose extensions tell how often an animation repeats, and the colour profile. */
const gifApplications: ReadonlySet<string> = new Set(['NETSCAPE2.0', 'ANIMEXTS1.0', 'ICCRGBG1012']);

/** GIF89a. */
function gif(source: Source): Piece[] {
  const start = 13 + colourTable(source.byte(10) ?? 0);
  const pieces: Piece[] = [{ start: 0, end: start }];
  for (let at = start; at < source.size;) {
    const kind = source.byte(at);
    if (kind === 0x3b) return [...pieces, { start: at, end: at + 1 }];
    if (kind === 0x2c) {
      const data = at + 10 + colourTable(source.byte(at + 9) ?? 0) + 1;
      const end = endOfBlocks(source, data);
      pieces.push({ start: at, end });
      at = end;
    } else if (kind === 0x21) {
      const end = endOfBlocks(source, at + 2);
      if (isShown(source, at)) pieces.push({ start: at, end });
      at = end;
    } else return [...pieces, { start: at, end: source.size }];
  }
  return pieces;
}

const colourTable = (packed: number): number => ((packed & 0x80) === 0 ? 0 : 3 * 2 ** ((packed & 7) + 1));

function isShown(source: Source, at: number): boolean {
  const label = source.byte(at + 1);
  if (label === GIF_COMMENT) return false;
  return label !== GIF_APPLICATION || gifApplications.has(source.bytes(at + 3, 11).toString('latin1'));
}

function endOfBlocks(source: Source, from: number): number {
  let at = from;
  for (let length = source.byte(at); length !== undefined && length > 0; length = source.byte(at)) at += length + 1;
  return Math.min(at + 1, source.size);
}
