import type { IncomingMessage, Server } from 'node:http';
import { ChatError } from '@parley/contracts';
import type { NextFunction, Request, Response } from 'express';

/** A request as Express knows it below a mounted path. */
type MountedRequest = IncomingMessage & { baseUrl?: string; originalUrl?: string };

/** What is behind `basePath` in an address: begins with a slash. Undefined for addresses outside. */
const below = (basePath: string, url: string): string | undefined => {
  if (url.startsWith(`${basePath}/`)) return url.slice(basePath.length);
  // Load balancers and probes ask the gateway itself.
  return url.startsWith('/health/') ? url : undefined;
};

/**
 * Serves everything under `basePath`, to which a reverse proxy passes requests as they are. Removes it from the address
 * before any other listener of the server sees the request; `baseUrl` and `originalUrl` of Express keep it. Call it
 * when all other listeners are there.
 */
export function enterBasePath(server: Server, basePath: string): void {
  const enter = (request: MountedRequest): void => {
    const { url = '' } = request;
    const rest = below(basePath, url);
    // Outside, even Engine.IO must not find its path. `requireBasePath` answers.
    Object.assign(request, { url: rest ?? '/', originalUrl: url, baseUrl: rest === undefined ? '' : basePath });
  };
  server.prependListener('request', enter);
  server.prependListener('upgrade', enter);
}

/** Express middleware: leads from the base path to the page below it, and answers `not_found` outside. */
export const requireBasePath =
  (basePath: string) =>
  (request: Request, response: Response, next: NextFunction): void => {
    if (request.baseUrl === basePath) return next();
    const [path, ...query] = request.originalUrl.split('?');
    if (path === basePath) response.redirect(308, [`${basePath}/`, ...query].join('?'));
    else next(new ChatError('not_found', `everything is under ${basePath}/`));
  };
