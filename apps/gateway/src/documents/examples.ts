import { calls, type CallName } from '@parley/contracts';
import { z } from 'zod';

type Json = Record<string, unknown>;

const id = (n: number) => `0198c2f0-0000-7000-8000-00000000000${n}`;

/** The ids that stand for things of a kind, by the field that has them. */
export const sampleIds = { conversationId: id(1), userId: id(2), messageId: id(3) };

/** Values of fields by their name, where the schema alone gives no telling one. */
const samples: Readonly<Record<string, unknown>> = {
  ...sampleIds,
  senderId: sampleIds.userId,
  attachmentId: id(4),
  sessionId: id(5),
  id: id(6),
  username: 'ann',
  displayName: 'Ann Example',
  password: 'correct horse battery',
  current: 'correct horse battery',
  next: 'battery staple correct',
  deviceName: 'Laptop',
  email: 'ann@example.org',
  title: 'Garden',
  topic: 'What grows where',
  color: '#2e7d32',
  body: 'Hello',
  clientId: 'my-first-message',
  emoji: '👍',
  q: 'roses',
  query: 'gar',
  url: `/api/v1/attachments/${id(4)}`,
  mediaType: 'image/png',
  name: 'rose.png',
  refreshToken: 'the refresh token of the session',
  accessToken: 'eyJhbGciOi…',
  epoch: 'the epoch of session:ready',
  points: [0, 0, 10, 10],
};

/** Inputs whose fields depend on each other, or whose optional fields tell the most. */
const inputs: Partial<Record<CallName, Json>> = {
  'auth.guest': { displayName: 'Ann Example' },
  'user.update': { displayName: 'Ann Example' },
  'user.list': { query: 'ann' },
  'conversation.create': { kind: 'group', title: 'Garden' },
  'conversation.update': { conversationId: id(1), title: 'Garden', topic: 'What grows where' },
  'conversation.history': { conversationId: id(1), limit: 20 },
  'message.send': { conversationId: id(1), clientId: 'my-first-message', body: 'Hello' },
  'member.update': { conversationId: id(1), userId: id(2), role: 'admin' },
  'webhook.create': { conversationId: id(1), url: 'https://example.org/hook', events: ['message.created'] },
  'drawing.change': { conversationId: id(1), lineIds: ['my line'], color: '#2e7d32' },
  sync: { cursors: { [id(1)]: 0 } },
};

/** An input of the call, as JSON, that its schema accepts. */
export const exampleInput = (name: CallName): Json =>
  inputs[name] ?? (exampleOf(jsonSchemaOf(calls[name].input, 'input'), name) as Json);

/** An answer of the call, as JSON, with the fields that are always there. */
export const exampleOutput = (name: CallName): unknown => exampleOf(jsonSchemaOf(calls[name].output, 'output'), name);

/** The payload of an event, as JSON. */
export const exampleEvent = (schema: z.ZodType): unknown => exampleOf(jsonSchemaOf(schema, 'output'), '');

const jsonSchemaOf = (schema: z.ZodType, io: 'input' | 'output'): Json =>
  z.toJSONSchema(schema, { io, unrepresentable: 'any', reused: 'inline' });

function exampleOf(schema: Json, name: string): unknown {
  if ('const' in schema) return schema['const'];
  if (Array.isArray(schema['enum'])) return schema['enum'][0];
  const sample = samples[name];
  const type = Array.isArray(sample) ? 'array' : typeof sample;
  if (sample !== undefined && type === (schema['type'] ?? type)) return sample;
  const [alternative] = (schema['anyOf'] ?? schema['oneOf'] ?? []) as Json[];
  if (alternative) return exampleOf(alternative, name);
  switch (schema['type']) {
    case 'object':
      return exampleObject(schema);
    case 'array':
      return [exampleOf((schema['items'] ?? {}) as Json, name.replace(/s$/, ''))];
    case 'integer':
    case 'number':
      return Math.max(Number(schema['minimum'] ?? 0), 1);
    case 'boolean':
      return true;
    case 'string':
      return exampleText(schema);
    default:
      return {};
  }
}

function exampleObject({ properties = {}, required = [] }: Json): Json {
  const fields = properties as Record<string, Json>;
  return Object.fromEntries((required as string[]).map((name) => [name, exampleOf(fields[name]!, name)]));
}

function exampleText({ format, pattern }: Json): string {
  if (format === 'uuid') return id(9);
  return format === 'date-time' || String(pattern).includes('T') ? '2026-01-31T12:00:00.000Z' : 'text';
}
