import type { Piece, Source, Span } from './source.ts';

interface Box extends Span {
  readonly type: string;
  /** Where its content begins. */
  readonly content: number;
}
/** Bytes that replace as many others. */
interface Patch {
  readonly at: number;
  readonly bytes: Buffer;
}

const MAX_BOXES = 10_000;
/** What a picture or a sequence of them needs. Phones put films, texts and maker notes into others, mostly at the end. */
const needed: ReadonlySet<string> = new Set(['ftyp', 'meta', 'mdat', 'moov']);
/** Boxes that describe the picture, beside its items. */
const texts: ReadonlySet<string> = new Set(['xml ', 'bxml', 'uuid', 'udta', 'free', 'skip']);
/** Items that describe a picture: Exif, XMP and other texts. */
const described: ReadonlySet<string> = new Set(['Exif', 'mime', 'uri ']);

/**
 * HEIF (ISO 23008-12), the container of HEIC and AVIF. Nothing in it may move, because it is full of offsets: metadata
 * is overwritten with zeros, and its items and boxes become `free`; what is behind the last box that is needed goes. A
 * picture's orientation is no metadata here.
 */
export function heif(source: Source): { pieces: Piece[]; largestPart: number } {
  const patches: Patch[] = [];
  let largestPart = 0;
  let end = 0;
  const known = new Set<string>();
  for (const box of boxesIn(source, 0, source.size)) {
    if (!needed.has(box.type) || (box.type === 'meta' && known.has('meta'))) {
      patches.push(...freed(box));
      continue;
    }
    known.add(box.type);
    end = box.end;
    if (box.type === 'moov') patches.push(...userDataIn(source, box));
    if (box.type !== 'meta') continue;
    const parts = [...boxesIn(source, box.content + 4, box.end)];
    for (const part of parts) if (texts.has(part.type)) patches.push(...freed(part));
    const child = (type: string) => parts.find((part) => part.type === type);
    const items = itemsIn(source, child('iinf'));
    for (const { typeAt } of items) patches.push({ at: typeAt, bytes: Buffer.from('free') });
    const ids = new Set(items.map(({ id }) => id));
    for (const { start, end } of placesOf(source, child('iloc'), child('idat'), ids))
      patches.push({ at: start, bytes: Buffer.alloc(end - start) });
    largestPart = Math.max(largestPart, largestIn(source, child('iprp')));
  }
  return { pieces: patched(source, patches, end), largestPart };
}

function* boxesIn(source: Source, from: number, to: number): Generator<Box> {
  let count = 0;
  for (let start = from; start + 8 <= to && count < MAX_BOXES; count++) {
    const size = source.uint32(start);
    const type = source.bytes(start + 4, 4).toString('latin1');
    const header = size === 1 ? 16 : 8;
    const length = size === 0 ? to - start : size === 1 ? source.uint(start + 8, 8) : size;
    if (length < header) return;
    const end = Math.min(start + length, to);
    yield { type, start, end, content: start + header };
    start = end;
  }
}

const freed = ({ start, content, end }: Box): Patch[] => [
  { at: start + 4, bytes: Buffer.from('free') },
  { at: content, bytes: Buffer.alloc(Math.max(0, end - content)) },
];

/** Of a sequence and its tracks. */
function* userDataIn(source: Source, movie: Box): Generator<Patch> {
  for (const box of boxesIn(source, movie.content, movie.end)) {
    if (box.type === 'trak') yield* userDataIn(source, box);
    if (box.type === 'udta' || box.type === 'meta' || box.type === 'uuid') yield* freed(box);
  }
}

/** Items of metadata: their ids, and where their types are written. */
function itemsIn(source: Source, box: Box | undefined): { id: number; typeAt: number }[] {
  if (!box) return [];
  const first = box.content + (source.byte(box.content) === 0 ? 6 : 8);
  const items: { id: number; typeAt: number }[] = [];
  for (const { type, content } of boxesIn(source, first, box.end)) {
    const version = source.byte(content) ?? 0;
    if (type !== 'infe' || version < 2) continue;
    const wide = version > 2;
    const id = wide ? source.uint32(content + 4) : source.uint16(content + 4);
    const typeAt = content + (wide ? 10 : 8);
    if (described.has(source.bytes(typeAt, 4).toString('latin1'))) items.push({ id, typeAt });
  }
  return items;
}

/** Where the bytes of items are, in the file or in the box of data. */
function placesOf(source: Source, box: Box | undefined, data: Box | undefined, ids: ReadonlySet<number>): Span[] {
  if (!box || ids.size === 0) return [];
  const places: Span[] = [];
  const version = source.byte(box.content) ?? 0;
  const sizes = source.uint16(box.content + 4);
  const [offsetSize, lengthSize, baseSize] = [sizes >> 12, (sizes >> 8) & 15, (sizes >> 4) & 15];
  const indexSize = version === 0 ? 0 : sizes & 15;
  const wide = version > 1;
  let at = box.content + 6;
  const count = wide ? source.uint32(at) : source.uint16(at);
  at += wide ? 4 : 2;
  for (let item = 0; item < count && at < box.end; item++) {
    const id = wide ? source.uint32(at) : source.uint16(at);
    at += wide ? 4 : 2;
    const isInData = version > 0 && (source.uint16(at) & 15) === 1;
    at += version > 0 ? 4 : 2;
    const base = source.uint(at, baseSize) + (isInData ? (data?.content ?? source.size) : 0);
    at += baseSize;
    const extents = source.uint16(at);
    at += 2;
    for (let extent = 0; extent < extents && at < box.end; extent++) {
      const start = base + source.uint(at + indexSize, offsetSize);
      const length = source.uint(at + indexSize + offsetSize, lengthSize);
      at += indexSize + offsetSize + lengthSize;
      if (ids.has(id) && start < source.size) places.push({ start, end: Math.min(start + length, source.size) });
    }
  }
  return places;
}

/** The pixels of the largest picture, tile or grid that a property declares. */
function largestIn(source: Source, properties: Box | undefined): number {
  if (!properties) return 0;
  let largest = 0;
  for (const container of boxesIn(source, properties.content, properties.end))
    for (const { type, content } of container.type === 'ipco' ? boxesIn(source, container.content, container.end) : [])
      if (type === 'ispe') largest = Math.max(largest, source.uint32(content + 4) * source.uint32(content + 8));
  return largest;
}

/** The file up to `end` with its patches, which may overlap. */
function patched(source: Source, patches: readonly Patch[], end: number): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  for (const patch of patches.toSorted((a, b) => a.at - b.at)) {
    const bytes = patch.bytes.subarray(Math.max(0, at - patch.at));
    const start = Math.max(at, patch.at);
    if (bytes.length === 0 || start >= end) continue;
    if (start > at) pieces.push({ start: at, end: start });
    pieces.push(bytes);
    at = start + bytes.length;
  }
  return at < end ? [...pieces, { start: at, end }] : pieces;
}
