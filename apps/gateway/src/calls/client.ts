import { isIP } from 'node:net';
import type { IncomingMessage } from 'node:http';
import type { Session } from '../auth/session.js';
import type { LocalConnection } from '../connections/connection.js';

/** The caller of a call. */
export interface Client {
  readonly address: string;
  /** Absent on calls that need none. */
  readonly session?: Session;
  /** Present when the call came over a socket. */
  readonly connection?: LocalConnection;
}

const withoutMapping = (address: string) =>
  address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address;

/**
 * The client's address: the TCP peer's, or with `hops` trusted proxies in front, the one that the outermost of them saw. Anything that the client itself writes into X-Forwarded-For stands further left
 * and is ignored.
 */
export function clientAddress(request: IncomingMessage, hops: number): string {
  const peer = withoutMapping(request.socket.remoteAddress ?? '');
  if (hops === 0) return peer;
  const forwarded = [request.headers['x-forwarded-for'] ?? []]
    .flat()
    .join(',')
    .split(',')
    .map((part) => withoutMapping(part.trim()));
  const chain = [...forwarded, peer].filter((address) => isIP(address) !== 0);
  return chain.at(-1 - hops) ?? chain[0] ?? peer;
}

/** The key under which rates per address are counted: an IPv6 client has its whole /64 network. */
export function addressKey(address: string): string {
  if (isIP(address) !== 6) return address;
  // The URL parser writes it in the one form of RFC 5952.
  const [head = '', tail] = new URL(`http://[${address.split('%')[0]!}]`).hostname.slice(1, -1).split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...Array<string>(zeros).fill('0'), ...right];
  return `${groups.slice(0, 4).join(':')}::/64`;
}
