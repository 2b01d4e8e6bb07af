import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const repeated = (bytes: Buffer, size: number): Buffer => Buffer.alloc(size, bytes);
const pngChunk = (type: string, content: Buffer): Buffer => {
  const body = Buffer.concat([Buffer.from(type), content]);
  return Buffer.concat([uint32(content.length), body, uint32(crc32(body))]);
};
/** A size in an ID3 tag: 7 bits in each byte. */
const synchsafe = (size: number): Buffer => Buffer.from([21, 14, 7, 0].map((bits) => (size >> bits) & 0x7f));

/** Small files that take much time or memory to examine. */
export const bombs = {
  /** A grey picture of one bit per pixel, with Exif if given. */
  png: (width: number, height: number, exif?: Buffer): Buffer =>
    Buffer.concat([
      Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
      pngChunk('IHDR', Buffer.concat([uint32(width), uint32(height), Buffer.from([1, 0, 0, 0, 0])])),
      ...(exif ? [pngChunk('eXIf', exif)] : []),
      pngChunk('IDAT', deflateSync(Buffer.alloc((width / 8 + 1) * height))),
      pngChunk('IEND', Buffer.alloc(0)),
    ]),
  /** A small AVIF whose container and whose stream declare another size. */
  avif: async (width: number, height: number): Promise<Buffer> => {
    const bytes = await sharp({ create: { width: 16, height: 16, channels: 3, background: '#336699' } })
      .avif()
      .toBuffer();
    const ispe = bytes.indexOf('ispe');
    bytes.writeUInt32BE(width, ispe + 8);
    bytes.writeUInt32BE(height, ispe + 12);
    return bytes;
  },
  /** An MP3 whose tag has some hundred thousand frames. */
  id3: (size = 16 * 1024 ** 2): Buffer => {
    const frame = Buffer.concat([Buffer.from('TXXX'), synchsafe(4), Buffer.from([0, 0, 0, 0x61, 0, 0x62])]);
    const frames = repeated(frame, size - (size % frame.length));
    return Buffer.concat([
      Buffer.from('ID3\x04\0\0', 'latin1'),
      synchsafe(frames.length),
      frames,
      Buffer.from('fffb9000', 'hex'),
      Buffer.alloc(413),
    ]);
  },
  /** Empty atoms. */
  mp4: (size = 3 * 1024 ** 2): Buffer =>
    Buffer.concat([
      uint32(20),
      Buffer.from('ftypisom\0\0\0\0isom'),
      repeated(Buffer.from('\0\0\0\x08moov', 'latin1'), size),
    ]),
  /** Empty voids. */
  webm: (size = 3 * 1024 ** 2): Buffer =>
    Buffer.concat([
      Buffer.from('1a45dfa38842828477656264'.replace('77656264', '7765626d'), 'hex'),
      Buffer.from('18538067', 'hex'),
      Buffer.from('01ffffffffffffff', 'hex'),
      repeated(Buffer.from('ec80', 'hex'), size),
    ]),
  /** Pages without content. */
  ogg: (size = 3 * 1024 ** 2): Buffer => {
    const header = Buffer.alloc(27);
    header.write('OggS');
    header[5] = 2;
    header[26] = 1;
    const first = Buffer.concat([header, Buffer.from([30]), Buffer.from('\x01vorbis'), Buffer.alloc(23)]);
    const page = Buffer.alloc(27);
    page.write('OggS');
    return Buffer.concat([first, repeated(page, size - (size % 27))]);
  },
};
