import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { narrowed, type JsonSchema } from './spec/compatible.js';
import { domainEvents, PushFrame, requests } from './internal.js';

const folder = new URL('../golden/', import.meta.url);
const schemaOf = (schema: z.ZodType) =>
  z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline' }) as JsonSchema;

/** Schemas of all messages between processes, by name. */
const messages: Readonly<Record<string, JsonSchema>> = Object.fromEntries(
  [
    ...Object.entries(requests).map(([name, { payload }]) => [name, payload] as const),
    ...Object.entries(domainEvents),
    ['push', PushFrame] as const,
  ].map(([name, schema]) => [name, schemaOf(schema)]),
);
const releases = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => ({
    release: name.slice(0, -'.json'.length),
    golden: JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Record<string, JsonSchema>,
  }));

describe.each(releases)('messages of release $release', ({ golden }) => {
  it.each(Object.entries(golden))('%s is still accepted', (name, then) => {
    // A golden file of a release is never edited. A shape may gain optional fields; any other change needs a new name
    // beside the old one (docs/upgrading.md).
    expect(messages[name], 'no longer exists').toBeDefined();
    expect(narrowed(then, messages[name]!)).toEqual([]);
  });
});

it('the newest golden file contains every message', async () => {
  expect(releases.length).toBeGreaterThan(0);
  // `next.json` becomes the file of the next release. Until then it is rewritten by: npm test --
  // libs/contracts/src/golden.spec.ts -u
  await expect(
    `${JSON.stringify(Object.fromEntries(Object.entries(messages).toSorted(([one], [other]) => one.localeCompare(other))), null, 1)}\n`,
  ).toMatchFileSnapshot('../golden/next.json');
});

describe('a schema', () => {
  const then = schemaOf(
    z.object({ id: z.string().max(10), kind: z.enum(['a', 'b']), list: z.array(z.number().min(0)).optional() }),
  );
  it.each([
    [
      'is narrower with a new required field',
      z.object({
        id: z.string().max(10),
        kind: z.enum(['a', 'b']),
        list: z.array(z.number().min(0)).optional(),
        extra: z.string(),
      }),
    ],
    ['is narrower without a field', z.object({ id: z.string().max(10), kind: z.enum(['a', 'b']) })],
    [
      'is narrower with a lower limit',
      z.object({ id: z.string().max(9), kind: z.enum(['a', 'b']), list: z.array(z.number().min(0)).optional() }),
    ],
    [
      'is narrower without a value',
      z.object({ id: z.string().max(10), kind: z.enum(['a']), list: z.array(z.number().min(0)).optional() }),
    ],
    [
      'is narrower with another item type',
      z.object({ id: z.string().max(10), kind: z.enum(['a', 'b']), list: z.array(z.string()).optional() }),
    ],
    [
      'is narrower with a required field that was optional',
      z.object({ id: z.string().max(10), kind: z.enum(['a', 'b']), list: z.array(z.number().min(0)) }),
    ],
  ])('%s', (_, now) => {
    expect(narrowed(then, schemaOf(now))).toHaveLength(1);
  });

  it('is not narrower with more values, wider limits and optional fields', () => {
    expect(
      narrowed(
        then,
        schemaOf(
          z.object({
            id: z.string().max(11),
            kind: z.enum(['a', 'b', 'c']),
            list: z.array(z.number()).optional(),
            extra: z.string().optional(),
          }),
        ),
      ),
    ).toEqual([]);
    expect(
      narrowed(
        then,
        schemaOf(
          z.union([
            z.object({ other: z.string() }),
            z.object({ id: z.string(), kind: z.string(), list: z.array(z.number()).optional() }),
          ]),
        ),
      ),
    ).toEqual([]);
  });
});
