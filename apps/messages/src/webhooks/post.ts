import { createHmac } from 'node:crypto';
import type { LookupAddress } from 'node:dns';
import { lookup, Resolver } from 'node:dns/promises';
import { request as requestHttp, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** What became of an attempt: without a problem it was delivered. */
export interface Outcome {
  readonly status?: number;
  readonly problem?: string;
}
/** The addresses to which a host's requests may go. Rejects when there are none. */
export type Resolve = (host: string) => Promise<readonly LookupAddress[]>;

/** Of an answer so much is read; it is not looked at. */
const MOST_READ = 64 * 1024;
const DNS_MS = 3_000;

/** Why a request was not made; told to those who manage the webhook. */
class Refused extends Error {}

/**
 * Whether an address is on the public Internet. Private, loopback, link-local (cloud metadata among them), shared, multicast, reserved ones are not, nor are IPv6 forms that carry
 * another address inside: a gateway may lead them anywhere.
 */
export function isPublic(address: string): boolean {
  if (isIP(address) === 0) return false;
  const parsed = ipaddr.parse(address);
  if (parsed.range() !== 'unicast') return false;
  return parsed.kind() === 'ipv4' || parsed.match(ipaddr.parse('2000::'), 3);
}

/** By DNS alone, never by what a hosts file says. One address that is not public spoils all: the name's owner is up to something. */
export function publicAddresses(query: (host: string) => Promise<readonly string[]> = ask): Resolve {
  return async (host) => {
    const addresses = isIP(host) === 0 ? await query(host) : [host];
    if (addresses.length === 0) throw new Refused('the host has no address');
    if (!addresses.every(isPublic)) throw new Refused('the address is not allowed');
    return addresses.map((address) => ({ address, family: isIP(address) }));
  };
}

async function ask(host: string): Promise<string[]> {
  const resolver = new Resolver({ timeout: DNS_MS, tries: 2 });
  const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
  return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
}

/** For trying out on one machine. */
export const anyAddresses: Resolve = (host) => lookup(host, { all: true });

/** The header that proves where a request comes from: `v1=` and the hexadecimal HMAC-SHA256, under the webhook's secret, of the timestamp, a dot and the body. */
export const sign = (secret: string, timestamp: string, body: string): string =>
  `v1=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`;

/** Makes one POST, to an address that was checked and to no other: the name is not resolved again, and redirects are not followed. Never rejects. */
export async function post(
  address: string,
  headers: Readonly<Record<string, string>>,
  body: string,
  { resolve, signal }: { resolve: Resolve; signal: AbortSignal },
): Promise<Outcome> {
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
  if (error instanceof Refused) return error.message;
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

/** Reads an answer to its end, or until it is too long or breaks off: its status was had before. */
function drain(response: IncomingMessage): Promise<void> {
  let read = 0;
  return new Promise((resolve) => {
    response.on('data', (chunk: Buffer) => {
      read += chunk.length;
      if (read > MOST_READ) response.destroy();
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
