import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  calls,
  ChatError,
  domainEvents,
  foldName,
  Id,
  newId,
  parseInput,
  partPattern,
  PushFrame,
  queueOf,
  requests,
  shardOf,
  type Call,
  type RequestName,
} from './index.js';

const rounds = (numRuns = 100) => ({
  seed: Number(process.env['SEED'] ?? 1),
  numRuns: Math.ceil(numRuns * Number(process.env['ROUNDS'] ?? 1)),
});

type JsonSchema = z.core.JSONSchema.BaseSchema;

/** Values of a schema's JSON type. Callers must filter by refinements. */
function valuesOf(schema: JsonSchema): fc.Arbitrary<unknown> {
  const { anyOf, oneOf, allOf, const: only, enum: values, default: fallback } = schema;
  if (only !== undefined) return fc.constant(only);
  if (values) return fc.constantFrom(...values);
  const choices = (anyOf ?? oneOf ?? (allOf?.length === 1 ? allOf : undefined)) as JsonSchema[] | undefined;
  if (choices) return fc.oneof(...choices.map(valuesOf));
  const value = valueOf(schema);
  return fallback === undefined ? value : fc.oneof(value, fc.constant(fallback));
}

function valueOf(schema: JsonSchema): fc.Arbitrary<unknown> {
  const kinds: Partial<Record<string, () => fc.Arbitrary<unknown>>> = {
    string: () => textOf(schema),
    integer: () =>
      fc.integer({ min: schema.minimum ?? Number.MIN_SAFE_INTEGER, max: schema.maximum ?? Number.MAX_SAFE_INTEGER }),
    number: () => fc.double({ min: schema.minimum ?? -1e308, max: schema.maximum ?? 1e308, noNaN: true }),
    boolean: () => fc.boolean(),
    array: () =>
      fc.array(valuesOf(schema.items as JsonSchema), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 6, 6),
      }),
    object: () => objectOf(schema),
  };
  return (kinds[String(schema.type)] ?? fc.jsonValue)();
}

function textOf({ format, pattern, minLength = 0, maxLength = 40 }: JsonSchema): fc.Arbitrary<string> {
  if (format === 'date-time')
    return fc
      .date({ noInvalidDate: true, min: new Date('2000-01-01'), max: new Date('2100-01-01') })
      .map((date) => date.toISOString());
  if (format === 'email') return fc.emailAddress();
  if (format === 'uuid' || format === 'guid')
    return fc.oneof(
      fc.uuid(),
      fc.uuid().map((id) => id.toUpperCase()),
    );
  const bounds = { minLength, maxLength: Math.min(maxLength, minLength + 40) };
  if (pattern !== undefined)
    return fc.oneof({ weight: 3, arbitrary: fc.stringMatching(new RegExp(pattern)) }, fc.string(bounds));
  return fc.oneof(
    fc.string({ unit: 'grapheme', ...bounds }),
    fc.string({ unit: 'binary', ...bounds }),
    fc.constantFrom('👍', '🎉', '🇩🇪', '1️⃣', 'https://example.org/hook'),
  );
}

function objectOf({
  properties = {},
  required = [],
  additionalProperties,
  propertyNames,
}: JsonSchema): fc.Arbitrary<unknown> {
  if (typeof additionalProperties === 'object' && propertyNames)
    return fc.dictionary(textOf(propertyNames as JsonSchema), valuesOf(additionalProperties as JsonSchema), {
      maxKeys: 4,
    });
  const fields = Object.fromEntries(
    Object.entries(properties).map(([name, schema]) => [name, valuesOf(schema as JsonSchema)]),
  );
  return fc.record(fields, { requiredKeys: required, noNullPrototype: true });
}

const inputsOf = (schema: z.ZodType): fc.Arbitrary<unknown> =>
  valuesOf(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }));
/** Any JSON, and valid input with one wrong or extra field. */
const wrongInputsOf = (schema: z.ZodType): fc.Arbitrary<unknown> =>
  fc.oneof(
    fc.jsonValue(),
    fc.tuple(inputsOf(schema), fc.string(), fc.jsonValue()).map(([right, key, value]) => {
      if (typeof right !== 'object' || right === null) return value;
      const keys = Object.keys(right);
      return {
        ...right,
        [keys.length === 0 ? key : keys[key.length % keys.length]!]: value,
        ...(key.length > 3 ? { [key]: value } : {}),
      };
    }),
  );

/** Returns the refusal of an input. Rethrows other errors. */
function refusalOf(schema: z.ZodType, input: unknown): ChatError | undefined {
  try {
    parseInput(schema, input);
    return undefined;
  } catch (error) {
    if (error instanceof ChatError) return error;
    throw error;
  }
}

const schemas: [string, z.ZodType][] = [
  ...Object.entries(calls as Record<string, Call>).map(([name, { input }]): [string, z.ZodType] => [name, input]),
  ...Object.entries(requests).map(([name, { payload }]): [string, z.ZodType] => [name, payload]),
  ...Object.entries(domainEvents),
  ['a push', PushFrame],
];

describe('every schema', () => {
  it.each(schemas)('of %s parses its own serialised output to the same value', (_, schema) => {
    let accepted = 0;
    fc.assert(
      fc.property(inputsOf(schema), (input) => {
        const first = schema.safeParse(input);
        if (!first.success) return;
        accepted++;
        const sent = JSON.stringify(first.data);
        expect(JSON.stringify(parseInput(schema, JSON.parse(sent)))).toBe(sent);
      }),
      rounds(60),
    );
    expect(accepted).toBeGreaterThan(0);
  });

  it.each(schemas)('of %s refuses invalid input with a short error', (_, schema) => {
    fc.assert(
      fc.property(wrongInputsOf(schema), (input) => {
        const { code, message, details } = refusalOf(schema, input) ?? new ChatError('invalid');
        expect(['invalid', 'too_large']).toContain(code);
        expect([message.length <= 500, (details as unknown[]).length <= 20]).toEqual([true, true]);
      }),
      rounds(30),
    );
  });
});

describe('an id', () => {
  const time = fc.nat(2 ** 48 - 1);
  const shards = fc.constantFrom(1, 2, 4, 8, 16, 32, 64, 128, 256);

  it('is valid, sorts by time, and has the shard of its conversation', () => {
    fc.assert(
      fc.property(time, time, fc.uuid(), shards, (now, later, like, count) => {
        const [one, other] = [newId(like, now), newId(undefined, later)];
        expect([Id.parse(one), Id.parse(other)]).toEqual([one, other]);
        expect([one < other || now >= later, one > other || now <= later]).toEqual([true, true]);
        expect(shardOf(one, count)).toBe(shardOf(like, count));
      }),
      rounds(),
    );
  });

  it('leads every request to an existing queue', () => {
    const sharded = Object.entries(requests).filter(([, { via }]) => via === 'shard');
    for (const [name, { payload, service }] of sharded) {
      fc.assert(
        fc.property(inputsOf(payload), shards, (input, count) => {
          const parsed = payload.safeParse(input);
          if (!parsed.success) return;
          const shard = Number(queueOf(name as RequestName, parsed.data, count).replace(`${service}.commands.`, ''));
          expect([Number.isInteger(shard), shard >= 0, shard < count]).toEqual([true, true, true]);
        }),
        rounds(20),
      );
    }
  });
});

describe('a name', () => {
  const name = fc.string({ unit: 'grapheme' });

  it('does not change when folded twice', () => {
    fc.assert(
      fc.property(name, (text) => {
        expect(foldName(foldName(text))).toBe(foldName(text));
      }),
      rounds(),
    );
  });

  it('is matched literally', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('%', '_', '\\', 'a', 'é') }), (part) => {
        const pattern = partPattern(part);
        expect(pattern.slice(1, -1).replace(/\\([\\%_])/g, '$1')).toBe(part);
        expect(pattern.slice(1, -1).replace(/\\[\\%_]/g, '')).not.toMatch(/[\\%_]/);
      }),
      rounds(),
    );
  });
});
