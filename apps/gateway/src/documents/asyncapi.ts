import { calls, ErrorBody, serverEvents, type Call, type Limits } from '@parley/contracts';
import { z } from 'zod';
import { Schemas } from './schemas.js';

type Json = Record<string, unknown>;

const idOf = (event: string, suffix = '') =>
  event.replace(/[^a-z0-9]+(\w)/gi, (_, letter: string) => letter.toUpperCase()) + suffix;
const ref = (to: string) => ({ $ref: to });

/** Where clients reach the gateway. */
export interface Address {
  /** The host, with its port if that is not the usual one. */
  readonly host: string;
  /** The path of the gateway's root. */
  readonly basePath: string;
}

/** The socket interface as AsyncAPI 3.1, generated from the tables of calls and events. */
export function asyncapi(limits: Limits, { host, basePath }: Address): Json {
  const schemas = new Schemas(limits);
  const refusal = schemas.of(z.object({ ok: z.literal(false), error: ErrorBody }), 'output');
  const messages: Record<string, Json> = {};
  const operations: Record<string, Json> = {};
  const channel = ref('#/channels/socket');
  for (const call of Object.values(calls as Record<string, Call>)) {
    if (call.socket === undefined) continue;
    const id = idOf(call.socket);
    messages[id] = { name: call.socket, summary: call.summary, payload: schemas.of(call.input, 'input') };
    messages[`${id}Ack`] = {
      name: `${call.socket} (acknowledgement)`,
      payload: { oneOf: [accepted(schemas.of(call.output, 'output')), refusal] },
    };
    operations[`on${id[0]!.toUpperCase()}${id.slice(1)}`] = {
      action: 'receive',
      channel,
      summary: call.summary,
      messages: [ref(`#/channels/socket/messages/${id}`)],
      reply: { channel, messages: [ref(`#/channels/socket/messages/${id}Ack`)] },
    };
  }
  for (const [event, payload] of Object.entries(serverEvents as Record<string, z.ZodType>)) {
    const id = idOf(event, 'Event');
    messages[id] = { name: event, payload: schemas.of(payload, 'output') };
    operations[`send${id[0]!.toUpperCase()}${id.slice(1)}`] = {
      action: 'send',
      channel,
      messages: [ref(`#/channels/socket/messages/${id}`)],
    };
  }
  return {
    asyncapi: '3.1.0',
    info: {
      title: 'Parley',
      version: '1',
      description:
        'The socket interface: Socket.IO under /socket.io, namespace /. Connect with auth {token}. Every client event takes one object and an acknowledgement. The HTTP interface is described by /api/openapi.json.',
      license: { name: 'MIT', url: 'https://opensource.org/license/mit' },
    },
    defaultContentType: 'application/json',
    servers: {
      gateway: {
        host,
        pathname: `${basePath}/socket.io/`,
        protocol: 'wss',
        description: 'This gateway; ws where it is reached without TLS',
        security: [ref('#/components/securitySchemes/session')],
      },
    },
    channels: { socket: { address: '/', messages } },
    operations,
    components: {
      securitySchemes: {
        session: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: 'The access token, as `token` of Socket.IO’s `auth`',
        },
      },
      schemas: schemas.components,
    },
  };
}

const accepted = (data: Json): Json => ({
  type: 'object',
  required: ['ok', 'data', 'traceId'],
  properties: { ok: { const: true }, data, traceId: { type: 'string' } },
});
