import { randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ChatError, limits, newId, type Attachment } from '@parley/contracts';
import { eventually } from '@parley/testing';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { TestGateway } from '../spec/test-gateway.js';
import { FileFixture, idOf, metadata, QUOTA, sha256, text } from '../spec/file-fixture.js';

const MB = 1024 ** 2;

describe.each(['folder', 'bucket'] as const)('files in a %s', (place) => {
  const fixture = new FileFixture(place);
  const { begin, get, hashOf, onDisk, part, partly, state, stored, tus, underWay } = fixture;
  beforeAll(() => fixture.start());
  afterAll(() => fixture.stop());

  const form = (bytes: Uint8Array, name: string, type = 'application/octet-stream', field = 'file'): FormData => {
    const data = new FormData();
    data.append(field, new Blob([Uint8Array.from(bytes)], { type }), name);
    return data;
  };
  const post = (body: FormData | string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
    fixture.gateway.fetch('/api/v1/attachments', { method: 'POST', token: fixture.token, body, headers });
  const upload = async (bytes: Uint8Array, name: string, type?: string): Promise<Attachment> => {
    const answer = await post(form(bytes, name, type));
    expect(answer.status).toBe(201);
    return (await answer.json()) as Attachment;
  };
  const codeOf = async (answer: Response) => [answer.status, ((await answer.json()) as { code: string }).code];

  const picture = (width = 800, height = 400) =>
    sharp({ create: { width, height, channels: 3, background: '#336699' } });
  /** A second of silence. */
  function wav(): Buffer {
    const samples = Buffer.alloc(8000);
    const header = Buffer.from(
      'RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\0\0\0\0\0\0\0\0\x01\0\x08\0data\0\0\0\0',
      'latin1',
    );
    header.writeUInt32LE(36 + samples.length, 4);
    header.writeUInt32LE(8000, 24);
    header.writeUInt32LE(8000, 28);
    header.writeUInt32LE(samples.length, 40);
    return Buffer.concat([header, samples]);
  }
  const box = (type: string, ...content: Buffer[]): Buffer => {
    const body = Buffer.concat(content);
    const head = Buffer.alloc(8);
    head.writeUInt32BE(body.length + 8);
    head.write(type, 4, 'latin1');
    return Buffer.concat([head, body]);
  };
  const mp4 = (brand = 'isom') =>
    Buffer.concat([box('ftyp', text(brand), Buffer.alloc(4), text('isommp42')), box('mdat', Buffer.alloc(32))]);
  /** A second of silence, of which only the description is there. */
  function flac(): Buffer {
    const info = Buffer.alloc(34);
    info.writeUInt16BE(4096, 0);
    info.writeUInt16BE(4096, 2);
    // 8,000 Hz in 20 bits, one channel, 8 bits, 8,000 samples in 36 bits.
    info.writeBigUInt64BE((8000n << 44n) | (7n << 36n) | 8000n, 10);
    return Buffer.concat([
      text('fLaC'),
      Buffer.from([0x80, 0, 0, 34]),
      info,
      Buffer.from('fff8', 'hex'),
      Buffer.alloc(30),
    ]);
  }
  /** An archive of one empty file. */
  function tar(name: string): Buffer {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write('000644 \0', 100);
    header.write('0000000 \0', 124);
    header.write('        0', 148);
    header.write('ustar\x0000', 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return Buffer.concat([header, Buffer.alloc(1024)]);
  }
  const zip = Buffer.concat([text('PK\x05\x06'), Buffer.alloc(18)]);
  const pdf = text('%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n');

  describe('a file in one piece', () => {
    it('becomes an attachment that is downloaded unchanged', async () => {
      const bytes = await picture().png().toBuffer();
      const attachment = await upload(bytes, 'holiday.png', 'image/png');
      expect(attachment).toMatchObject({
        name: 'holiday.png',
        mediaType: 'image/png',
        size: bytes.length,
        width: 800,
        height: 400,
        thumbnailId: expect.any(String),
        url: `/api/v1/attachments/${attachment.id}`,
      });
      const answer = await fixture.gateway.fetch(attachment.url, { token: fixture.token });
      expect(Buffer.from(await answer.arrayBuffer())).toEqual(bytes);
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        'content-type': 'image/png',
        'content-length': String(bytes.length),
        'x-content-type-options': 'nosniff',
        'cache-control': 'private, no-cache',
        'accept-ranges': 'bytes',
        'content-disposition': `inline; filename="holiday.png"; filename*=UTF-8''holiday.png`,
      });
      const preview = await get(attachment.thumbnailId!);
      const { format, width, height } = await sharp(Buffer.from(await preview.arrayBuffer())).metadata();
      expect([preview.headers.get('content-type'), format, width, height]).toEqual(['image/webp', 'webp', 320, 160]);
      expect(await onDisk('incoming')).toEqual([]);
    });

    it('is oriented as its camera was held', async () => {
      const bytes = await picture(40, 20).jpeg().withMetadata({ orientation: 6 }).toBuffer();
      expect(await upload(bytes, 'turned.jpg')).toMatchObject({ mediaType: 'image/jpeg', width: 20, height: 40 });
    });

    it.each<[string, () => Buffer | Promise<Buffer>, string, object?]>([
      ['a.gif', () => picture(3, 2).gif().toBuffer(), 'image/gif', { width: 3, height: 2 }],
      ['a.webp', () => picture(3, 2).webp().toBuffer(), 'image/webp', { width: 3, height: 2 }],
      ['a.avif', () => picture(16, 16).avif().toBuffer(), 'image/avif', { width: 16, height: 16 }],
      ['a.wav', wav, 'audio/wav', { durationMs: 1000 }],
      ['a.mp4', mp4, 'video/mp4'],
      ['a.m4a', () => mp4('M4A '), 'audio/mp4'],
      ['a.pdf', () => pdf, 'application/pdf'],
      ['a.zip', () => zip, 'application/zip'],
      ['a.txt', () => text('Ähnliches\r\n\t漢字 🙂\n'), 'text/plain; charset=utf-8'],
      ['a.json', () => text('{"a": 1}'), 'text/plain; charset=utf-8'],
      ['a.mov', () => mp4('qt  '), 'video/quicktime'],
      ['a.heic', () => mp4('heic'), 'image/heic'],
      ['a.heif', () => mp4('mif1'), 'image/heif'],
      ['a.aac', () => Buffer.from('fff15080017ffc0000', 'hex'), 'audio/aac'],
      ['a.flac', flac, 'audio/flac', { durationMs: 1000 }],
      ['a.tar', () => tar('a.txt'), 'application/x-tar'],
      ['a.tar.gz', () => gzipSync(tar('a.txt')), 'application/gzip'],
      ['readme.md', () => text('<!-- a comment -->\n# Title\n'), 'text/plain; charset=utf-8'],
      ['a.xml', () => text('<?xml version="1.0"?>\n<gpx><trk/></gpx>'), 'text/plain; charset=utf-8'],
      ['mz.txt', () => text('MZ is a text'), 'text/plain; charset=utf-8'],
      ['bm.md', () => text('BMW cars'), 'text/plain; charset=utf-8'],
      ['utf16.txt', () => Buffer.from('\ufeffÄhnliches\r\n', 'utf16le'), 'text/plain; charset=utf-16le'],
      ['utf16be.txt', () => Buffer.from('\ufeffÄ 漢\r\n', 'utf16le').swap16(), 'text/plain; charset=utf-16be'],
      ['unmarked.txt', () => Buffer.from('no byte order mark', 'utf16le'), 'text/plain; charset=utf-16le'],
      ['ansi.txt', () => Buffer.from('\xc4hnliches\n', 'latin1'), 'text/plain; charset=windows-1252'],
      ['coloured.log', () => text('\x1b[31mred\x1b[0m\n'), 'text/plain; charset=utf-8'],
      ['cut.txt', () => text('aé').subarray(0, 2), 'text/plain; charset=windows-1252'],
      ['a.tiff', () => picture(4, 4).tiff().toBuffer(), 'application/octet-stream'],
      ['a.bin', () => text('a\0b'), 'application/octet-stream'],
      ['random.dat', () => Buffer.concat([text('\0'), randomBytes(200)]), 'application/octet-stream'],
    ])('is recognised by its content, whatever the client says: %s', async (name, bytes, mediaType, more = {}) => {
      expect(await upload(await bytes(), name, 'application/x-msdownload')).toMatchObject({ name, mediaType, ...more });
    });

    it.each<[string, () => Buffer | Promise<Buffer>]>([
      ['HTML that calls itself a picture', () => text('<!DOCTYPE html><script>alert(1)</script>')],
      ['HTML after a comment', () => text('\n <!-- hello --><html>')],
      ['HTML after comments and instructions', () => text('<?php x ?><!-- a --><!-- b -->\n<BODY onload=x>')],
      ['HTML with another doctype', () => text('<!DOCTYPE x [<!ENTITY a "b">]><html>')],
      ['HTML without html', () => text('<meta charset=utf-8><title>x</title>')],
      ['HTML in UTF-16', () => Buffer.from('\ufeff<html>', 'utf16le')],
      ['HTML in UTF-16 without a byte order mark', () => Buffer.from('<html>', 'utf16le')],
      ['HTML in big-endian UTF-16', () => Buffer.from('\ufeff<script>', 'utf16le').swap16()],
      ['HTML with a NUL', () => text('<html>\0')],
      ['HTML after a long comment', () => text(`<!--${' '.repeat(1_200_000)}--><html>`)],
      ['XHTML', () => text('<?xml version="1.0"?><x:html xmlns:x="http://www.w3.org/1999/xhtml"/>')],
      ['XHTML below another element', () => text('<a xmlns:b="http://www.w3.org/1999/xhtml"><b:script/></a>')],
      ['SVG with a doctype', () => text('<?xml version="1.0"?><!-- x --><!DOCTYPE svg PUBLIC "x" "y"><svg/>')],
      ['SVG with a prefix', () => text('<s:svg xmlns:s="http://www.w3.org/2000/svg"/>')],
      ['a program that reads as UTF-16', () => Buffer.from(`\u5a4d${'a'.repeat(300)}`, 'utf16le')],
      ['a program for Linux', () => Buffer.concat([text('\x7fELF'), Buffer.alloc(60)])],
      ['a program for macOS', () => Buffer.concat([Buffer.from('cffaedfe', 'hex'), Buffer.alloc(60)])],
      ['a program for several processors', () => Buffer.from('cafebabe00000002', 'hex')],
      ['SVG', () => text('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>')],
      ['XML', () => text('<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>')],
      ['a program', () => Buffer.concat([text('MZ'), randomBytes(200)])],
      ['a picture cut short', async () => (await picture().png({ compressionLevel: 0 }).toBuffer()).subarray(0, 5000)],
      ['only the beginning of a picture', () => Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex')],
    ])('is refused when its kind is not allowed: %s', async (_, bytes) => {
      const before = await stored();
      expect(await codeOf(await post(form(await bytes(), 'cat.png', 'image/png')))).toEqual([415, 'unsupported_media']);
      expect(await stored()).toEqual(before);
    });

    it('is refused when it is too large, empty or not alone', async () => {
      const before = await stored();
      const large = Buffer.alloc(limits.attachmentBytes + 1, 'a');
      expect(await codeOf(await post(form(large, 'a.txt')))).toEqual([413, 'too_large']);
      expect(await codeOf(await post(form(Buffer.alloc(limits.attachmentBytes * 2, 'a'), 'a.txt')))).toEqual([
        413,
        'too_large',
      ]);
      expect(await codeOf(await post(form(Buffer.alloc(0), 'a.txt')))).toEqual([400, 'invalid']);
      const two = form(pdf, 'a.pdf');
      two.append('file', new Blob(['b']), 'b.txt');
      expect(await codeOf(await post(two))).toEqual([400, 'invalid']);
      const more = form(pdf, 'a.pdf');
      more.append('colour', 'red');
      expect(await codeOf(await post(more))).toEqual([400, 'invalid']);
      expect(await codeOf(await post(form(pdf, 'a.pdf', 'application/pdf', 'document')))).toEqual([400, 'invalid']);
      expect(await codeOf(await post(new FormData()))).toEqual([400, 'invalid']);
      expect(await codeOf(await post('{}', { 'content-type': 'application/json' }))).toEqual([400, 'invalid']);
      expect(await codeOf(await post('abc', { 'content-type': 'multipart/form-data' }))).toEqual([400, 'invalid']);
      expect(
        await codeOf(
          await post('--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nabc', {
            'content-type': 'multipart/form-data; boundary=x',
          }),
        ),
      ).toEqual([400, 'invalid']);
      await eventually(async () => expect(await stored()).toEqual(before));
    });

    it('may be as large as the limit', async () => {
      expect(await upload(Buffer.alloc(limits.attachmentBytes, 'a'), 'a.txt')).toMatchObject({
        size: limits.attachmentBytes,
        mediaType: 'text/plain; charset=utf-8',
      });
    });

    it('leaves nothing behind when its client disconnects midway', async () => {
      const before = await stored();
      const request = httpRequest(`${fixture.gateway.server.url}/api/v1/attachments`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${fixture.token}`,
          'content-type': 'multipart/form-data; boundary=x',
          'content-length': '1000000',
        },
      });
      request.on('error', () => undefined);
      request.write(
        `--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n${'a'.repeat(100_000)}`,
      );
      await eventually(async () => expect(await onDisk('incoming')).toHaveLength(1));
      request.destroy();
      await eventually(async () => expect(await stored()).toEqual(before));
    });

    it('leaves nothing behind when it cannot be recorded', async () => {
      const before = await stored();
      fixture.recordFails = new ChatError('too_large');
      expect(await codeOf(await post(form(await picture().png().toBuffer(), 'a.png')))).toEqual([413, 'too_large']);
      fixture.recordFails = undefined;
      expect(await stored()).toEqual(before);
    });

    it('needs a token', async () => {
      expect(
        (await fixture.gateway.fetch('/api/v1/attachments', { method: 'POST', body: form(pdf, 'a.pdf') })).status,
      ).toBe(401);
      expect((await fixture.gateway.fetch(`/api/v1/attachments/${newId()}`)).status).toBe(401);
      expect((await fixture.gateway.fetch('/api/v1/uploads', { method: 'POST' })).status).toBe(401);
    });

    it.each([
      ['../../../etc/passwd', 'passwd', `filename="passwd"; filename*=UTF-8''passwd`],
      ['C:\\secrets\\plan.txt', 'plan.txt', `filename="plan.txt"; filename*=UTF-8''plan.txt`],
      ['..', 'file', `filename="file"; filename*=UTF-8''file`],
      ['a"b\u2067.txt', 'a"b.txt', `filename="a_b.txt"; filename*=UTF-8''a%22b.txt`],
      ['\u202Egnp.exe', 'gnp.exe.txt', `filename="gnp.exe.txt"; filename*=UTF-8''gnp.exe.txt`],
      ['a.HTA. . ', 'a.HTA.txt', `filename="a.HTA.txt"; filename*=UTF-8''a.HTA.txt`],
      ['run.sh', 'run.sh', `filename="run.sh"; filename*=UTF-8''run.sh`],
      ['a.exe\u200b', 'a.exe.txt', `filename="a.exe.txt"; filename*=UTF-8''a.exe.txt`],
      ['a.ｅｘe', 'a.ｅｘe.txt', `filename="a.__e.txt"; filename*=UTF-8''a.%EF%BD%85%EF%BD%98e.txt`],
      ['a\u2024exe', 'a\u2024exe.txt', `filename="a_exe.txt"; filename*=UTF-8''a%E2%80%A4exe.txt`],
      ['a.exe"', 'a.exe".txt', `filename="a.exe_.txt"; filename*=UTF-8''a.exe%22.txt`],
      ['a.exe:x', 'a.exe_x.txt', `filename="a.exe_x.txt"; filename*=UTF-8''a.exe_x.txt`],
      ['a.exe\u00a0.', 'a.exe.txt', `filename="a.exe.txt"; filename*=UTF-8''a.exe.txt`],
      ['\u2800', 'file', `filename="file"; filename*=UTF-8''file`],
      ['con.txt', '_con.txt', `filename="_con.txt"; filename*=UTF-8''_con.txt`],
      ['photo\u202egpj.exe', 'photogpj.exe.txt', `filename="photogpj.exe.txt"; filename*=UTF-8''photogpj.exe.txt`],
      [
        'Zeugnis (ä) 漢.txt',
        'Zeugnis (ä) 漢.txt',
        `filename="Zeugnis (_) _.txt"; filename*=UTF-8''Zeugnis%20%28%C3%A4%29%20%E6%BC%A2.txt`,
      ],
    ])('gets a harmless name: %j', async (given, name, header) => {
      const boundary = 'boundary';
      const body = Buffer.from(
        `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${given.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"\r\n\r\nhello\r\n--${boundary}--\r\n`,
      );
      const answer = await post(Uint8Array.from(body), { 'content-type': `multipart/form-data; boundary=${boundary}` });
      const attachment = (await answer.json()) as Attachment;
      expect(attachment).toMatchObject({ name, size: 5 });
      expect((await get(attachment.id)).headers.get('content-disposition')).toBe(`attachment; ${header}`);
      // In parts, a name comes in another header.
      const location = await begin(5, given);
      expect((await part(location, 0, text('hello'))).status).toBe(204);
      expect(fixture.rows.get(idOf(location))!.attachment.name).toBe(name);
      expect((await get(idOf(location))).headers.get('content-disposition')).toBe(`attachment; ${header}`);
    });
  });

  it.each([
    ['setup.exe', 'setup.exe.bin'],
    ['x.msi ', 'x.msi.bin'],
    ['x.JAR..', 'x.JAR.bin'],
    ['.lnk', '.lnk.bin'],
    ['a.js', 'a.js'],
    ['a "quoted" name.dat', 'a "quoted" name.dat'],
    ["it's 100 %; =.dat", "it's 100 %; =.dat"],
  ])('a file’s name is told and saved so that it does not run: %j', async (given, name) => {
    const attachment = await upload(text('\0'), given);
    expect(attachment).toMatchObject({ name });
    const header = (await get(attachment.id)).headers.get('content-disposition')!;
    expect([header.split(';')[0], decodeURIComponent(header.split("UTF-8''")[1]!)]).toEqual([
      'attachment',
      attachment.name,
    ]);
  });

  describe('the bytes of an attachment', () => {
    let bytes: Buffer;
    let attachment: Attachment;
    beforeAll(async () => {
      bytes = text(Array.from({ length: 3000 }, (_, n) => `${n}\n`).join(''));
      attachment = await upload(bytes, 'numbers.txt');
    });

    it('are sent only to users who may see them', async () => {
      const answer = await fixture.gateway.fetch(attachment.url, { token: fixture.strangersToken });
      expect(await codeOf(answer)).toEqual([404, 'not_found']);
      expect(await codeOf(await get(newId()))).toEqual([404, 'not_found']);
      expect(await codeOf(await get('..%2F..%2Fetc%2Fpasswd'))).toEqual([400, 'invalid']);
      expect((await fixture.gateway.fetch(`${attachment.url}?token=${fixture.token}`)).status).toBe(401);
    });

    it.each([
      ['bytes=0-9', 0, 9],
      ['bytes=100-', 100, undefined],
      ['bytes=-10', -10, undefined],
      ['bytes=5-999999', 5, undefined],
      ['bytes=-999999', 0, undefined],
    ] as const)('are sent in part: %s', async (range, from, to) => {
      const answer = await get(attachment.id, { range });
      const part = bytes.subarray(from, to === undefined ? undefined : to + 1);
      const start = from < 0 ? bytes.length + from : from;
      expect([answer.status, answer.headers.get('content-range'), answer.headers.get('content-length')]).toEqual([
        206,
        `bytes ${start}-${start + part.length - 1}/${bytes.length}`,
        String(part.length),
      ]);
      expect(Buffer.from(await answer.arrayBuffer())).toEqual(part);
    });

    it.each(['bytes=0-1,5-6', 'bytes=x-y', 'bytes=3-1', 'bytes=-', 'lines=1-2'])(
      'are sent in full for a range of another kind: %s',
      async (range) => {
        const answer = await get(attachment.id, { range });
        expect([answer.status, (await answer.arrayBuffer()).byteLength]).toEqual([200, bytes.length]);
      },
    );

    describe('by a link', () => {
      const linkTo = async (id: string, token = fixture.token): Promise<Response> =>
        fixture.gateway.fetch(`/api/v1/attachments/${id}/link`, { method: 'POST', token, json: {} });
      const urlOf = async (id = attachment.id): Promise<string> =>
        ((await (await linkTo(id)).json()) as { url: string }).url;

      it('are sent without a token, in part too, with the headers that they have with one', async () => {
        const answer = await linkTo(attachment.id);
        const { url, expiresAt } = (await answer.json()) as { url: string; expiresAt: string };
        expect(answer.status).toBe(201);
        expect(Math.abs(Date.parse(expiresAt) - Date.now() - 300_000)).toBeLessThan(60_000);
        const linked = await fixture.gateway.fetch(url);
        expect(Buffer.from(await linked.arrayBuffer())).toEqual(bytes);
        const varying = /^(date|trace-id|x-ratelimit.*)$/;
        const headersOf = (from: Response) => [...from.headers].filter(([name]) => !varying.test(name));
        expect(headersOf(linked)).toEqual(headersOf(await get(attachment.id)));
        const partial = await fixture.gateway.fetch(url, { headers: { range: 'bytes=10-19' } });
        expect([partial.status, await partial.text()]).toEqual([206, bytes.subarray(10, 20).toString()]);
        expect((await fixture.gateway.fetch(url, { headers: { range: 'bytes=999999-' } })).status).toBe(416);
      });

      it('are refused when the link was changed, has expired, is of another file, or is an access token', async () => {
        const url = await urlOf();
        const other = await upload(text('other'), 'other.txt');
        fixture.linkSeconds = -1;
        const expired = await urlOf();
        fixture.linkSeconds = 300;
        const path = `/api/v1/attachments/${attachment.id}/content`;
        for (const refused of [
          `${url.slice(0, -8)}AAAAAAAA`,
          expired,
          url.replace(attachment.id, other.id),
          `${path}?link=${fixture.token}`,
          path,
        ])
          expect(await codeOf(await fixture.gateway.fetch(refused))).toEqual([401, 'unauthenticated']);
        expect(await codeOf(await fixture.gateway.fetch(`${url}&more=1`))).toEqual([400, 'invalid']);
      });

      it('are refused to who may not see them, and no link is an access token', async () => {
        expect(await codeOf(await linkTo(attachment.id, fixture.strangersToken))).toEqual([404, 'not_found']);
        const gone = await upload(text('gone'), 'gone.txt');
        const url = await urlOf(gone.id);
        fixture.rows.delete(gone.id);
        expect(await codeOf(await fixture.gateway.fetch(url))).toEqual([404, 'not_found']);
        const token = new URL(url, 'http://localhost').searchParams.get('link')!;
        expect((await fixture.gateway.fetch('/api/v1/users/me', { token })).status).toBe(401);
        expect(fixture.gateway.logged.join('')).not.toContain(token);
      });
    });

    it('are not sent for a range outside the file, nor again to a client that has them', async () => {
      for (const range of [`bytes=${bytes.length}-`, 'bytes=999999-9999999', 'bytes=-0']) {
        const outside = await get(attachment.id, { range });
        expect([outside.status, outside.headers.get('content-range')]).toEqual([416, `bytes */${bytes.length}`]);
      }
      const etag = (await get(attachment.id, {}, 'HEAD')).headers.get('etag')!;
      const again = await get(attachment.id, { 'if-none-match': etag });
      expect([again.status, await again.text()]).toEqual([304, '']);
      expect((await get(attachment.id, { 'if-range': '"another"', range: 'bytes=0-9' })).status).toBe(200);
      expect((await get(attachment.id, { 'if-range': etag, range: 'bytes=0-9' })).status).toBe(206);
    });

    it('accept no parameters in their address, as uploads do not', async () => {
      expect(await codeOf(await get(`${attachment.id}?x=1`))).toEqual([400, 'invalid']);
      expect(
        await codeOf(
          await fixture.gateway.fetch('/api/v1/attachments?x=1', {
            method: 'POST',
            token: fixture.token,
            body: form(pdf, 'a.pdf'),
          }),
        ),
      ).toEqual([400, 'invalid']);
    });

    it('are described by HEAD', async () => {
      const answer = await get(attachment.id, {}, 'HEAD');
      expect([answer.status, answer.headers.get('content-length'), await answer.text()]).toEqual([
        200,
        String(bytes.length),
        '',
      ]);
    });

    it('are removed once nobody can see them, before their row is forgotten', async () => {
      const gone = await upload(text('gone'), 'gone.txt');
      fixture.dropped.push({ id: gone.id, key: gone.id }, { id: newId(), key: newId() });
      await fixture.gateway.server.sweep();
      expect(fixture.forgotten.splice(0)).toEqual(fixture.dropped.splice(0).map(({ id }) => id));
      expect(await stored()).not.toContain(gone.id);
      expect(await codeOf(await get(gone.id))).toEqual([404, 'not_found']);
    });
  });

  describe('an upload in parts', () => {
    afterEach(() => void vi.useRealTimers());
    it('is answered as complete while it becomes an attachment', async () => {
      const location = await begin(5);
      const [asked, answered] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      fixture.recording = () => (asked.resolve(), answered.promise);
      const last = part(location, 0, text('hello'));
      await asked.promise;
      fixture.recording = undefined;
      const meanwhile = state(location);
      setTimeout(answered.resolve, 100);
      expect(await meanwhile).toEqual([200, 5, 5]);
      expect((await last).status).toBe(204);
      expect(fixture.rows.has(idOf(location))).toBe(true);
    });

    it('is lost to nobody when all gateways are asked about it while it becomes an attachment', async () => {
      const ask = async (location: string, until: Promise<unknown>, at: TestGateway): Promise<number[][]> => {
        const answers: number[][] = [];
        let isOver = false;
        void until.then(() => (isOver = true));
        while (!isOver) answers.push(await state(location, at));
        return answers;
      };
      for (let upload = 0; upload < 8; upload++) {
        const location = await begin(5);
        const last = part(location, 0, text('hello'));
        const requests = [fixture.gateway, fixture.gateway, fixture.other, fixture.other].map((at) =>
          ask(location, last, at),
        );
        const answers = (await Promise.all(requests)).flat().map((answer) => answer.join());
        expect(['200,0,5', '200,5,5']).toEqual(expect.arrayContaining(answers));
        expect((await last).status).toBe(204);
        expect(await hashOf(idOf(location))).toBe(sha256(text('hello')));
      }
    });

    it('continues after a cut', async () => {
      const [size, sent] = [20 * MB, 9 * MB];
      const bytes = Buffer.from(randomBytes(size / 2).toString('hex'));
      const location = await begin(bytes.length, 'groß.txt');
      expect(location).toMatch(/^\/api\/v1\/uploads\/[0-9a-f-]{36}$/);
      const request = httpRequest(`${fixture.gateway.server.url}${location}`, {
        method: 'PATCH',
        headers: {
          authorization: `Bearer ${fixture.token}`,
          'tus-resumable': '1.0.0',
          'upload-offset': '0',
          'content-type': 'application/offset+octet-stream',
          'content-length': String(bytes.length),
        },
      });
      request.on('error', () => undefined);
      request.write(bytes.subarray(0, sent));
      await eventually(async () => expect(await partly(idOf(location))).toBeGreaterThan(sent / 2));
      request.destroy();
      const [status, kept = 0] = await state(location);
      expect([status, kept >= sent / 2 && kept <= sent]).toEqual([200, true]);
      expect(await codeOf(await part(location, 5, bytes.subarray(5)))).toEqual([409, 'conflict']);
      const last = await part(location, kept, bytes.subarray(kept));
      expect([last.status, last.headers.get('upload-offset')]).toEqual([204, String(bytes.length)]);
      expect(await hashOf(idOf(location))).toBe(sha256(bytes));
      expect(fixture.rows.get(idOf(location))!.attachment).toMatchObject({
        name: 'groß.txt',
        mediaType: 'text/plain; charset=utf-8',
        size: bytes.length,
      });
      await eventually(async () => expect(await underWay()).toEqual([]));
      expect(await state(location)).toEqual([200, bytes.length, bytes.length]);
    });

    it.each([
      ['small parts', 1_000, [300, 300, 300, 100]],
      ['parts of a bucket’s minimum size and smaller', 17 * MB, [5 * MB, 6 * MB, MB, 5 * MB - 1, 1]],
      ['a full part and one byte more', 8 * MB + 1, [8 * MB, 1]],
    ])('accepts parts of any size at any gateway: %s', async (_, size, pieces) => {
      const bytes = Buffer.from(randomBytes(size / 2 + 1).toString('hex')).subarray(0, size);
      const location = await begin(size);
      let offset = 0;
      for (const [turn, length] of pieces.entries()) {
        const receiver = turn % 2 === 0 ? fixture.gateway : fixture.other;
        expect((await part(location, offset, bytes.subarray(offset, offset + length), receiver)).status).toBe(204);
        offset += length;
        for (const gateway of [fixture.gateway, fixture.other])
          expect(await state(location, gateway)).toEqual([200, offset, size]);
      }
      expect(await hashOf(idOf(location))).toBe(sha256(bytes));
      await eventually(async () => expect(await underWay()).toEqual([]));
    });

    it('accepts its length at another gateway than the one it began at', async () => {
      const answer = await tus('/api/v1/uploads', 'POST', {
        'upload-defer-length': '1',
        'upload-metadata': metadata('a.txt'),
      });
      const location = answer.headers.get('location')!;
      expect((await part(location, 0, text('hel'))).status).toBe(204);
      expect(
        (
          await tus(
            location,
            'PATCH',
            { 'upload-offset': '3', 'upload-length': '5', 'content-type': 'application/offset+octet-stream' },
            text('l'),
            fixture.other,
          )
        ).status,
      ).toBe(204);
      expect((await part(location, 4, text('o'))).status).toBe(204);
      expect(await hashOf(idOf(location))).toBe(sha256(text('hello')));
      await eventually(async () => expect(await underWay()).toEqual([]));
    });

    it('is removed everywhere when its client gives it up', async () => {
      const before = await stored();
      const location = await begin(10);
      expect((await part(location, 0, text('hello'))).status).toBe(204);
      expect(await state(location, fixture.other)).toEqual([200, 5, 10]);
      expect((await tus(location, 'DELETE')).status).toBe(204);
      expect((await state(location, fixture.other))[0]).toBe(404);
      expect((await part(location, 5, text('hello'), fixture.other)).status).toBe(404);
      expect(await stored()).toEqual(before);
    });

    it('is removed with its bytes after a day', async () => {
      const before = await stored();
      const old = await begin(10);
      expect((await part(old, 0, text('hello'))).status).toBe(204);
      await fixture.gateway.server.sweep();
      expect(await state(old)).toEqual([200, 5, 10]);
      vi.setSystemTime(Date.now() + 25 * 3_600_000);
      await fixture.gateway.server.sweep();
      vi.useRealTimers();
      expect((await state(old))[0]).toBe(404);
      expect(await stored()).toEqual(before);
    });

    it('cannot be given up once it is complete', async () => {
      const location = await begin(5);
      fixture.recordFails = new ChatError('unavailable');
      expect((await part(location, 0, text('hello'))).status).toBe(503);
      expect((await tus(location, 'DELETE')).status).toBe(400);
      fixture.recordFails = undefined;
      expect(await state(location)).toEqual([200, 5, 5]);
      expect((await tus(location, 'DELETE')).status).toBe(404);
      expect(await hashOf(idOf(location))).toBe(sha256(text('hello')));
    });

    it('accepts its first part with its creation', async () => {
      const answer = await tus(
        '/api/v1/uploads',
        'POST',
        {
          'upload-length': '5',
          'upload-metadata': metadata('a.txt'),
          'content-type': 'application/offset+octet-stream',
        },
        text('hello'),
      );
      expect([answer.status, answer.headers.get('upload-offset')]).toEqual([201, '5']);
      expect(fixture.rows.get(idOf(answer.headers.get('location')!))!.attachment).toMatchObject({
        name: 'a.txt',
        size: 5,
      });
    });

    it('is accessible to its creator only', async () => {
      const location = await begin(5);
      for (const method of ['HEAD', 'DELETE'])
        expect((await tus(location, method, {}, undefined, fixture.gateway, fixture.strangersToken)).status).toBe(404);
      const foreign = await tus(
        location,
        'PATCH',
        { 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' },
        text('hello'),
        fixture.gateway,
        fixture.strangersToken,
      );
      expect(await codeOf(foreign)).toEqual([404, 'not_found']);
      expect(await state(location)).toEqual([200, 0, 5]);
      expect((await tus(location, 'DELETE')).status).toBe(204);
      expect((await state(location))[0]).toBe(404);
    });

    it('is refused when it is too large, empty or over the quota', async () => {
      const create = (size: number) => tus('/api/v1/uploads', 'POST', { 'upload-length': String(size) });
      expect(await codeOf(await create(limits.uploadBytes + 1))).toEqual([413, 'too_large']);
      expect(await codeOf(await create(QUOTA + 1))).toEqual([413, 'too_large']);
      expect(await codeOf(await create(0))).toEqual([400, 'invalid']);
    });

    const quota = async (work: (sum: () => number) => Promise<void>) => {
      fixture.reserved.clear();
      await work(() => [...fixture.reserved.values()].reduce((sum, { bytes }) => sum + bytes, 0));
      expect([...fixture.reserved.keys()]).toEqual([]);
    };

    it('has its bytes reserved from its creation until it is finished, given up or refused', () =>
      quota(async (sum) => {
        const [finished, abandoned] = [await begin(5), await begin(QUOTA - 11)];
        expect(sum()).toBe(QUOTA - 6);
        expect(
          await codeOf(await tus('/api/v1/uploads', 'POST', { 'upload-length': '7' }, undefined, fixture.other)),
        ).toEqual([413, 'too_large']);
        const refused = await begin(6);
        expect((await part(refused, 0, text('<html>'))).status).toBe(415);
        expect((await part(finished, 0, text('hello'), fixture.other)).status).toBe(204);
        expect(sum()).toBe(QUOTA - 11);
        expect((await tus(abandoned, 'DELETE')).status).toBe(204);
      }));

    it('keeps its reservation while recording fails', () =>
      quota(async (sum) => {
        const location = await begin(5);
        fixture.recordFails = new ChatError('unavailable');
        expect((await part(location, 0, text('hello'))).status).toBe(503);
        expect(sum()).toBe(5);
        fixture.recordFails = undefined;
        expect(await state(location)).toEqual([200, 5, 5]);
      }));

    it('reserves all that it may take while its length is not known, and takes no more', () =>
      quota(async (sum) => {
        const first = await begin(QUOTA - 10);
        const deferred = { 'upload-defer-length': '1', 'upload-metadata': metadata('a.txt') };
        const withPart = { ...deferred, 'content-type': 'application/offset+octet-stream' };
        expect((await tus('/api/v1/uploads', 'POST', withPart, text('hello'))).status).toBe(413);
        expect(sum()).toBe(QUOTA - 10);
        const location = (await tus('/api/v1/uploads', 'POST', deferred)).headers.get('location')!;
        expect(sum()).toBe(QUOTA);
        expect((await part(location, 0, text('12345678901'))).status).toBe(413);
        expect((await part(location, 0, text('12345'))).status).toBe(204);
        expect((await part(location, 5, text('678901'), fixture.other)).status).toBe(413);
        for (const upload of [first, location]) expect((await tus(upload, 'DELETE')).status).toBe(204);
      }));

    it('states its length when a guest begins it', () =>
      quota(async () => {
        const answer = await tus(
          '/api/v1/uploads',
          'POST',
          { 'upload-defer-length': '1' },
          undefined,
          fixture.gateway,
          fixture.guestsToken,
        );
        expect(await codeOf(answer)).toEqual([403, 'forbidden']);
      }));

    it('shares the quota with files that come in one piece, which take no more than is left', () =>
      quota(async (sum) => {
        const location = await begin(QUOTA - 1000);
        expect((await post(form(Buffer.alloc(1500, 'a'), 'a.txt'))).status).toBe(413);
        expect(sum()).toBe(QUOTA - 1000);
        expect((await post(form(Buffer.alloc(1000, 'a'), 'a.txt'))).status).toBe(201);
        const request = httpRequest(`${fixture.gateway.server.url}/api/v1/attachments`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${fixture.token}`,
            'content-type': 'multipart/form-data; boundary=x',
            'transfer-encoding': 'chunked',
          },
        });
        request.on('error', () => undefined);
        request.write('--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nabc');
        await eventually(() => sum() === QUOTA);
        request.destroy();
        await eventually(() => sum() === QUOTA - 1000);
        expect((await tus(location, 'DELETE')).status).toBe(204);
      }));

    it('is not found at an address outside of the uploads', async () => {
      expect(await codeOf(await tus('/api/v1/uploads/..%2F..%2Fetc', 'PATCH'))).toEqual([404, 'not_found']);
    });

    it('is refused with the status of its code when its headers are wrong', async () => {
      const location = await begin(5);
      const patch = (headers: Record<string, string>) => tus(location, 'PATCH', headers, text('hello'));
      expect(await codeOf(await patch({ 'content-type': 'application/offset+octet-stream' }))).toEqual([
        400,
        'invalid',
      ]);
      expect(
        await codeOf(await patch({ 'content-type': 'application/offset+octet-stream', 'upload-offset': 'x' })),
      ).toEqual([400, 'invalid']);
      expect(await codeOf(await patch({ 'content-type': 'text/plain', 'upload-offset': '0' }))).toEqual([
        415,
        'unsupported_media',
      ]);
      expect(
        await codeOf(await tus('/api/v1/uploads', 'POST', { 'upload-length': '5', 'upload-concat': 'partial' })),
      ).toEqual([400, 'invalid']);
      expect(await state(location)).toEqual([200, 0, 5]);
      expect((await tus(location, 'DELETE')).status).toBe(204);
      for (const version of [{}, { 'tus-resumable': '0.2.2' }]) {
        const answer = await fixture.gateway.fetch('/api/v1/uploads', {
          method: 'POST',
          token: fixture.token,
          headers: { 'upload-length': '5', ...version },
        });
        expect(answer.headers.get('tus-version')).toBe('1.0.0');
        expect(await codeOf(answer)).toEqual([412, 'invalid']);
      }
    });

    it('leaves nothing behind when it cannot become an attachment', async () => {
      const before = await stored();
      const location = await begin(6, 'cat.png');
      expect(await codeOf(await part(location, 0, text('<html>')))).toEqual([415, 'unsupported_media']);
      expect(await stored()).toEqual(before);
      expect((await state(location))[0]).toBe(404);
    });

    it('is recorded with the next HEAD when recording failed', async () => {
      const location = await begin(5);
      fixture.recordFails = new ChatError('unavailable');
      expect(await codeOf(await part(location, 0, text('hello')))).toEqual([503, 'unavailable']);
      expect((await tus(location, 'HEAD')).status).toBe(503);
      fixture.recordFails = undefined;
      expect(await state(location)).toEqual([200, 5, 5]);
      expect(fixture.rows.get(idOf(location))!.attachment).toMatchObject({ size: 5 });
      await eventually(async () => expect(await underWay()).toEqual([]));
    });

    it('is answered as a defect when its folder cannot be created', async () => {
      const broken = await TestGateway.start({ FILES_DIR: join(import.meta.filename, 'files') }, (starting) =>
        starting.serveBasics({ 'attachment.admit.v1': () => ({}) }),
      );
      const [person, create] = [
        broken.person(),
        { method: 'POST', headers: { 'tus-resumable': '1.0.0', 'upload-length': '5' } },
      ];
      const token = await broken.token(person);
      for (let times = 0; times < 2; times++)
        expect(await codeOf(await broken.fetch('/api/v1/uploads', { ...create, token }))).toEqual([500, 'internal']);
      expect(
        await codeOf(await broken.fetch('/api/v1/attachments', { method: 'POST', token, body: form(pdf, 'a.pdf') })),
      ).toEqual([500, 'internal']);
      await broken.stop();
    });

    it('states its capabilities, also to pages of other origins', async () => {
      const answer = await fixture.gateway.fetch('/api/v1/uploads', {
        method: 'OPTIONS',
        headers: { origin: 'https://chat.example.org' },
      });
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        'tus-version': '1.0.0',
        'tus-max-size': String(limits.uploadBytes),
        'tus-extension': expect.stringContaining('creation'),
        'access-control-allow-origin': 'https://chat.example.org',
      });
      const created = await tus('/api/v1/uploads', 'POST', {
        'upload-length': '5',
        origin: 'https://chat.example.org',
      });
      expect(created.headers.get('access-control-expose-headers')).toContain('upload-offset');
    });
  });
});
