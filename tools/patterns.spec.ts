import { globSync, readFileSync } from 'node:fs';
import { calls, type Call } from '@parley/contracts';
import { checkSync } from 'recheck';
import { parseAst } from 'vite';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
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

/** A pattern without repetition or alternatives takes one attempt per character of its text. */
const isSingle = (pattern: string): boolean => !/[*+?|]|\{\d/.test(pattern);

/** Steps decide, not time: `timeout` only ends a check that hangs, as `unknown`. */
const LIMITS = {
  timeout: 60_000,
  attackTimeout: null,
  incubationTimeout: null,
  attackLimit: 10_000_000,
  maxAttackStringSize: 30_000,
  maxRepeatCount: 100,
  randomSeed: 0,
};

/**
 * How the number of steps of the worst text grows with its length: `safe` if linearly. By analysis of the pattern's
 * automaton; for patterns that have none (look-around, large repetitions), by counting the steps of texts that are bred
 * to take many. `unknown` if a pattern cannot be judged.
 */
function growth({ pattern, flags }: Pattern): string {
  // recheck does not know the flag `v`.
  if (flags.includes('v') && isSingle(pattern)) return 'safe';
  const judgement = checkSync(pattern, flags, LIMITS);
  return judgement.status === 'unknown' ? 'unknown' : judgement.complexity.type;
}

/** Far above what the slowest pattern takes on a busy machine: some are tried with hundreds of texts. */
const JUDGE_TIMEOUT_MS = 120_000;

describe('a regular expression', () => {
  // In this process: by default recheck starts a native program or Java.
  beforeAll(() => void vi.stubEnv('RECHECK_SYNC_BACKEND', 'pure'));
  afterAll(() => void vi.unstubAllEnvs());

  it('is collected from sources and schemas', () => {
    expect(distinct.length).toBeGreaterThan(30);
    expect(ofShapes().length).toBeGreaterThan(10);
  });

  it.each([
    ['exponential', '(a+)+$'],
    ['exponential', '^(?!ff)([0-9a-f]+-?)*$'],
    ['polynomial', String.raw`\s+$`],
    ['polynomial', String.raw`(?<!x)\s+$`],
  ])(
    'with %s time is noticed: %s',
    (expected, pattern) => {
      expect(growth({ pattern, flags: '' })).toBe(expected);
    },
    JUDGE_TIMEOUT_MS,
  );

  it('that cannot be judged is not taken for safe', () => {
    expect(growth({ pattern: String.raw`[\s--\n]+$`, flags: 'v' })).toBe('unknown');
  });

  it.each(distinct)(
    'takes time in proportion to the text: %s',
    (_, pattern) => {
      expect(growth(pattern)).toMatch(/^(?:safe|constant|linear)$/);
    },
    JUDGE_TIMEOUT_MS,
  );
});
