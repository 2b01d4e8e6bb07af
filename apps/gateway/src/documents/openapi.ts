import { calls, errorTable, type Call, type HttpRoute, type Limits } from '@parley/contracts';
import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import { fileOperation, fileRoutes } from './files.js';
import { Schemas } from './schemas.js';

type Json = Record<string, unknown>;

const pathNames = (path: string) => [...path.matchAll(/:(\w+)/g)].map(([, name]) => name!);

/** The HTTP interface as OpenAPI 3.1, generated from the table of calls. */
export function openapi(limits: Limits): Json {
  const schemas = new Schemas(limits);
  const paths: Record<string, Json> = {};
  for (const [name, call] of Object.entries(calls as Record<string, Call>)) {
    if (!call.http) continue;
    const path = `/api/v1${call.http.path.replace(/:(\w+)/g, '{$1}')}`;
    (paths[path] ??= {})[call.http.method.toLowerCase()] = operation(name, call, call.http, schemas);
  }
  for (const route of fileRoutes) (paths[route.path] ??= {})[route.method] = fileOperation(route, schemas);
  Object.assign(paths, atRoot);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Parley',
      version: '1',
      description: 'The HTTP interface. The socket interface is described by /api/asyncapi.json.',
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      securitySchemes: { session: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
      responses: { problem: problem() },
      schemas: schemas.components,
    },
  };
}

function operation(name: string, call: Call, route: HttpRoute, schemas: Schemas): Json {
  const fields = (schemas.of(call.input, 'input')['properties'] ?? {}) as Record<string, Json>;
  const required = (schemas.of(call.input, 'input')['required'] ?? []) as string[];
  const inPath = pathNames(route.path);
  const outside = new Set([...inPath, ...Object.keys(route.query ?? {})]);
  const inBody = Object.keys(fields).filter((field) => !outside.has(field));
  return {
    operationId: name,
    summary: call.summary,
    tags: [name.split('.')[0]],
    security: { open: [], optional: [{}, { session: [] }], session: [{ session: [] }] }[call.auth],
    parameters: [
      ...inPath.map((field) => ({ name: field, in: 'path', required: true, schema: fields[field] })),
      ...Object.entries(route.query ?? {}).map(([field, kind]) => ({
        name: field,
        in: 'query',
        required: required.includes(field),
        schema: fields[field],
        ...(kind === 'list' && { style: 'form', explode: false }),
      })),
    ],
    ...(inBody.length > 0 && {
      requestBody: {
        required: inBody.some((field) => required.includes(field)),
        content: { 'application/json': { schema: bodySchema(inBody, fields, required) } },
      },
    }),
    responses: {
      ...Object.fromEntries(route.status.map((status) => [status, success(status, call, route, schemas)])),
      default: { $ref: '#/components/responses/problem' },
    },
  };
}

const bodySchema = (names: readonly string[], fields: Record<string, Json>, required: readonly string[]): Json => ({
  type: 'object',
  properties: Object.fromEntries(names.map((name) => [name, fields[name]])),
  required: required.filter((name) => names.includes(name)),
  additionalProperties: false,
});

function success(status: number, call: Call, { bare }: HttpRoute, schemas: Schemas): Json {
  const description = STATUS_CODES[status] ?? '';
  if (status === 204) return { description };
  const output = bare === undefined ? call.output : ((call.output as z.ZodObject).shape[bare] as z.ZodType);
  return { description, content: { 'application/json': { schema: schemas.of(output, 'output') } } };
}

const problem = (): Json => ({
  description: 'A refusal (RFC 9457)',
  content: {
    'application/problem+json': {
      schema: {
        type: 'object',
        required: ['type', 'title', 'status', 'detail', 'code', 'traceId'],
        properties: {
          type: { type: 'string' },
          title: { type: 'string' },
          status: { type: 'integer' },
          detail: { type: 'string' },
          code: { type: 'string', enum: Object.keys(errorTable) },
          details: {},
          retryAfterMs: { type: 'integer' },
          traceId: { type: 'string' },
        },
      },
    },
  },
});

const open = (summary: string, type: string): Json => ({
  get: { summary, security: [], responses: { 200: { description: 'OK', content: { [type]: {} } } } },
});
const atRoot: Record<string, Json> = {
  '/.well-known/jwks.json': open('The public keys of the access tokens', 'application/json'),
  '/health/live': open('Whether the process works', 'application/json'),
  '/health/ready': open('Whether it can serve now; 503 with what is missing otherwise', 'application/json'),
  '/metrics': open('Prometheus metrics, only with `PUBLIC_METRICS=true`', 'text/plain'),
  '/api/docs': open('This interface, for people', 'text/html'),
  '/api/openapi.json': open('This document', 'application/json'),
  '/api/asyncapi.json': open('The socket interface', 'application/json'),
};
