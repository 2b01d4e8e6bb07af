import { Controller, Inject, Req, RequestMapping, RequestMethod, Res, UseGuards, type Type } from '@nestjs/common';
import { callNames, calls, ChatError, newId, type Call, type HttpRoute } from '@parley/contracts';
import type { Request, Response } from 'express';
import { clientAddress } from '../calls/client-address.js';
import type { Client, Session } from '../calls/client.js';
import { Dispatcher } from '../calls/dispatcher.js';
import { PARTS, type GatewayParts } from '../parts.js';
import { traceOf } from './problem.filter.js';
import { SessionGuard } from '../auth/jwt-auth.guard.js';

/** A controller with a route for every call of the contracts that has one. */
export function httpCallsController(): Type {
  @Controller('api/v1')
  @UseGuards(SessionGuard)
  class HttpCallsController {
    constructor(
      @Inject(PARTS) readonly parts: GatewayParts,
      @Inject(Dispatcher) readonly dispatcher: Dispatcher,
    ) {}
  }
  const prototype = HttpCallsController.prototype;
  for (const name of callNames) {
    const { http }: Call = calls[name];
    if (!http) continue;
    // A computed key names the function; the guard reads the call's name there.
    const { [name]: handler } = {
      async [name](this: HttpCallsController, request: Request, response: Response) {
        const data = await this.dispatcher.execute(
          name,
          inputOf(http, request),
          clientOf(this.parts, request),
          newId(),
          traceOf(response),
        );
        send(http, response, data);
      },
    };
    const descriptor: PropertyDescriptor = { value: handler, writable: true, configurable: true };
    Object.defineProperty(prototype, name, descriptor);
    RequestMapping({ path: http.path, method: RequestMethod[http.method] })(prototype, name, descriptor);
    Req()(prototype, name, 0);
    Res()(prototype, name, 1);
  }
  return HttpCallsController;
}

export function clientOf({ config }: GatewayParts, request: Request): Client {
  const session = request.user as Session | undefined;
  return { address: clientAddress(request, config.TRUST_PROXY), ...(session && { session }) };
}

function send(route: HttpRoute, response: Response, data: unknown): void {
  const status = route.statusOf ? route.statusOf(data as never) : route.status[0];
  response.status(status);
  if (status === 204) response.end();
  else response.json(route.bare === undefined ? data : (data as Record<string, unknown>)[route.bare]);
}

/** The fields of path, query and body, as one input. Throws `invalid`. */
export function inputOf(route: HttpRoute, request: Request): Record<string, unknown> {
  const input = { ...bodyOf(route, request) };
  const outside = { ...queryOf(route, request.originalUrl), ...request.params };
  for (const [field, value] of Object.entries(outside)) {
    if (Object.hasOwn(input, field) && input[field] !== value) throw invalid(field, 'differs from the address');
    input[field] = value;
  }
  return input;
}

function bodyOf({ method }: HttpRoute, request: Request): Record<string, unknown> {
  const body: unknown = request.body;
  if (body === undefined) {
    const length = request.headers['content-length'] ?? '0';
    if (length !== '0' || request.headers['transfer-encoding'] !== undefined)
      throw invalid('', 'the body must be application/json');
    return {};
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw invalid('', 'the body must be an object');
  if ((method === 'GET' || method === 'DELETE') && Object.keys(body).length > 0)
    throw invalid('', `a ${method} takes no body`);
  return body as Record<string, unknown>;
}

/** The parameters that the address may have; throws `invalid` for others. */
export function queryOf({ query = {} }: Pick<HttpRoute, 'query'>, url: string): Record<string, unknown> {
  const at = url.indexOf('?');
  const parameters = new URLSearchParams(at < 0 ? '' : url.slice(at));
  const input: Record<string, unknown> = {};
  for (const name of new Set(parameters.keys())) {
    const [text, ...more] = parameters.getAll(name) as [string, ...string[]];
    const kind = Object.hasOwn(query, name) ? query[name] : undefined;
    if (kind === undefined) throw invalid(name, 'unknown parameter');
    if (more.length > 0) throw invalid(name, 'given more than once');
    input[name] = kind === 'list' ? text.split(',') : kind === 'int' && /^-?\d+$/.test(text) ? Number(text) : text;
  }
  return input;
}

const invalid = (path: string, message: string) =>
  new ChatError('invalid', path === '' ? message : `${path}: ${message}`.slice(0, 500), {
    details: [{ path: path.slice(0, 200), message }],
  });
