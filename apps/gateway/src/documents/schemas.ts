import * as contracts from '@parley/contracts';
import { z } from 'zod';

type Json = Record<string, unknown>;

const {
  User,
  Me,
  Session,
  Device,
  Policy,
  Message,
  Attachment,
  Reaction,
  Member,
  Membership,
  Conversation,
  Receipt,
  MessagePage,
  Changes,
  Unread,
  Presence,
  Limits,
  ErrorBody,
} = contracts;
/** Shapes that have a name in the documents. */
const named = {
  User,
  Me,
  Session,
  Device,
  Policy,
  Message,
  Attachment,
  Reaction,
  Member,
  Membership,
  Conversation,
  Receipt,
  MessagePage,
  Changes,
  Unread,
  Presence,
  Limits,
  ErrorBody,
};

const names = z.registry<{ id: string }>();
for (const [id, schema] of Object.entries(named)) names.add(schema as z.ZodType, { id });

/** JSON schemas of one document: inline, but for the shapes that have names. */
export class Schemas {
  readonly components: Json = {};

  /** `input`: what a client may write; `output`: what it gets. */
  of(schema: z.ZodType, io: 'input' | 'output'): Json {
    const override = ({ jsonSchema }: { jsonSchema: Json }) => {
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
      this.components[id + suffix] = point(definition, suffix);
    return point(json, suffix) as Json;
  }
}

/** A copy in which references lead into the document's components. */
function point(json: unknown, suffix: string): unknown {
  if (Array.isArray(json)) return json.map((one) => point(one, suffix));
  if (typeof json !== 'object' || json === null) return json;
  return Object.fromEntries(
    Object.entries(json).map(([key, value]) => [
      key,
      key === '$ref' && typeof value === 'string'
        ? value.replace('#/$defs/', '#/components/schemas/') + suffix
        : point(value, suffix),
    ]),
  );
}
