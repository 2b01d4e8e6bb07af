import { Controller, Req, RequestMapping, RequestMethod, Res, UseGuards, type Type } from '@nestjs/common';
import { callNames, calls, ChatError, newId, type Call, type HttpRoute } from '@parley/contracts';
import type { Request, Response } from 'express';
import { Access, JwtAuthGuard } from '../auth/jwt-auth.guard.js';
import type { Session } from '../auth/session.js';
import { clientAddress, type Client } from '../calls/client.js';
import { Dispatcher } from '../calls/dispatcher.js';
import { GatewayConfig } from '../config.js';
import { traceOf } from './problem.filter.js';

/** A controller with one route for every call of the contracts that has an HTTP interface. */
export function callRoutesController(): Type {
  @Controller('api/v1')
  @UseGuards(JwtAuthGuard)
  class CallRoutesController {
    constructor(
      readonly config: GatewayConfig,
      readonly dispatcher: Dispatcher,
    ) {}
  }
  for (const name of callNames) {
    const call: Call = calls[name];
    const { http } = call;
    if (!http) continue;
    const value = async function (this: CallRoutesController, request: Request, response: Response): Promise<void> {
      const client = clientOf(request, this.config);
      const data = await this.dispatcher.execute(name, inputOf(http, request), client, newId(), traceOf(response));
      send(http, response, data);
    };
    const route: PropertyDescriptor = { value, writable: true, configurable: true };
    Object.defineProperty(CallRoutesController.prototype, name, route);
    RequestMapping({ path: http.path, method: RequestMethod[http.method] })(
      CallRoutesController.prototype,
      name,
      route,
    );
    Access(call.auth)(CallRoutesController.prototype, name, route);
    Req()(CallRoutesController.prototype, name, 0);
    Res()(CallRoutesController.prototype, name, 1);
  }
  return CallRoutesController;
}

/** The client that makes a request; with the session that the guard found, if any. */
export function clientOf(request: Request, { TRUST_PROXY }: Pick<GatewayConfig, 'TRUST_PROXY'>): Client {
  const session = request.user as Session | undefined;
  return { address: clientAddress(request, TRUST_PROXY), ...(session && { session }) };
}

function send(route: HttpRoute, response: Response, data: unknown): void {
  const status = route.statusOf ? route.statusOf(data as never) : route.status[0];
  response.status(status);
  if (status === 204) response.end();
  else response.json(route.bare === undefined ? data : (data as Record<string, unknown>)[route.bare]);
}

/** Combines the fields of path, query and body into one input. Throws `invalid`. */
function inputOf(route: HttpRoute, request: Request): Record<string, unknown> {
  const input = { ...bodyOf(route, request) };
  const fromAddress = { ...queryOf(route, request.originalUrl), ...request.params };
  for (const [field, value] of Object.entries(fromAddress)) {
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

/** The parameters of an address. Throws `invalid` for one that the route does not take. */
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
