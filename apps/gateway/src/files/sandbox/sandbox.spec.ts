import { randomUUID } from 'node:crypto';
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { crc32, deflateSync, inflateSync } from 'node:zlib';
import { ChatError } from '@parley/contracts';
import { createLogger } from '@parley/service-kit';
import { codeOf, eventually } from '@parley/testing';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { bombs } from '../../spec/bombs.js';
import { cleanPath, previewPath } from './exchange.js';
import { defaultSandboxLimits, Sandbox, type SandboxLimits } from './sandbox.js';

let folder: string;
const sandboxes: Sandbox[] = [];
const logged: string[] = [];
beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), 'parley-sandbox-'))));
afterEach(() => sandboxes.splice(0).forEach((sandbox) => sandbox.onModuleDestroy()));
afterAll(() => rm(folder, { recursive: true }));

const open = (limits: Partial<SandboxLimits> = {}): Sandbox => {
  const logger = createLogger('gateway', 'warn', { write: (line: string) => void logged.push(line) });
  const sandbox = new Sandbox(logger, { ...defaultSandboxLimits, ...limits });
  sandboxes.push(sandbox);
  return sandbox;
};
const save = async (bytes: Buffer): Promise<{ path: string; name: string; output: string }> => {
  const path = join(folder, randomUUID());
  await writeFile(path, bytes);
  return { path, name: 'a', output: `${path}-out` };
};
const png = () =>
  sharp({ create: { width: 4, height: 3, channels: 3, background: '#336699' } })
    .png()
    .toBuffer();
const isRunning = (pid: number) =>
  access(`/proc/${pid}`).then(
    () => true,
    () => false,
  );

describe('the sandbox', () => {
  it('examines one file after another in the same process', async () => {
    const sandbox = open();
    expect(await sandbox.examine('ann', await save(await png()))).toMatchObject({ mediaType: 'image/png', width: 4 });
    const pids = sandbox.processIds;
    expect(await sandbox.examine('ben', await save(Buffer.from('hello')))).toEqual({
      mediaType: 'text/plain; charset=utf-8',
    });
    expect([pids.length, sandbox.processIds]).toEqual([1, pids]);
  });

  it('gives its processes no secrets', async () => {
    const sandbox = open();
    await sandbox.examine('ann', await save(Buffer.from('hello')));
    const environment = await readFile(`/proc/${sandbox.processIds[0]}/environ`, 'latin1');
    expect(
      environment
        .split('\0')
        .map((line) => line.split('=')[0]!)
        .toSorted(),
    ).toEqual(['', 'MALLOC_ARENA_MAX', 'NODE_CHANNEL_FD', 'NODE_CHANNEL_SERIALIZATION_MODE'].toSorted());
  });

  it('lets the event loop go on while a file is examined', async () => {
    const sandbox = open({ processorMs: 500, processes: 1 });
    let turns = 0;
    const examined = sandbox.examine('ann', await save(bombs.id3())).finally(() => (turns = -turns));
    while (turns >= 0) {
      turns++;
      await turn();
    }
    await examined;
    expect(-turns).toBeGreaterThan(100);
  });

  it('ends a process that takes too much time', async () => {
    const sandbox = open({ processorMs: 500, processes: 1 });
    await sandbox.examine('ann', await save(Buffer.from('hello')));
    const [pid] = sandbox.processIds;
    expect(await sandbox.examine('ann', await save(bombs.id3()))).toEqual({ mediaType: 'audio/mpeg' });
    await eventually(async () => expect(await isRunning(pid!)).toBe(false));
    expect(await sandbox.examine('ann', await save(await png()))).toMatchObject({ mediaType: 'image/png' });
    expect(logged.join()).toContain('its processor time');
  });

  it('ends only the process that takes too much memory', async () => {
    const sandbox = open({ memoryBytes: 160 * 1024 ** 2 });
    const picture = sharp({ create: { width: 8000, height: 8000, channels: 3, background: '#336699' } });
    // Interlaced, it is decoded as a whole.
    const large = await save(await picture.png({ progressive: true }).toBuffer());
    const small = await save(await png());
    const [killed, other] = await Promise.all([sandbox.examine('eve', large), sandbox.examine('ann', small)]);
    expect(killed).toEqual({ mediaType: 'image/png', width: 8000, height: 8000 });
    expect(other).toMatchObject({ mediaType: 'image/png', thumbnail: { width: 4 } });
    await expect(access(previewPath(large.output))).rejects.toThrow('ENOENT');
    expect(logged.join()).toContain('its memory');
  });

  it('lets users take turns', { timeout: 60_000 }, async () => {
    const sandbox = open({ processorMs: 500, processes: 1 });
    const done: string[] = [];
    const examine = async (userId: string, bytes: Buffer, name: string) =>
      sandbox.examine(userId, await save(bytes)).then(() => done.push(name));
    const files = [examine('eve', bombs.id3(), 'eve 1')];
    await eventually(() => sandbox.processIds.length === 1);
    files.push(examine('eve', bombs.id3(), 'eve 2'), examine('eve', bombs.id3(), 'eve 3'));
    files.push(examine('ann', await png(), 'ann'), examine('ben', await png(), 'ben'));
    await Promise.all(files);
    expect(done.indexOf('ann')).toBeLessThan(done.indexOf('eve 3'));
    expect(done.indexOf('ben')).toBeLessThan(done.indexOf('eve 3'));
  });

  it('does not let one user take all processes', { timeout: 60_000 }, async () => {
    const sandbox = open({ processorMs: 2_000, processes: 2 });
    const hostile = [await save(bombs.id3()), await save(bombs.id3())].map((file) => sandbox.examine('eve', file));
    let isOver = false;
    void hostile[0]!.finally(() => (isOver = true));
    expect(await sandbox.examine('ann', await save(await png()))).toMatchObject({ mediaType: 'image/png' });
    expect(isOver).toBe(false);
    await Promise.all(hostile);
  });

  it('refuses more files than may wait', async () => {
    const sandbox = open({ processes: 1, waiting: 3, waitingPerUser: 2 });
    const file = await save(Buffer.from('hello'));
    const examine = (userId: string) => codeOf(sandbox.examine(userId, file));
    const outcomes = await Promise.all(['eve', 'eve', 'eve', 'eve', 'ann', 'ben'].map(examine));
    expect(outcomes).toEqual(['answered', 'answered', 'answered', 'rate_limited', 'answered', 'unavailable']);
  });

  it('refuses a file of which nothing is known at the deadline', async () => {
    const sandbox = open({ deadlineMs: 1 });
    const file = await save(Buffer.alloc(20_000_000, 'a'));
    const error = await sandbox.examine('eve', file).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ChatError);
    expect((error as ChatError).code).toBe('unsupported_media');
  });

  it('does not decode pictures that would take too much memory, whatever their files’ size', async () => {
    const sandbox = open();
    for (const [bytes, expected] of [
      [bombs.png(10_000, 10_000), { mediaType: 'application/octet-stream' }],
      [await bombs.avif(9_000, 9_000), { mediaType: 'image/avif', width: 9_000, height: 9_000 }],
    ] as const) {
      expect(bytes.length).toBeLessThan(300_000);
      expect(await sandbox.examine('eve', await save(bytes))).toEqual(expected);
    }
    expect(sandbox.processIds).toHaveLength(1);
  });

  it.each(['mp4', 'webm', 'ogg'] as const)('is done with a hostile recording once it answers: %s', async (kind) => {
    const sandbox = open({ processorMs: 1_000 });
    await sandbox.examine('ann', await save(Buffer.from('hello')));
    const [pid] = sandbox.processIds;
    const mediaType = { mp4: 'video/mp4', webm: 'video/webm', ogg: 'audio/ogg' }[kind];
    const content = await sandbox.examine('eve', await save(bombs[kind]()));
    expect(content.mediaType).toBe(mediaType);
    // Either it came to an end, and its process takes the next file at once, or there is a new one.
    expect(await sandbox.examine('eve', await save(await png()))).toMatchObject({ mediaType: 'image/png' });
    const isSame = sandbox.processIds.includes(pid!);
    await eventually(async () => expect(await isRunning(pid!)).toBe(isSame));
  });

  it('ends processes that have no work', async () => {
    const sandbox = open({ idleMs: 1 });
    await sandbox.examine('ann', await save(Buffer.from('hello')));
    await eventually(() => sandbox.processIds.length === 0);
    expect(await sandbox.examine('ann', await save(Buffer.from('hello')))).toMatchObject({});
  });

  it('ends its processes when it stops', async () => {
    const sandbox = open();
    const [examined, waits] = [save(bombs.id3()), save(bombs.id3())];
    const outcomes = [await examined, await waits].map((file) => codeOf(sandbox.examine('eve', file)));
    await eventually(() => sandbox.processIds.length === 1);
    const pids = sandbox.processIds;
    sandbox.onModuleDestroy();
    expect((await Promise.all(outcomes))[1]).toBe('unavailable');
    for (const pid of pids) await eventually(async () => expect(await isRunning(pid)).toBe(false));
  });
});

describe('a picture’s metadata', () => {
  const exif = { IFD0: { Make: 'Camera', Model: 'X100' }, IFD3: { GPSLatitude: '52/1 31/1 0/1' } };
  const xmp =
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>';
  const plain = (width = 40, height = 20) => sharp({ create: { width, height, channels: 3, background: '#336699' } });
  const examine = async (bytes: Buffer, sandbox = open()) => {
    const file = await save(bytes);
    const content = await sandbox.examine('ann', file);
    return { content, bytes: content.isStripped ? await readFile(cleanPath(file.output)) : bytes };
  };

  it.each(['jpeg', 'png', 'webp', 'avif'] as const)('is all that is removed: %s', async (format) => {
    const original = await plain().toFormat(format).withExif(exif).withXmp(xmp).withIccProfile('p3').toBuffer();
    expect(original.includes('Camera')).toBe(true);
    const { content, bytes } = await examine(original);
    const metadata = await sharp(bytes).metadata();
    expect(content).toMatchObject({ isStripped: true, width: 40, height: 20, thumbnail: { width: 40 } });
    expect(metadata).toMatchObject({ format: format === 'avif' ? 'heif' : format, width: 40, height: 20 });
    expect([metadata.exif, metadata.xmp, bytes.includes('Camera'), bytes.includes('xmpmeta')]).toEqual([
      undefined,
      undefined,
      false,
      false,
    ]);
    expect(metadata.icc).toEqual((await sharp(original).metadata()).icc);
    expect(await sharp(bytes).raw().toBuffer()).toEqual(await sharp(original).raw().toBuffer());
    expect((await examine(bytes)).content.isStripped).toBeUndefined();
  });

  it.each(['jpeg', 'png', 'webp'] as const)('turns the pixels as the camera was held: %s', async (format) => {
    const original = await plain().toFormat(format).withExif(exif).withMetadata({ orientation: 6 }).toBuffer();
    const { content, bytes } = await examine(original);
    const { width, height, orientation, exif: left } = await sharp(bytes).metadata();
    expect([content.width, content.height, width, height, orientation, left]).toEqual([
      20,
      40,
      20,
      40,
      undefined,
      undefined,
    ]);
  });

  it('is not there: the picture stays as it is', async () => {
    for (const format of ['jpeg', 'png', 'webp', 'avif', 'gif'] as const)
      expect((await examine(await plain().toFormat(format).toBuffer())).content.isStripped).toBeUndefined();
    const progressive = await plain(300, 300).jpeg({ progressive: true }).toBuffer();
    expect((await examine(progressive)).content.isStripped).toBeUndefined();
  });

  it.each(['gif', 'webp'] as const)('is removed from animations, which keep their frames: %s', async (format) => {
    const frames = await Promise.all(
      ['#ff0000', '#00ff00', '#0000ff'].map((background) =>
        sharp({ create: { width: 8, height: 8, channels: 4, background } })
          .png()
          .toBuffer(),
      ),
    );
    const animation = await sharp(frames, { join: { animated: true } })
      .toFormat(format, { delay: [100, 200, 300], loop: 2 })
      .withXmp(xmp)
      .toBuffer();
    const comment = Buffer.from('!\xfe\x09Camera 52\0', 'latin1');
    const original =
      format === 'gif' ? Buffer.concat([animation.subarray(0, -1), comment, Buffer.from(';')]) : animation;
    const { content, bytes } = await examine(original);
    expect(content.isStripped).toBe(true);
    const { pages, delay, loop, xmp: left } = await sharp(bytes, { animated: true }).metadata();
    expect([pages, delay, loop, left, bytes.includes('Camera')]).toEqual([3, [100, 200, 300], 2, undefined, false]);
  });

  it('is removed from comments, other segments and behind the end', async () => {
    const jpeg = await plain().jpeg().toBuffer();
    const segment = (marker: number, content: string) =>
      Buffer.concat([Buffer.from([0xff, marker, 0, content.length + 2]), Buffer.from(content)]);
    const original = Buffer.concat([
      jpeg.subarray(0, 2),
      segment(0xfe, 'Camera'),
      segment(0xed, 'Photoshop 3.0\0 Camera'),
      segment(0xe2, 'MPF\0 Camera'),
      segment(0xe5, 'Camera'),
      jpeg.subarray(2),
      Buffer.from('Camera'),
    ]);
    const { bytes } = await examine(original);
    expect(bytes).toEqual(jpeg);
    const chunk = Buffer.from('\0\0\0\x0dtEXtModel\0Camera1\0\0\0\0', 'latin1');
    const picture = await png();
    const { bytes: stripped } = await examine(
      Buffer.concat([picture.subarray(0, 33), chunk, picture.subarray(33), chunk]),
    );
    expect(stripped).toEqual(picture);
  });

  it('is removed from a HEIC picture, which is not decoded', async () => {
    // An AVIF by another name: what differs is how the pixels are coded.
    const original = await plain().avif().withExif(exif).toBuffer();
    original.write('heic', 8);
    const { content, bytes } = await examine(original);
    expect(content).toMatchObject({ mediaType: 'image/heic', isStripped: true });
    expect([bytes.includes('Camera'), bytes.length]).toEqual([false, original.length]);
  });

  const box = (type: string, content: Buffer | string): Buffer => {
    const header = Buffer.alloc(8, type.padStart(8), 'latin1');
    header.writeUInt32BE(8 + content.length);
    return Buffer.concat([header, Buffer.from(content)]);
  };
  const text = Buffer.concat([Buffer.alloc(4), box('xml ', '\0\0\0\0Camera')]);
  it.each([
    ['a film', box('mpvd', box('moov', box('udta', 'Camera')))],
    ['notes of a maker', box('sefd', 'Camera')],
    ['free space', box('free', 'Camera')],
    ['user data', box('udta', 'Camera')],
    ['a second box of metadata', box('meta', text)],
    ['no box', Buffer.from('Camera')],
  ])('is removed from behind a picture in boxes: %s', async (_, behind) => {
    const original = await plain().avif().toBuffer();
    const { content, bytes } = await examine(Buffer.concat([original, behind]));
    expect(content).toMatchObject({ mediaType: 'image/avif', isStripped: true });
    expect(bytes).toEqual(original);
  });

  it('is removed from between the boxes of a picture, which do not move', async () => {
    const original = await plain().avif().toBuffer();
    const at = original.indexOf('mdat') - 4;
    const [before, data] = [original.subarray(0, at), original.subarray(at)];
    // Behind the data, so that no offset changes.
    const { bytes } = await examine(Buffer.concat([before, data, box('sefd', 'Camera'), box('moov', '')]));
    expect(bytes).toEqual(Buffer.concat([before, data, box('free', Buffer.alloc(6)), box('moov', '')]));
  });

  it('is removed from a picture that is too large to decode, which keeps its orientation', async () => {
    const exifOf = Buffer.from('49492a000800000001001201030001000000060000000000000043616d657261', 'hex');
    const bytes = bombs.png(10_000, 10_000, exifOf);
    const examined = await examine(bytes);
    expect(examined.content).toEqual({ mediaType: 'application/octet-stream', isStripped: true });
    expect([examined.bytes.includes('Camera'), (await sharp(examined.bytes).metadata()).orientation]).toEqual([
      false,
      6,
    ]);
  });

  describe('has no place for a text', () => {
    const TEXT = 'Camera 52N13';
    // Processes take longer to start than to examine a picture.
    let shared: Sandbox;
    beforeAll(() => {
      open();
      shared = sandboxes.pop()!;
    });
    afterAll(() => shared.onModuleDestroy());
    type Change = (picture: Buffer) => Buffer;
    const insert = (bytes: Buffer, at: number, ...added: (Buffer | string)[]): Buffer =>
      Buffer.concat([
        bytes.subarray(0, at),
        ...added.map((one) => Buffer.from(one as string, 'latin1')),
        bytes.subarray(at),
      ]);
    const uint32 = (value: number): Buffer => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(value);
      return bytes;
    };
    const uint32le = (value: number): Buffer => uint32(value).reverse();
    const pixelsOf = (bytes: Buffer) => sharp(bytes, { animated: true, failOn: 'none' }).raw().toBuffer();
    const frames = async () =>
      Promise.all(
        ['#ff0000', '#00ff00'].map((background) =>
          sharp({ create: { width: 8, height: 8, channels: 4, background } })
            .png()
            .toBuffer(),
        ),
      );
    const noise = () =>
      sharp({
        create: {
          width: 40,
          height: 20,
          channels: 3,
          background: '#336699',
          noise: { type: 'gaussian', mean: 99, sigma: 40 },
        },
      });
    /** A profile whose header is valid, with a text behind its tags. */
    const longProfile = async () => {
      const { icc } = await sharp(await plain().jpeg().withIccProfile('srgb').toBuffer()).metadata();
      const bytes = Buffer.concat([icc!, Buffer.from(TEXT)]);
      bytes.writeUInt32BE(bytes.length, 0);
      return bytes;
    };
    const clean = async (original: Buffer, changed: Buffer) => {
      expect(changed.includes(TEXT)).toBe(true);
      const { content, bytes } = await examine(changed, shared);
      expect([content.isStripped, bytes.includes(TEXT)]).toEqual([true, false]);
      expect(await pixelsOf(bytes)).toEqual(await pixelsOf(original));
      // Nothing remains to be removed.
      expect((await examine(bytes, shared)).content.isStripped).toBeUndefined();
    };

    const segment = (marker: number, ...parts: (Buffer | string)[]): Buffer => {
      const body = Buffer.concat(parts.map((part) => Buffer.from(part as string, 'latin1')));
      return Buffer.concat([Buffer.from([0xff, marker, (body.length + 2) >> 8, (body.length + 2) & 0xff]), body]);
    };
    const adobe = 'Adobe\0\x64\0\0\0\0\x01';
    const jpegs: [string, Change][] = [
      ['behind Adobe’s colour transform', (bytes) => insert(bytes, 2, segment(0xee, adobe, TEXT))],
      ['another APP14', (bytes) => insert(bytes, 2, segment(0xee, TEXT))],
      ['a second APP14', (bytes) => insert(bytes, 2, segment(0xee, adobe), segment(0xee, adobe.slice(0, 5), TEXT))],
      ['a false colour profile', (bytes) => insert(bytes, 2, segment(0xe2, 'ICC_PROFILE\0\x01\x01', TEXT))],
      [
        'a colour profile with a false number',
        (bytes) => insert(bytes, 2, segment(0xe2, 'ICC_PROFILE\0\x02\x01', TEXT)),
      ],
      ['between segments', (bytes) => insert(bytes, bytes.indexOf(Buffer.from([0xff, 0xc4])), TEXT)],
      ['before the frame', (bytes) => insert(bytes, bytes.indexOf(Buffer.from([0xff, 0xc0])), TEXT)],
      ['behind the end', (bytes) => Buffer.concat([bytes, Buffer.from(TEXT)])],
      ['a comment', (bytes) => insert(bytes, 2, segment(0xfe, TEXT))],
      ['a thumbnail', (bytes) => insert(bytes, 2, segment(0xe0, 'JFIF\0\x01\x01\0\0\x01\0\x01\x02\x02', TEXT))],
      ['behind JFIF', (bytes) => insert(bytes, 2, segment(0xe0, 'JFIF\0\x01\x01\0\0\x01\0\x01\0\0', TEXT))],
      ['JFXX', (bytes) => insert(bytes, bytes.indexOf(Buffer.from([0xff, 0xdb])), segment(0xe0, 'JFXX\0\x10', TEXT))],
      ['a number of lines', (bytes) => insert(bytes, 2, segment(0xdc, TEXT))],
      ...[0xe1, 0xe2, 0xe3, 0xec, 0xed, 0xef].map((marker): [string, Change] => [
        `segment ${marker.toString(16)}`,
        (bytes) => insert(bytes, 2, segment(marker, TEXT)),
      ]),
    ];
    it.each(jpegs)('in a JPEG: %s', async (_, change) => {
      // Without JFIF, so that another is the first.
      const original = await noise().jpeg().toBuffer();
      const bare =
        original.readUInt16BE(2) === 0xffe0
          ? Buffer.concat([original.subarray(0, 2), original.subarray(4 + original.readUInt16BE(4))])
          : original;
      await clean(bare, change(bare));
    });

    const chunk = (type: string, content: Buffer | string): Buffer => {
      const body = Buffer.concat([Buffer.from(type), Buffer.from(content as string, 'latin1')]);
      return Buffer.concat([uint32(body.length - 4), body, uint32(crc32(body))]);
    };
    const HEADER_END = 33;
    const retold = (bytes: Buffer, type: string, ...content: Buffer[]): Buffer => {
      const at = bytes.indexOf(type) - 4;
      return Buffer.concat([
        bytes.subarray(0, at),
        chunk(type, Buffer.concat(content)),
        bytes.subarray(at + 12 + bytes.readUInt32BE(at)),
      ]);
    };
    const contentOf = (bytes: Buffer, type: string): Buffer => {
      const at = bytes.indexOf(type);
      return bytes.subarray(at + 4, at + 4 + bytes.readUInt32BE(at - 4));
    };
    const pngs: [string, Change | ((picture: Buffer) => Promise<Buffer>)][] = [
      ...[
        'tEXt',
        'zTXt',
        'iTXt',
        'eXIf',
        'tIME',
        'sPLT',
        'hIST',
        'prVt',
        'mDCV',
        'gAMA',
        'pHYs',
        'oFFs',
        'iCCP',
        'tRNS',
        'bKGD',
      ].map((type): [string, Change] => [type, (bytes) => insert(bytes, HEADER_END, chunk(type, `a\0${TEXT}`))]),
      ['a palette that no pixel uses', (bytes) => insert(bytes, HEADER_END, chunk('PLTE', TEXT))],
      ['chromaticities', (bytes) => insert(bytes, HEADER_END, chunk('cHRM', TEXT.repeat(3).slice(0, 32)))],
      [
        'the name of a colour profile',
        async (bytes) => {
          const { icc } = await sharp(await plain().jpeg().withIccProfile('srgb').toBuffer()).metadata();
          return insert(
            bytes,
            HEADER_END,
            chunk('iCCP', Buffer.concat([Buffer.from(`${TEXT}\0\0`), deflateSync(icc!)])),
          );
        },
      ],
      [
        'behind a colour profile',
        async (bytes) => {
          const { icc } = await sharp(await plain().jpeg().withIccProfile('srgb').toBuffer()).metadata();
          const content = [Buffer.from('icc\0\0'), deflateSync(icc!), Buffer.from(TEXT)];
          return insert(bytes, HEADER_END, chunk('iCCP', Buffer.concat(content)));
        },
      ],
      [
        'in a colour profile',
        async (bytes) => {
          const content = [Buffer.from('icc\0\0'), deflateSync(await longProfile(), { level: 0 })];
          return insert(bytes, HEADER_END, chunk('iCCP', Buffer.concat(content)));
        },
      ],
      ['behind the end', (bytes) => Buffer.concat([bytes, Buffer.from(TEXT)])],
      ['in the end', (bytes) => retold(bytes, 'IEND', Buffer.from(TEXT))],
      ['behind the pixels', (bytes) => retold(bytes, 'IDAT', contentOf(bytes, 'IDAT'), Buffer.from(TEXT))],
      ['a chunk behind the pixels', (bytes) => insert(bytes, bytes.indexOf('IEND') - 4, chunk('IDAT', TEXT))],
    ];
    it.each(pngs)('in a PNG: %s', async (_, change) => {
      const original = await noise().png().toBuffer();
      await clean(original, await change(original));
    });

    it.each([
      [
        'behind its indexes',
        (bytes: Buffer) =>
          retold(bytes, 'PLTE', contentOf(bytes, 'PLTE'), Buffer.alloc(3 * 2 ** bytes[24]!), Buffer.from(TEXT)),
      ],
      [
        'in its transparency',
        (bytes: Buffer) => insert(bytes, bytes.indexOf('IDAT') - 4, chunk('tRNS', '\xff'.repeat(256) + TEXT)),
      ],
    ])('in a PNG with a palette: %s', async (_, change) => {
      const original = await plain().png({ palette: true, colours: 2 }).toBuffer();
      await clean(original, change(original));
    });

    it('in compressed pixels beyond those of the picture, which is refused', async () => {
      const original = await plain(4, 4).png({ compressionLevel: 0 }).toBuffer();
      const pixels = Buffer.concat([inflateSync(contentOf(original, 'IDAT')), Buffer.from(TEXT)]);
      const changed = retold(original, 'IDAT', deflateSync(pixels, { level: 0 }));
      await expect(examine(changed, shared)).rejects.toThrow();
    });

    /** The second frame of a PNG, in chunks with numbers. */
    const animated = async (behind: string[], between: Buffer[] = []): Promise<Buffer> => {
      const [first, second] = await frames();
      const control = (number: number) =>
        chunk('fcTL', Buffer.concat([number, 8, 8, 0, 0].map(uint32).concat(Buffer.from([0, 1, 0, 10, 0, 0]))));
      const data = contentOf(second!, 'IDAT');
      const at = first!.indexOf('IDAT') - 4;
      const to = first!.indexOf('IEND') - 4;
      const parts = [data, ...behind.map((text) => Buffer.from(text))];
      return Buffer.concat([
        first!.subarray(0, at),
        chunk('acTL', Buffer.concat([uint32(2), uint32(0)])),
        control(0),
        first!.subarray(at, to),
        control(1),
        ...between,
        ...parts.map((part, index) => chunk('fdAT', Buffer.concat([uint32(2 + index), part]))),
        first!.subarray(to),
      ]);
    };
    it('in an animated PNG, whose frames and numbers stay', async () => {
      for (const changed of [
        await animated([TEXT]),
        await animated([], [chunk('tEXt', `a\0${TEXT}`)]),
        Buffer.concat([await animated([]), Buffer.from(TEXT)]),
      ]) {
        const { content, bytes } = await examine(changed, shared);
        expect([content.isStripped, bytes.includes(TEXT)]).toEqual([true, false]);
        const numbers = [...bytes.toString('latin1').matchAll(/fcTL|fdAT/g)].map(({ index }) =>
          bytes.readUInt32BE(index + 4),
        );
        expect(numbers).toEqual(Array.from(numbers, (_, number) => number));
        expect(contentOf(bytes, 'fdAT')).toEqual(contentOf(changed, 'fdAT'));
        expect(await pixelsOf(bytes)).toEqual(await pixelsOf(changed));
      }
      expect((await examine(await animated([]), shared)).content.isStripped).toBeUndefined();
    });

    const riff = (...parts: (Buffer | string)[]): Buffer => {
      const body = Buffer.concat(parts.map((part) => Buffer.from(part as string, 'latin1')));
      return Buffer.concat([Buffer.from('RIFF'), uint32le(body.length + 4), Buffer.from('WEBP'), body]);
    };
    const part = (type: string, ...content: (Buffer | string)[]): Buffer => {
      const body = Buffer.concat(content.map((one) => Buffer.from(one as string, 'latin1')));
      return Buffer.concat([Buffer.from(type), uint32le(body.length), body, Buffer.alloc(body.length % 2)]);
    };
    const extended = (flags: number, tail = '') =>
      part('VP8X', Buffer.from([flags, 0, 0, 0, 39, 0, 0, 19, 0, 0]), tail);
    const webps: [string, (picture: Buffer) => Buffer | Promise<Buffer>][] = [
      ['EXIF', (picture) => riff(extended(8), picture, part('EXIF', TEXT))],
      ['XMP', (picture) => riff(extended(4), picture, part('XMP ', TEXT))],
      ['an unknown chunk', (picture) => riff(extended(0), picture, part('abcd', TEXT))],
      ['an unknown chunk before', (picture) => riff(extended(0), part('abcd', TEXT), picture)],
      ['a false colour profile', (picture) => riff(extended(0x20), part('ICCP', TEXT), picture)],
      ['behind a colour profile', async (picture) => riff(extended(0x20), part('ICCP', await longProfile()), picture)],
      ['behind the header', (picture) => riff(extended(0, TEXT), picture)],
      ['behind a plain picture', (picture) => riff(picture, part('ALPH', TEXT))],
      ['behind the end', (picture) => Buffer.concat([riff(picture), Buffer.from(TEXT)])],
    ];
    it.each(webps)('in a WebP: %s', async (_, change) => {
      const original = await noise().webp().toBuffer();
      await clean(original, await change(original.subarray(12)));
    });

    it.each([
      ['an unknown chunk of a frame', 'abcd', 0],
      ['behind the number of repetitions', '', 1],
    ])('in an animated WebP: %s', async (_, type, isControl) => {
      const original = await sharp(await frames(), { join: { animated: true } })
        .webp({ loop: 2, delay: [100, 200] })
        .toBuffer();
      const at = original.indexOf(isControl ? 'ANIM' : 'ANMF');
      const length = original.readUInt32LE(at + 4);
      const changed = insert(original, at + 8 + length, isControl ? TEXT : part(type, TEXT));
      uint32le(length + (isControl ? 0 : 8) + TEXT.length).copy(changed, at + 4);
      uint32le(changed.length - 8).copy(changed, 4);
      await clean(original, changed);
      expect(await sharp((await examine(changed, shared)).bytes).metadata()).toMatchObject({ pages: 2, loop: 2 });
    });

    const block = (text: string): string => String.fromCharCode(text.length) + text;
    const gifs: [string, Change][] = [
      ['plain text', (bytes) => insert(bytes, bytes.length - 1, `!\x01${block('\0'.repeat(12))}${block(TEXT)}\0`)],
      ['a comment', (bytes) => insert(bytes, bytes.length - 1, `!\xfe${block(TEXT)}\0`)],
      [
        'an unknown application',
        (bytes) => insert(bytes, bytes.length - 1, `!\xff${block('XMP DataXMP')}${block(TEXT)}\0`),
      ],
      ['an unknown extension', (bytes) => insert(bytes, bytes.length - 1, `!\x42${block(TEXT)}\0`)],
      [
        'a false colour profile',
        (bytes) => insert(bytes, bytes.length - 1, `!\xff${block('ICCRGBG1012')}${block(TEXT)}\0`),
      ],
      ['more of the number of repetitions', (bytes) => insert(bytes, bytes.indexOf('NETSCAPE2.0') + 15, block(TEXT))],
      ['more of a graphic control', (bytes) => insert(bytes, bytes.indexOf('!\xf9', 0, 'latin1') + 7, block(TEXT))],
      ['behind the trailer', (bytes) => Buffer.concat([bytes, Buffer.from(TEXT)])],
      ['instead of the trailer', (bytes) => Buffer.concat([bytes.subarray(0, -1), Buffer.from(TEXT)])],
    ];
    it.each(gifs)('in a GIF, which repeats as before: %s', async (_, change) => {
      const original = await sharp(await frames(), { join: { animated: true } })
        .gif({ loop: 2, delay: [100, 200] })
        .toBuffer();
      await clean(original, change(original));
      expect(await sharp((await examine(change(original), shared)).bytes).metadata()).toMatchObject({
        pages: 2,
        loop: 2,
        delay: [100, 200],
      });
    });
  });
});
