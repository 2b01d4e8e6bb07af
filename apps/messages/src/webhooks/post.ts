import { createHmac } from 'node:crypto';
import type { LookupAddress } from 'node:dns';
import { lookup, Resolver } from 'node:dns/promises';
import { request as requestHttp, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** The result of one attempt. Delivered unless there is a problem. */
export interface AttemptResult {
  readonly status?: number;
  readonly problem?: string;
}
/** Resolves a host to the addresses that requests may be sent to. Rejects if none is allowed. */
export type Resolve = (host: string) => Promise<readonly LookupAddress[]>;

/** Maximum number of bytes read of an answer. Its content is ignored. */
const MAX_READ_BYTES = 64 * 1024;
const DNS_TIMEOUT_MS = 3_000;

/** The host has no allowed address. The message is shown to the webhook's managers. */
class AddressRefused extends Error {}

/**
 * True for addresses on the public Internet. False for private, loopback, link-local (including cloud metadata),
 * shared, multicast and reserved addresses, and for IPv6 forms that embed another address, because a router may forward
 * them anywhere.
 */
export function isPublic(address: string): boolean {
  if (isIP(address) === 0) return false;
  const parsed = ipaddr.parse(address);
  if (parsed.range() !== 'unicast') return false;
  return parsed.kind() === 'ipv4' || parsed.match(ipaddr.parse('2000::'), 3);
}

/** Resolves by DNS only, never by the hosts file. Refuses a host if any of its addresses is not public. */
export function publicAddresses(query: (host: string) => Promise<readonly string[]> = queryDns): Resolve {
  return async (host) => {
    const addresses = isIP(host) === 0 ? await query(host) : [host];
    if (addresses.length === 0) throw new AddressRefused('the host has no address');
    if (!addresses.every(isPublic)) throw new AddressRefused('the address is not allowed');
    return addresses.map((address) => ({ address, family: isIP(address) }));
  };
}

async function queryDns(host: string): Promise<string[]> {
  const resolver = new Resolver({ timeout: DNS_TIMEOUT_MS, tries: 2 });
  const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
  return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
}

/** Allows every address. Only for trying out on one machine. */
export const anyAddresses: Resolve = (host) => lookup(host, { all: true });

/**
 * The value of the signature header: `v1=` and the hexadecimal HMAC-SHA256 of `timestamp.body` under the webhook's secret.
 */
export const sign = (secret: string, timestamp: string, body: string): string =>
  `v1=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`;

/**
 * Makes one POST. Resolves the host once with `resolve`, which checks its addresses, and connects to one of these.
 * Follows no redirects. Never rejects.
 */
export async function post(
  address: string,
  headers: Readonly<Record<string, string>>,
  body: string,
  { resolve, signal }: { resolve: Resolve; signal: AbortSignal },
): Promise<AttemptResult> {
  try {
    const url = new URL(address);
    const addresses = await abortable(resolve(url.hostname.replace(/^\[|\]$/g, '')), signal);
    const response = await send(
      url,
      {
        method: 'POST',
        headers: { ...headers, 'content-length': Buffer.byteLength(body) },
        lookup: pinned(addresses),
        signal,
        agent: false,
      },
      body,
    );
    const status = response.statusCode!;
    await drain(response);
    if (status >= 200 && status < 300) return { status };
    return { status, problem: status >= 300 && status < 400 ? 'redirects are not followed' : `answered ${status}` };
  } catch (error) {
    return { problem: signal.aborted ? 'no answer in time' : reason(error) };
  }
}

function reason(error: unknown): string {
  if (error instanceof AddressRefused) return error.message;
  const { code, message } = error as NodeJS.ErrnoException;
  return (code ?? message).slice(0, 200);
}

const pinned =
  (addresses: readonly LookupAddress[]): NonNullable<RequestOptions['lookup']> =>
  (_host, { all }, done) =>
    all ? done(null, [...addresses]) : done(null, addresses[0]!.address, addresses[0]!.family);

function send(url: URL, options: RequestOptions, body: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, options, resolve);
    request.once('error', reject);
    request.end(body);
  });
}

/** Reads and drops an answer until it ends, is too long or breaks off. */
function drain(response: IncomingMessage): Promise<void> {
  let read = 0;
  return new Promise((resolve) => {
    response.on('data', (chunk: Buffer) => {
      read += chunk.length;
      if (read > MAX_READ_BYTES) response.destroy();
    });
    response.on('error', () => undefined);
    response.once('close', resolve);
  });
}

function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    promise.then(resolve, reject);
  });
}
