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
   * Programs send neither and are allowed.
   */
  allowsPage({ headers }: IncomingMessage): boolean {
    if (this.listed.includes('*')) return true;
    const { origin, host } = headers;
    if (origin === undefined) return !['cross-site', 'same-site'].includes(String(headers['sec-fetch-site']));
    return this.listed.includes(origin) || [`http://${host}`, `https://${host}`].includes(origin);
  }

  /**
   * False when `Host` is a name under which the gateway is not known: a page may have made its own name lead here (DNS
   * rebinding). Addresses and `localhost` pass, because no foreign page has such a name.
   */
  allowsHost({ headers: { host = '' } }: IncomingMessage): boolean {
    if (this.hosts === undefined || host === '') return true;
    const url = `http://${host}`;
    if (/[\s/@?#\\]/.test(host) || !URL.canParse(url)) return false;
    const { hostname } = new URL(url);
    const name = hostname.replace(/\.$/, '');
    return isIP(name.replace(/^\[|\]$/g, '')) !== 0 || name === 'localhost' || this.hosts.has(name);
  }

  /** Express middleware: refuses hosts with `forbidden`. */
  readonly demandHost = (request: Request, _response: Response, next: NextFunction): void => {
    next(this.allowsHost(request) ? undefined : new ChatError('forbidden', 'this host name is not allowed'));
  };
}
