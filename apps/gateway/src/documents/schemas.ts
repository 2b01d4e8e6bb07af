import { ErrorBody, Limit, PageIds, PresenceIds, type Limits } from '@parley/contracts';
import { z } from 'zod';
import { namedShapes } from './named-shapes.js';

type Json = Record<string, unknown>;

const names = z.registry<{ id: string }>();
for (const [id, schema] of Object.entries({ ...namedShapes, ErrorBody })) names.add(schema as z.ZodType, { id });

/** The JSON schemas of one document. Named shapes become references to its components, others stand inline. */
export class Schemas {
  readonly components: Json = {};
  /** Schemas that a deployment narrows, and how. */
  private readonly narrowed: ReadonlyMap<unknown, Json>;

  constructor({ pageSize, presenceWatches }: Limits) {
    this.narrowed = new Map<unknown, Json>([
      [Limit, { maximum: pageSize }],
      [PageIds, { maxItems: pageSize }],
      [PresenceIds, { maxItems: presenceWatches }],
    ]);
  }

  /** `input`: a shape that clients send; `output`: one that they receive. */
  of(schema: z.ZodType, io: 'input' | 'output'): Json {
    const override = ({ zodSchema, jsonSchema }: { zodSchema: unknown; jsonSchema: Json }) => {
      Object.assign(jsonSchema, this.narrowed.get(zodSchema));
      delete jsonSchema['id'];
      // Answers may gain fields.
      if (io === 'output' && jsonSchema['additionalProperties'] === false) delete jsonSchema['additionalProperties'];
    };
    const {
      $schema: _,
      $defs = {},
      ...json
    } = z.toJSONSchema(schema, { metadata: names, io, unrepresentable: 'any', override }) as Json;
    const suffix = io === 'input' ? 'Input' : '';
    for (const [id, definition] of Object.entries($defs as Json))
      this.components[id + suffix] = withComponentRefs(definition, suffix);
    return withComponentRefs(json, suffix) as Json;
  }
}

/** A copy in which references point to the document's components. */
function withComponentRefs(json: unknown, suffix: string): unknown {
  if (Array.isArray(json)) return json.map((one) => withComponentRefs(one, suffix));
  if (typeof json !== 'object' || json === null) return json;
  return Object.fromEntries(
    Object.entries(json).map(([key, value]) => [
      key,
      key === '$ref' && typeof value === 'string'
        ? value.replace('#/$defs/', '#/components/schemas/') + suffix
        : withComponentRefs(value, suffix),
    ]),
  );
}
