import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** A part of a file, without the byte at `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}
/** A part of a new file: a part of the old one, or new bytes. */
export type Piece = Span | Buffer;

export const lengthOf = (piece: Piece): number => (Buffer.isBuffer(piece) ? piece.length : piece.end - piece.start);

const WINDOW_BYTES = 256 * 1024;

/** Reads a file anywhere, a window at a time. Beyond its end there is nothing: bytes are undefined, numbers 0. */
export class Source {
  readonly size: number;
  private readonly file: number;
  private readonly window = Buffer.alloc(WINDOW_BYTES);
  private windowStart = 0;
  private windowLength = 0;

  constructor(path: string) {
    this.file = openSync(path, 'r');
    this.size = fstatSync(this.file).size;
  }

  close(): void {
    closeSync(this.file);
  }

  byte(at: number): number | undefined {
    return this.bytes(at, 1)[0];
  }
  uint16(at: number): number {
    return this.bytes(at, 2).length === 2 ? this.bytes(at, 2).readUInt16BE() : 0;
  }
  uint32(at: number): number {
    return this.bytes(at, 4).length === 4 ? this.bytes(at, 4).readUInt32BE() : 0;
  }
  uint32le(at: number): number {
    return this.bytes(at, 4).length === 4 ? this.bytes(at, 4).readUInt32LE() : 0;
  }
  /** A number of 0, 4 or 8 bytes. */
  uint(at: number, length: number): number {
    if (length === 0) return 0;
    return length === 8 ? this.uint32(at) * 2 ** 32 + this.uint32(at + 4) : this.uint32(at);
  }

  /** At most a window of bytes, valid until the next call. */
  bytes(at: number, length: number): Buffer {
    if (at < this.windowStart || at + length > this.windowStart + this.windowLength) this.load(at);
    const start = at - this.windowStart;
    return this.window.subarray(start, Math.max(start, Math.min(start + length, this.windowLength)));
  }

  /** Any number of bytes, in memory. */
  copy({ start, end }: Span): Buffer {
    return Buffer.concat(Array.from(this.chunks({ start, end }), (chunk) => Buffer.from(chunk)));
  }

  /** This part of the file if it has these bytes (at most a window), or the bytes if it has others. */
  unlessSame(span: Span, bytes: Buffer): Piece {
    return span.end - span.start === bytes.length && this.bytes(span.start, bytes.length).equals(bytes) ? span : bytes;
  }

  /** The position of a byte, from `at` on. */
  find(byte: number, at: number): number | undefined {
    for (let from = at; from < this.size;) {
      const bytes = this.bytes(from, 1).length > 0 ? this.rest(from) : undefined;
      if (!bytes) return undefined;
      const found = bytes.indexOf(byte);
      if (found !== -1) return from + found;
      from += bytes.length;
    }
    return undefined;
  }

  *chunks({ start, end }: Span): Generator<Buffer> {
    for (let at = start; at < Math.min(end, this.size);) {
      this.load(at);
      const bytes = this.bytes(at, Math.min(end - at, this.windowLength));
      if (bytes.length === 0) return;
      yield bytes;
      at += bytes.length;
    }
  }

  /** What the window has from `at` on. */
  private rest(at: number): Buffer {
    return this.window.subarray(at - this.windowStart, this.windowLength);
  }

  private load(at: number): void {
    this.windowStart = at;
    this.windowLength = at >= this.size ? 0 : readSync(this.file, this.window, 0, WINDOW_BYTES, at);
  }
}
