import { validateHeaderValue, type IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { rounds } from '@parley/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressKey } from '@parley/service-kit';
import { clientAddress } from '../calls/client.js';
import { disposition, fileName, fileNameFor, rangeOf } from './file-headers.js';

const anything = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: 'binary' }),
  fc.string({ minLength: 250, maxLength: 600, unit: 'grapheme' }),
);

describe('a file’s name', () => {
  const given = fc
    .tuple(
      fc.array(
        fc.oneof(
          anything,
          fc.constantFrom('/', '\\', '..', '.', '\0', '\r\n', '\u202e', '"', ';', '%', ' ', '.txt', '👍', '\ud800'),
        ),
      ),
      fc.constantFrom('', '.pdf', '.tar.gz'),
    )
    .map(([parts, end]) => parts.join('') + end);

  it('has no folders and control characters', () => {
    fc.assert(
      fc.property(given, (one) => {
        const name = fileName(one);
        expect([
          name.length > 0,
          name.length <= 255,
          name.isWellFormed(),
          /[\\/\p{Cc}\u202a-\u202e]|^\.+$/u.test(name),
        ]).toEqual([true, true, true, false]);
        expect(fileName(name)).toBe(name);
      }),
      rounds(1_000),
    );
  });

  it('is stored and saved as the same', () => {
    fc.assert(
      fc.property(given, fc.constantFrom('image/png', 'text/plain; charset=utf-8'), (one, mediaType) => {
        const name = fileNameFor(mediaType, one);
        expect([fileNameFor(mediaType, name), fileName(name)]).toEqual([name, name]);
      }),
      rounds(1_000),
    );
  });

  it('does not run, whatever stands behind its ending', () => {
    const noise = fc.array(
      fc.constantFrom(
        '.',
        ' ',
        '\u00a0',
        '\u3000',
        '\u200b',
        '\u2800',
        '\u202e',
        '"',
        "'",
        '”',
        '\0',
        '\u3164',
        '\ue000',
      ),
      { maxLength: 5 },
    );
    const ending = fc.constantFrom(
      'exe',
      'EXE',
      'ｅｘｅ',
      'e\u200bxe',
      'e\u00adx\u2800e',
      'hta',
      'ps1',
      'ｌnk',
      '{20d04fe0}',
    );
    const dot = fc.constantFrom('.', '\u2024', '．', '﹒', '.\u200b', '\u202e.');
    const behind = fc.constantFrom('', ':x', ':$DATA', '：x', ':');
    fc.assert(
      fc.property(dot, ending, noise, behind, noise, (point, run, before, stream, after) => {
        const name = fileNameFor('text/plain', `a${point}${run}${before.join('')}${stream}${after.join('')}`);
        expect(name).toMatch(/^a[^:]*\.txt$/u);
      }),
      rounds(1_000),
    );
  });

  it.each([
    ['a.exe\u200b', 'a.exe.txt'],
    ['a.ｅｘｅ', 'a.ｅｘｅ.txt'],
    ['a\u2024exe', 'a\u2024exe.txt'],
    ['a.exe"', 'a.exe".txt'],
    ['a.exe:x', 'a.exe_x.txt'],
    ['a.exe::$DATA', 'a.exe__$DATA.txt'],
    ['a.exe.', 'a.exe.txt'],
    ['a.exe\u00a0', 'a.exe.txt'],
    ['a.exe. .\u200b. "', 'a.exe. .. ".txt'],
    ['\u2800', 'file'],
    ['\u2800.\u3164', 'file'],
    ['. .', 'file'],
    ['con.txt', '_con.txt'],
    ['NUL', '_NUL'],
    ['nul .tar.gz', '_nul .tar.gz'],
    ['com¹.log', '_com¹.log'],
    ['aux:x', '_aux:x'],
    ['LPT9.exe', '_LPT9.exe.txt'],
    ['gpj\u202eexe.', 'gpjexe.'],
    ['photo\u202egpj.exe', 'photogpj.exe.txt'],
    ['a.{20D04FE0-3AEA-1069-A2D8-08002B30309D}', 'a.{20D04FE0-3AEA-1069-A2D8-08002B30309D}.txt'],
    ['start.command', 'start.command.txt'],
  ])('%j is made %j', (one, name) => {
    expect(fileNameFor('text/plain; charset=utf-8', one)).toBe(name);
  });

  it.each([
    'a "quoted" name.dat',
    'a "setup.exe" note.txt',
    'about setup.exe (old)',
    "it's 100 %; =.dat",
    'Screenshot 12:30.png',
    '„Zeugnis“ (ä) 漢.pdf',
    'می‌خواهم.pdf',
    '👩‍🚀 ❤️.png',
    '葛\u{e0100}城.txt',
    'contact.txt',
    'console',
    'com10.txt',
    'exe',
    'a.exe.md',
    'a.js',
    'run.sh',
    '.gitignore',
    'Beethoven No. 5.',
  ])('stays as it is: %s', (name) => {
    expect(fileNameFor('text/plain; charset=utf-8', name)).toBe(name);
  });

  it('is complete in the header of a download', () => {
    fc.assert(
      fc.property(given, fc.constantFrom('image/png', 'text/plain; charset=utf-8'), (one, mediaType) => {
        const name = fileName(one);
        const header = disposition(mediaType, name);
        validateHeaderValue('content-disposition', header);
        const [, plain, whole] =
          /^(?:inline|attachment); filename="([^"\\]*)"; filename\*=UTF-8''([\w.!#$&+^`|~%-]*)$/.exec(header)!;
        expect([decodeURIComponent(whole!), /^[\x20-\x7e]*$/.test(plain!)]).toEqual([name, true]);
      }),
      rounds(1_000),
    );
  });
});

describe('a range', () => {
  const size = fc.integer({ min: 1, max: 1_000 });
  const headers = fc.record(
    {
      range: fc.oneof(
        anything,
        fc
          .tuple(fc.constantFrom('', '0', '5', '999', '1'.repeat(400)), fc.constantFrom('', '0', '7', '2000'))
          .map(([from, to]) => `bytes=${from}-${to}`),
      ),
      'if-range': fc.constantFrom('"a"', '"b"', 'W/"a"'),
    },
    { requiredKeys: [] },
  );

  it('lies within the file, or is undefined', () => {
    fc.assert(
      fc.property(headers, size, (one, bytes) => {
        const range = rangeOf(one, bytes, '"a"');
        const { start, end } = typeof range === 'object' ? range : { start: 0, end: 0 };
        expect([Number.isInteger(start), Number.isInteger(end), start >= 0, start <= end, end < bytes]).toEqual([
          true,
          true,
          true,
          true,
          true,
        ]);
      }),
      rounds(1_000),
    );
  });

  it('is the requested one, as far as the file reaches', () => {
    fc.assert(
      fc.property(size, fc.nat(1_200), fc.nat(1_200), (bytes, from, length) => {
        const at = (range: string) => rangeOf({ range }, bytes, '"a"');
        const within = from < bytes;
        expect(at(`bytes=${from}-${from + length}`)).toEqual(
          within ? { start: from, end: Math.min(from + length, bytes - 1) } : 'unsatisfiable',
        );
        expect(at(`bytes=${from}-`)).toEqual(within ? { start: from, end: bytes - 1 } : 'unsatisfiable');
        expect(at(`bytes=-${length}`)).toEqual(
          length === 0 ? 'unsatisfiable' : { start: Math.max(0, bytes - length), end: bytes - 1 },
        );
      }),
      rounds(500),
    );
  });
});

describe('an address', () => {
  it('is valid for any forwarded headers', () => {
    const forwarded = fc.oneof(
      anything,
      fc
        .array(
          fc.oneof(
            fc.ipV4(),
            fc.ipV6(),
            fc.constantFrom('unknown', '_x', '::ffff:1.2.3.4', '[::1]:80', 'fe80::1%eth0'),
          ),
        )
        .map((parts) => parts.join(', ')),
    );
    fc.assert(
      fc.property(forwarded, fc.nat(5), (header, hops) => {
        const request = {
          socket: { remoteAddress: '::ffff:10.0.0.1' },
          headers: { 'x-forwarded-for': header },
        } as unknown as IncomingMessage;
        const address = clientAddress(request, hops);
        expect(isIP(address)).not.toBe(0);
        expect(addressKey(address).length).toBeLessThan(60);
      }),
      rounds(500),
    );
  });

  it('has one key for its network, however it is written', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const [network, size] = addressKey(address).split('::/');
        const written = new URL(`http://[${address}]`).hostname.slice(1, -1);
        expect([size, network!.split(':').length, addressKey(written)]).toEqual(['64', 4, addressKey(address)]);
      }),
      rounds(500),
    );
  });
});
