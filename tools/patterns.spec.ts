import { globSync, readFileSync } from 'node:fs';
import { calls, type Call } from '@parley/contracts';
import { isSafePattern } from 'redos-detector';
import { parseAst } from 'vite';
import { describe, expect, it } from 'vitest';
import { toJSONSchema } from 'zod';

const root = new URL('..', import.meta.url);
interface Pattern {
  readonly pattern: string;
  readonly flags: string;
}

/** All values inside an object that `pick` accepts. */
function* gather(value: unknown, pick: (node: Record<string, unknown>) => Pattern | undefined): Iterable<Pattern> {
  if (typeof value !== 'object' || value === null) return;
  const found = pick(value as Record<string, unknown>);
  if (found) yield found;
  for (const one of Object.values(value)) yield* gather(one, pick);
}

/** The regular expressions of a source file. */
const written = (file: string): Pattern[] => {
  const program = parseAst(readFileSync(new URL(file, root), 'utf8'), { lang: 'ts' });
  return [...gather(program, ({ type, regex }) => (type === 'Literal' ? (regex as Pattern | undefined) : undefined))];
};

/** The patterns that zod generates for the inputs of calls: ids, times, addresses. */
const ofShapes = (): Pattern[] =>
  Object.values(calls as Record<string, Call>).flatMap(({ input }) => [
    ...gather(toJSONSchema(input, { unrepresentable: 'any', io: 'input' }), ({ pattern }) =>
      typeof pattern === 'string' ? { pattern, flags: '' } : undefined,
    ),
  ]);

/** apps/gateway/src/documents handles only our own names, once at start. */
const files = globSync('{{libs,apps}/*,patches}/src/**/*.ts', { cwd: root.pathname }).filter(
  (file) => !/spec|conformance|libs\/testing|gateway\/src\/documents/.test(file),
);
const patterns = [...files.flatMap(written), ...ofShapes()];
const distinct = [...new Map(patterns.map((one) => [`/${one.pattern}/${one.flags}`, one])).entries()];

/** Whether static analysis proves that matching takes linear time. Patterns that it cannot analyse are not proven. */
const proven = ({ pattern, flags }: Pattern): boolean => {
  const unicode = /[uv]/.test(flags);
  try {
    return isSafePattern(pattern, {
      unicode,
      caseInsensitive: flags.includes('i') && !unicode,
      maxScore: 20,
      timeout: 3_000,
    }).safe;
  } catch {
    return false;
  }
};

const LONGEST = 64 * 1024;
/** Far above linear time for the longest packet, and a thousandth of quadratic time. */
const MATCH_TIMEOUT_MS = 250;
const pieces = [
  'a',
  'Z',
  '0',
  ' ',
  '\t',
  '.',
  '-',
  '@',
  '/',
  ':',
  '"',
  'a.',
  'a-',
  'a@',
  '@a.',
  'a ',
  '0.',
  '0-',
  'connection ',
  'ä',
  '\u0300',
  '漢',
];

/** Whether texts of repeated pieces, up to the size of a packet, are matched in time. The fastest of three tries counts. */
function quick({ pattern, flags }: Pattern): boolean {
  const took = (text: string): number => {
    const expression = new RegExp(pattern, flags.replace('g', ''));
    const begun = performance.now();
    expression.test(text);
    return performance.now() - begun;
  };
  return pieces.every((piece) => {
    for (let length = 8; length <= LONGEST; length = Math.ceil(length * 1.2)) {
      const text = `${piece.repeat(Math.ceil(length / piece.length))}!`;
      if (took(text) > MATCH_TIMEOUT_MS && took(text) > MATCH_TIMEOUT_MS && took(text) > MATCH_TIMEOUT_MS) return false;
    }
    return true;
  });
}

describe('a regular expression', () => {
  it('is collected from sources and schemas', () => {
    expect(distinct.length).toBeGreaterThan(30);
    expect(ofShapes().length).toBeGreaterThan(10);
  });

  it('with exponential or quadratic time is noticed', () => {
    for (const pattern of ['(a+)+$', String.raw`\s+$`])
      expect([pattern, proven({ pattern, flags: '' })]).toEqual([pattern, false]);
    expect(quick({ pattern: String.raw`\s+$`, flags: '' })).toBe(false);
  });

  it.each(distinct)('takes time in proportion to the text: %s', (_, pattern) => {
    expect(proven(pattern) || quick(pattern)).toBe(true);
  });
});
