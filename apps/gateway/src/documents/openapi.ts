import { calls, errorTable, type Call, type CallName, type HttpRoute, type Limits } from '@parley/contracts';
import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import { exampleInput } from './examples.js';
import { fileOperation, fileRoutes } from './files.js';
import { problemContent, refusals, refusalsOf } from './refusals.js';
import { Schemas } from './schemas.js';

type Json = Record<string, unknown>;

const tagDescriptions: Readonly<Record<string, string>> = {
  root: 'Health, keys, metrics and documents',
  upload: 'Uploads in parts, after tus 1.0',
};
const pathNames = (path: string) => [...path.matchAll(/:(\w+)/g)].map(([, name]) => name!);

/** The HTTP interface as OpenAPI 3.1, generated from the table of calls. `basePath`: the path of the gateway's root. */
export function openapi(limits: Limits, basePath = ''): Json {
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
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: basePath === '' ? '/' : basePath, description: 'This gateway' }],
    tags: tagsOf(paths),
    paths,
    components: {
      securitySchemes: {
        session: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: 'The access token of a session, or the token of a bot',
        },
      },
      responses: { ...refusals, problem: { description: 'A refusal (RFC 9457)', ...problemContent } },
      schemas: { ...schemas.components, Problem: problemSchema },
    },
  };
}

const tagsOf = (paths: Record<string, Json>): Json[] => {
  const operations = Object.values(paths).flatMap((path) => Object.values(path) as { tags: string[] }[]);
  return [...new Set(operations.flatMap(({ tags }) => tags))].map((name) => ({
    name,
    description: tagDescriptions[name] ?? `Calls whose names begin with \`${name}.\``,
  }));
};

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
        content: {
          'application/json': { schema: bodySchema(inBody, fields, required), example: exampleBody(name, inBody) },
        },
      },
    }),
    responses: {
      ...Object.fromEntries(route.status.map((status) => [status, success(status, call, route, schemas)])),
      ...refusalsOf({
        isOpen: call.auth === 'open' && !checksCredentials.has(name),
        namesThings: [...inPath, ...inBody].some((field) => /id$/i.test(field)),
        changes: route.method !== 'GET',
        hasBody: inBody.length > 0,
      }),
    },
  };
}

/** Calls that need no token and refuse a wrong password or token that is in their input. */
const checksCredentials: ReadonlySet<string> = new Set(['auth.login', 'auth.refresh']);

const exampleBody = (name: string, inBody: readonly string[]): Json =>
  Object.fromEntries(Object.entries(exampleInput(name as CallName)).filter(([field]) => inBody.includes(field)));

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

const problemSchema: Json = {
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
};
const open = (operationId: string, summary: string, type: string): Json => ({
  get: {
    operationId,
    summary,
    tags: ['root'],
    security: [],
    responses: { 200: { description: 'OK', content: { [type]: {} } }, ...refusalsOf({ isOpen: true }) },
  },
});
const atRoot: Record<string, Json> = {
  '/.well-known/jwks.json': open('root.keys', 'The public keys of the access tokens', 'application/json'),
  '/health/live': open('root.live', 'Whether the process works', 'application/json'),
  '/health/ready': open(
    'root.ready',
    'Whether it can serve now; 503 with what is missing otherwise',
    'application/json',
  ),
  '/metrics': open('root.metrics', 'Prometheus metrics, only with `PUBLIC_METRICS=true`', 'text/plain'),
  '/api/docs': open('root.docs', 'This interface, for people', 'text/html'),
  '/api/docs/style.css': open('root.docsStyle', 'Its style', 'text/css'),
  '/api/docs/script.js': open('root.docsScript', 'Its search, and its forms that make calls', 'text/javascript'),
  '/api/docs/socket.io.js': open('root.socketIo', 'Socket.IO’s client, for that', 'text/javascript'),
  '/api/openapi.json': open('root.openapi', 'This document', 'application/json'),
  '/api/asyncapi.json': open('root.asyncapi', 'The socket interface', 'application/json'),
};
