import { isIP } from 'node:net';
import type { IncomingMessage } from 'node:http';
import { ChatError } from '@parley/contracts';
import type { NextFunction, Request, Response } from 'express';
import type { GatewayConfig } from '../config.js';

type Config = Pick<GatewayConfig, 'ALLOWED_ORIGINS' | 'ALLOWED_HOSTS' | 'PUBLIC_URL'>;

/** Decides which pages may talk to the gateway, and under which names it may be addressed. */
export class Origins {
  /** Origins other than the gateway's own; `*` allows all. */
  readonly listed: readonly string[];
  /** Undefined: any host. */
  private readonly hosts: ReadonlySet<string> | undefined;

  constructor({ ALLOWED_ORIGINS, ALLOWED_HOSTS, PUBLIC_URL }: Config) {
    const own = PUBLIC_URL === undefined ? undefined : new URL(PUBLIC_URL);
    this.listed = [...ALLOWED_ORIGINS, ...(own ? [own.origin] : [])];
    const names = [...ALLOWED_HOSTS, ...(own ? [own.hostname] : [])];
    this.hosts = names.length === 0 ? undefined : new Set(names);
  }

  /**
   * False for a request by a page of another origin that is not listed. Browsers name the origin of a page in `Origin`,
   * except in some requests without CORS, such as those of images and scripts; in those `Sec-Fetch-Site` tells.
   * Programs send neither and are allowed. Anything that no browser sends counts as foreign, as does a header that is
   * given twice, whose values Node joins.
   */
  allowsPage({ headers }: IncomingMessage): boolean {
    if (this.listed.includes('*')) return true;
    const { origin, host, 'sec-fetch-site': site } = headers;
    if (origin === undefined) return site === undefined || site === 'same-origin' || site === 'none';
    return this.listed.includes(origin) || [`http://${host}`, `https://${host}`].includes(origin);
  }

  /**
   * What is wrong with `Host`. `unknown`: a name under which the gateway is not known; a page may have made its own name
   * lead here (DNS rebinding). Addresses and `localhost` pass, because no foreign page has such a name. `unreadable`: it
   * is no single host, so that a proxy in front may have understood another one.
   */
  hostProblem({ headersDistinct }: IncomingMessage): 'unreadable' | 'unknown' | undefined {
    const [host, ...more] = headersDistinct['host'] ?? [];
    // Only HTTP/1.0 may leave it out, which no browser speaks.
    if (host === undefined) return undefined;
    const name = more.length === 0 ? hostnameIn(host) : undefined;
    if (name === undefined) return 'unreadable';
    const isKnown = isIP(name.replace(/^\[|\]$/g, '')) !== 0 || name === 'localhost' || this.hosts?.has(name) !== false;
    return isKnown ? undefined : 'unknown';
  }

  /** Express middleware: refuses hosts with `invalid` or `forbidden`. */
  readonly demandHost = (request: Request, _response: Response, next: NextFunction): void => {
    const problem = this.hostProblem(request);
    if (problem === undefined) next();
    else if (problem === 'unknown') next(new ChatError('forbidden', 'this host name is not allowed'));
    else next(new ChatError('invalid', 'the header Host is not one host'));
  };
}

/** The name or address in a `Host` header; undefined when it has anything else than that and a port. */
function hostnameIn(host: string): string | undefined {
  const url = `http://${host}`;
  if (host === '' || /[\s/@?#\\]/.test(host) || !URL.canParse(url)) return undefined;
  return new URL(url).hostname.replace(/\.$/, '');
}
