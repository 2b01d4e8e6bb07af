import { Readable } from 'node:stream';
import { crc32, createInflate, deflateSync, inflateSync } from 'node:zlib';
import { exifOf } from './exif.ts';
import { isProfile, MAX_PROFILE_BYTES } from './icc.ts';
import type { Piece, Source, Span } from './source.ts';

interface Chunk extends Span {
  readonly type: string;
  readonly content: Span;
}
interface Header {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colour: number;
  readonly isInterlaced: boolean;
}
/** The compressed pixels of a picture or frame: its chunks, as places among the pieces. */
interface Stream {
  /** The bytes that its pixels have. */
  readonly pixels: number;
  readonly chunks: { readonly chunk: Chunk; readonly at: number }[];
}

const GREY = 0;
const RGB = 2;
const PALETTE = 3;
const RGBA = 6;
const channels: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
/** The lengths of chunks that say how the pixels look, by the colour type. A wrong one is left out. */
const lengths: Readonly<Record<string, (colour: number) => number | undefined>> = {
  gAMA: () => 4,
  cHRM: () => 32,
  sRGB: () => 1,
  cICP: () => 4,
  pHYs: () => 9,
  acTL: () => 8,
  sBIT: (colour) => (colour === PALETTE ? 3 : channels[colour]),
  bKGD: (colour) => (colour === PALETTE ? 1 : colour === RGB || colour === RGBA ? 6 : 2),
};
/** Pixels of more bytes are not inflated to find where they end. */
const MAX_INFLATED_BYTES = 400_000_000;
/** The name that a colour profile gets. */
const PROFILE_NAME = 'icc';

/**
 * PNG, third edition, and APNG. Only what the pixels need stays: of a palette as much as there may be indexes, of
 * compressed data nothing behind its end.
 */
export async function png(source: Source, orientation: number): Promise<Piece[]> {
  // A list for each chunk, in which it may be replaced.
  const pieces: Piece[][] = [[{ start: 0, end: 8 }]];
  const streams: Stream[] = [];
  const known = new Set<string>();
  let header: Header = { width: 0, height: 0, depth: 8, colour: GREY, isInterlaced: false };
  let entries = 0;
  let frame: Stream | undefined;
  for (const chunk of chunksIn(source)) {
    const { type, content } = chunk;
    const length = content.end - content.start;
    const isFirst = !known.has(type);
    known.add(type);
    const { colour } = header;
    if (type === 'IEND') {
      pieces.push([source.unlessSame(chunk, chunkOf('IEND', Buffer.alloc(0)))]);
      break;
    } else if (type === 'IHDR' && isFirst) {
      header = headerOf(source, content);
      streams.push({ pixels: pixelBytes(header, header.width, header.height), chunks: [] });
      pieces.push([chunk]);
      if (orientation > 1) pieces.push([chunkOf('eXIf', exifOf(orientation))]);
    } else if (type === 'IDAT' && streams[0]) {
      streams[0].chunks.push({ chunk, at: pieces.length });
      pieces.push([chunk]);
    } else if (type === 'fcTL' && length === 26) {
      const [width, height] = [source.uint32(content.start + 4), source.uint32(content.start + 8)];
      frame = { pixels: pixelBytes(header, width, height), chunks: [] };
      streams.push(frame);
      pieces.push([chunk]);
    } else if (type === 'fdAT' && frame && length >= 4) {
      frame.chunks.push({ chunk, at: pieces.length });
      pieces.push([chunk]);
    } else if (type === 'PLTE' && isFirst && colour === PALETTE) {
      entries = Math.min(2 ** header.depth, Math.floor(length / 3));
      pieces.push([cut(source, chunk, 3 * entries)]);
    } else if (type === 'tRNS' && isFirst) {
      // A wrong length makes decoders ignore it.
      const isRight =
        colour === PALETTE ? length <= entries : length === (colour === GREY ? 2 : colour === RGB ? 6 : -1);
      if (isRight) pieces.push([chunk]);
    } else if (type === 'iCCP' && isFirst) {
      const profile = profileIn(source, chunk);
      if (profile) pieces.push([profile]);
    } else if (isFirst && lengths[type]?.(colour) === length && (type !== 'cHRM' || isPlausible(source, content)))
      pieces.push([chunk]);
  }
  for (const stream of streams) await endWithPixels(source, stream, pieces);
  return pieces.flat();
}

function* chunksIn(source: Source): Generator<Chunk> {
  for (let start = 8; start + 12 <= source.size;) {
    const type = source.bytes(start + 4, 4).toString('latin1');
    const end = start + 12 + source.uint32(start);
    // A picture that was cut off.
    if (end > source.size && type !== 'IDAT' && type !== 'fdAT') return;
    yield { type, start, end: Math.min(end, source.size), content: { start: start + 8, end: end - 4 } };
    start = end;
  }
}

function headerOf(source: Source, { start }: Span): Header {
  return {
    width: source.uint32(start),
    height: source.uint32(start + 4),
    depth: source.byte(start + 8) ?? 8,
    colour: source.byte(start + 9) ?? GREY,
    isInterlaced: source.byte(start + 12) === 1,
  };
}

/** Column and row of the first pixel, and the steps, of each pass (Adam7). */
const passes = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

/** The bytes of the pixels, filters included. */
function pixelBytes({ depth, colour, isInterlaced }: Header, width: number, height: number): number {
  const bits = depth * (channels[colour] ?? 4);
  const bytesOf = (columns: number, rows: number): number =>
    columns <= 0 || rows <= 0 ? 0 : rows * (1 + Math.ceil((columns * bits) / 8));
  if (!isInterlaced) return bytesOf(width, height);
  return passes.reduce(
    (sum, [x, y, dx, dy]) => sum + bytesOf(Math.ceil((width - x) / dx), Math.ceil((height - y) / dy)),
    0,
  );
}

function chunkOf(type: string, content: Buffer): Buffer {
  const chunk = Buffer.concat([Buffer.alloc(4), Buffer.from(type, 'latin1'), content, Buffer.alloc(4)]);
  chunk.writeUInt32BE(content.length);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, -4)), chunk.length - 4);
  return chunk;
}

/** A short chunk with at most `length` bytes. */
function cut(source: Source, { type, start, end, content }: Chunk, length: number): Piece {
  if (content.end - content.start <= length) return { start, end };
  return chunkOf(type, source.copy({ start: content.start, end: content.start + length }));
}

/** Chromaticities are fractions of 100,000 and seldom above 1. */
function isPlausible(source: Source, { start }: Span): boolean {
  return Array.from({ length: 8 }, (_, n) => source.uint32(start + 4 * n)).every((value) => value <= 1_000_000);
}

function profileIn(source: Source, { start, end, content }: Chunk): Piece | undefined {
  if (content.end - content.start > MAX_PROFILE_BYTES) return undefined;
  const bytes = source.copy(content);
  const nameEnd = bytes.indexOf(0);
  if (nameEnd < 1 || nameEnd > 79 || bytes[nameEnd + 1] !== 0) return undefined;
  const compressed = bytes.subarray(nameEnd + 2);
  try {
    const { buffer, engine } = inflateSync(compressed, {
      info: true,
      maxOutputLength: MAX_PROFILE_BYTES,
    } as never) as unknown as { buffer: Buffer; engine: { bytesWritten: number } };
    if (!isProfile(buffer)) return undefined;
    if (engine.bytesWritten === compressed.length && bytes.toString('latin1', 0, nameEnd) === PROFILE_NAME)
      return { start, end };
    return chunkOf('iCCP', Buffer.concat([Buffer.from(`${PROFILE_NAME}\0\0`), deflateSync(buffer)]));
  } catch {
    return undefined;
  }
}

/** Cuts off what stands behind the end of compressed pixels. Throws when they are more than the picture has. */
async function endWithPixels(source: Source, { pixels, chunks }: Stream, pieces: Piece[][]): Promise<void> {
  if (chunks.length === 0 || pixels > MAX_INFLATED_BYTES) return;
  // The chunks of a frame begin with their number.
  const spans = chunks.map(({ chunk: { type, content } }) => ({
    start: content.start + (type === 'fdAT' ? 4 : 0),
    end: Math.min(content.end, source.size),
  }));
  let left = await compressedLength(source, spans, pixels);
  if (left === undefined) return;
  for (const [index, { chunk, at }] of chunks.entries()) {
    const { start, end } = spans[index]!;
    const length = Math.min(left, end - start);
    left -= length;
    if (length === end - start) continue;
    // Frames count their chunks, so that an empty one stays.
    const isKept = length > 0 || chunk.type === 'fdAT';
    pieces[at] = isKept ? chunkWith(source, chunk.type, { start: chunk.content.start, end: start + length }) : [];
  }
}

/** A chunk of any length. */
function chunkWith(source: Source, type: string, content: Span): Piece[] {
  const header = Buffer.concat([Buffer.alloc(4), Buffer.from(type, 'latin1')]);
  header.writeUInt32BE(content.end - content.start);
  const check = Buffer.alloc(4);
  let crc = crc32(header.subarray(4));
  for (const bytes of source.chunks(content)) crc = crc32(bytes, crc);
  check.writeUInt32BE(crc);
  return [header, content, check];
}

/** How many bytes of the spans the compressed data has. Undefined when it is cut off or broken, which decoders judge. */
async function compressedLength(source: Source, spans: readonly Span[], pixels: number): Promise<number | undefined> {
  function* bytes(): Generator<Buffer> {
    for (const span of spans) for (const chunk of source.chunks(span)) yield Buffer.from(chunk);
  }
  const inflate = createInflate({ chunkSize: 256 * 1024 });
  let inflated = 0;
  try {
    for await (const chunk of Readable.from(bytes()).pipe(inflate)) {
      inflated += (chunk as Buffer).length;
      if (inflated > pixels) break;
    }
  } catch {
    return undefined;
  }
  if (inflated > pixels) throw new Error('the picture has more data than pixels');
  return inflate.bytesWritten;
}
