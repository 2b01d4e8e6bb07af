import { isProfile } from './icc.ts';
import type { Piece, Source, Span } from './source.ts';

const TRAILER = 0x3b;
const IMAGE = 0x2c;
const EXTENSION = 0x21;
const GRAPHIC_CONTROL = 0xf9;
const APPLICATION = 0xff;
/** Applications whose extensions tell how often an animation repeats. */
const loops: ReadonlySet<string> = new Set(['NETSCAPE2.0', 'ANIMEXTS1.0']);
const PROFILE = 'ICCRGBG1012';

/** GIF89a. Of the extensions, graphic control, the number of repetitions and a colour profile stay. */
export function gif(source: Source): Piece[] {
  const start = 13 + colourTable(source.byte(10) ?? 0);
  const pieces: Piece[] = [{ start: 0, end: start }];
  for (let at = start; at < source.size;) {
    const kind = source.byte(at);
    if (kind === TRAILER) return [...pieces, { start: at, end: at + 1 }];
    // Empty blocks between others.
    if (kind === 0) at++;
    else if (kind === IMAGE) {
      const end = endOfBlocks(source, at + 10 + colourTable(source.byte(at + 9) ?? 0) + 1);
      pieces.push({ start: at, end });
      at = end;
    } else if (kind === EXTENSION) {
      const end = endOfBlocks(source, at + 2);
      const piece = extension(source, { start: at, end });
      if (piece) pieces.push(piece);
      at = end;
    } else return [...pieces, Buffer.from([TRAILER])];
  }
  return pieces;
}

const colourTable = (packed: number): number => ((packed & 0x80) === 0 ? 0 : 3 * 2 ** ((packed & 7) + 1));

function extension(source: Source, span: Span): Piece | undefined {
  const label = source.byte(span.start + 1);
  const first = Buffer.from(source.bytes(span.start + 2, 12));
  if (label === GRAPHIC_CONTROL && first[0] === 4)
    return source.unlessSame(
      span,
      Buffer.concat([Buffer.from([EXTENSION, label]), first.subarray(0, 5), Buffer.from([0])]),
    );
  if (label !== APPLICATION || first[0] !== 11) return undefined;
  const name = first.toString('latin1', 1);
  if (name === PROFILE) return isProfile(contentOf(source, span.start + 14)) ? span : undefined;
  if (!loops.has(name)) return undefined;
  const [length, kind, ...count] = source.bytes(span.start + 14, 4);
  if (length !== 3 || kind !== 1 || count.length !== 2) return undefined;
  return source.unlessSame(
    span,
    Buffer.concat([Buffer.from([EXTENSION, label]), first, Buffer.from([3, 1, ...count, 0])]),
  );
}

function contentOf(source: Source, from: number): Buffer {
  const blocks: Buffer[] = [];
  for (let at = from, length = source.byte(at); length; at += length + 1, length = source.byte(at))
    blocks.push(Buffer.from(source.bytes(at + 1, length)));
  return Buffer.concat(blocks);
}

function endOfBlocks(source: Source, from: number): number {
  let at = from;
  for (let length = source.byte(at); length !== undefined && length > 0; length = source.byte(at)) at += length + 1;
  return Math.min(at + 1, source.size);
}
