import { exifOf } from './exif.ts';
import { isProfile } from './icc.ts';
import type { Piece, Source, Span } from './source.ts';

const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;
const APP0 = 0xe0;
const APP2 = 0xe2;
const APP14 = 0xee;
/** Tables and the frame: DHT, DAC, DQT, DRI and the frames' kinds. */
const drawing: ReadonlySet<number> = new Set([
  0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xdb, 0xdd,
]);
const JFIF_BYTES = 14;
const ADOBE_BYTES = 12;
const PROFILE = 'ICC_PROFILE\0';

/**
 * ITU T.81. Of the application segments, JFIF without its preview, a colour profile and Adobe's colour transform stay.
 */
export function jpeg(source: Source, orientation: number): Piece[] {
  const pieces: Piece[] = [{ start: 0, end: 2 }];
  const profile: Span[] = [];
  const known = new Set<number>();
  if (orientation > 1) pieces.push(segment(0xe1, Buffer.concat([Buffer.from('Exif\0\0'), exifOf(orientation)])));
  const end = (): Piece[] =>
    isWholeProfile(source, profile) ? pieces : pieces.filter((piece) => !profile.includes(piece as Span));
  for (let at = 2; ;) {
    const found = source.find(0xff, at);
    if (found === undefined) return end();
    let code = found + 1;
    while (source.byte(code) === 0xff) code++;
    const marker = source.byte(code);
    if (marker === undefined) return end();
    const span = { start: code - 1, end: code + 1 + source.uint16(code + 1) };
    at = code + 1;
    if (marker === EOI) {
      pieces.push({ start: span.start, end: at });
      return end();
    }
    // Stray bytes of a scan are dropped, as decoders do.
    if (marker === 0 || marker === 1 || marker === SOI || (marker >= 0xd0 && marker <= 0xd7)) continue;
    if (marker === SOS) span.end = endOfScan(source, span.end);
    at = Math.max(at, span.end);
    const name = source.bytes(code + 3, PROFILE.length).toString('latin1');
    if (marker === SOS || drawing.has(marker)) pieces.push(span);
    else if (marker === APP2 && name === PROFILE) {
      profile.push(span);
      pieces.push(span);
    } else if (!known.has(marker)) {
      const piece = marker === APP0 ? jfif(source, span) : marker === APP14 ? adobe(source, span) : undefined;
      if (piece) {
        known.add(marker);
        pieces.push(piece);
      }
    }
  }
}

function segment(marker: number, content: Buffer): Buffer {
  const bytes = Buffer.concat([Buffer.from([0xff, marker, 0, 0]), content]);
  bytes.writeUInt16BE(content.length + 2, 2);
  return bytes;
}

function jfif(source: Source, span: Span): Piece | undefined {
  const content = Buffer.from(source.bytes(span.start + 4, Math.min(span.end - span.start - 4, JFIF_BYTES)));
  if (content.length < JFIF_BYTES || !content.toString('latin1').startsWith('JFIF\0')) return undefined;
  // The size of the preview.
  content.fill(0, 12);
  return source.unlessSame(span, segment(APP0, content));
}

function adobe(source: Source, span: Span): Piece | undefined {
  const content = Buffer.from(source.bytes(span.start + 4, Math.min(span.end - span.start - 4, ADOBE_BYTES)));
  if (content.length < ADOBE_BYTES || !content.toString('latin1').startsWith('Adobe')) return undefined;
  return source.unlessSame(span, segment(APP14, content));
}

/** Whether the segments are a profile in numbered parts. */
function isWholeProfile(source: Source, segments: readonly Span[]): boolean {
  const start = 4 + PROFILE.length;
  const parts = segments.map((span) => ({
    number: source.byte(span.start + start),
    count: source.byte(span.start + start + 1),
    bytes: source.copy({ start: span.start + start + 2, end: span.end }),
  }));
  parts.sort((a, b) => a.number! - b.number!);
  const isNumbered = parts.every(({ number, count }, at) => number === at + 1 && count === parts.length);
  return isNumbered && isProfile(Buffer.concat(parts.map(({ bytes }) => bytes)));
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
