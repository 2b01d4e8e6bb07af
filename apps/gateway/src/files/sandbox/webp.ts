import { exifOf } from './exif.ts';
import { isProfile, MAX_PROFILE_BYTES } from './icc.ts';
import { lengthOf, type Piece, type Source, type Span } from './source.ts';

interface Chunk extends Span {
  readonly type: string;
  readonly content: number;
  readonly length: number;
}

const ICC = 0x20;
const EXIF = 0x08;
const XMP = 0x04;
/** The lengths of chunks that have always the same. */
const lengths: Readonly<Record<string, number>> = { VP8X: 10, ANIM: 6 };
const FRAME_HEADER_BYTES = 16;
const pictures: ReadonlySet<string> = new Set(['VP8 ', 'VP8L']);

/** The WebP container. Its header counts the bytes, and VP8X tells which chunks there are. */
export function webp(source: Source, orientation: number): Piece[] {
  const chunks = [...chunksIn(source, 12, Math.min(source.size, 8 + source.uint32le(4)))];
  const isExtended = chunks[0]?.type === 'VP8X';
  const profile = chunks.find(({ type, length }) => type === 'ICCP' && length <= MAX_PROFILE_BYTES);
  const hasProfile =
    isExtended && profile !== undefined && isProfile(source.copy({ start: profile.content, end: profile.end }));
  const known = new Set<string>();
  const pieces = chunks.flatMap((chunk): Piece[] => {
    const { type } = chunk;
    const isFirst = !known.has(pictures.has(type) ? 'picture' : type);
    known.add(pictures.has(type) ? 'picture' : type);
    if (type === 'ANMF') return isExtended ? frame(source, chunk) : [];
    if (!isFirst) return [];
    if (type === 'VP8X') return extended(source, chunk, (hasProfile ? ICC : 0) | (orientation > 1 ? EXIF : 0));
    if (type === 'ANIM' || type === 'ALPH') return isExtended ? exact(source, chunk) : [];
    if (type === 'ICCP') return hasProfile && chunk === profile ? [padded(source, chunk)] : [];
    return pictures.has(type) ? [padded(source, chunk)] : [];
  });
  if (isExtended && orientation > 1) {
    const exif = exifOf(orientation);
    pieces.push(Buffer.from('EXIF'), uint32le(exif.length), exif);
  }
  const header = Buffer.concat([Buffer.from('RIFF'), uint32le(4 + sizeOf(pieces)), Buffer.from('WEBP')]);
  return [source.unlessSame({ start: 0, end: 12 }, header), ...pieces];
}

function* chunksIn(source: Source, from: number, to: number): Generator<Chunk> {
  for (let start = from; start + 8 <= to;) {
    const length = source.uint32le(start + 4);
    const content = start + 8;
    yield {
      type: source.bytes(start, 4).toString('latin1'),
      start,
      content,
      length,
      end: Math.min(content + length, to),
    };
    start = content + length + (length % 2);
  }
}

const sizeOf = (pieces: readonly Piece[]): number => pieces.reduce((sum, piece) => sum + lengthOf(piece), 0);
/** With the byte that makes its length even. */
const padded = (source: Source, { start, content, length, end }: Chunk): Piece => ({
  start,
  end: content + length === end ? Math.min(end + (length % 2), source.size) : end,
});

/** A chunk of a fixed length without what is behind. */
function exact(source: Source, chunk: Chunk): Piece[] {
  const wanted = lengths[chunk.type];
  if (wanted === undefined || chunk.length === wanted) return [padded(source, chunk)];
  if (chunk.length < wanted) return [];
  return [Buffer.concat([Buffer.from(chunk.type), uint32le(wanted), source.bytes(chunk.content, wanted)])];
}

/** VP8X with the true flags for colour profile and metadata. */
function extended(source: Source, chunk: Chunk, flags: number): Piece[] {
  const length = lengths['VP8X']!;
  if (chunk.length < length) return [];
  const bytes = Buffer.concat([Buffer.from('VP8X'), uint32le(length), source.bytes(chunk.content, length)]);
  bytes[8] = (bytes[8]! & ~(ICC | EXIF | XMP)) | flags;
  return [source.unlessSame(chunk, bytes)];
}

/** A frame with its picture and its transparency only. */
function frame(source: Source, chunk: Chunk): Piece[] {
  const from = chunk.content + FRAME_HEADER_BYTES;
  const parts = [...chunksIn(source, from, chunk.end)];
  const first = (types: ReadonlySet<string>) => parts.find(({ type }) => types.has(type));
  const kept = new Set([first(new Set(['ALPH'])), first(pictures)]);
  const pieces = parts.filter((part) => kept.has(part)).map((part) => padded(source, part));
  const header = { start: chunk.start, end: from };
  const length = Buffer.concat([Buffer.from('ANMF'), uint32le(FRAME_HEADER_BYTES + sizeOf(pieces))]);
  const bytes = Buffer.concat([length, source.bytes(chunk.content, FRAME_HEADER_BYTES)]);
  return [source.unlessSame(header, bytes), ...pieces];
}

function uint32le(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
