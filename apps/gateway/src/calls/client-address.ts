import { isIP } from 'node:net';
import type { IncomingMessage } from 'node:http';

const plain = (address: string) =>
  address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address;

/**
 * The client's address: the TCP peer's, or with `hops` trusted proxies in front, the one that the outermost of them saw.
 * What a client itself writes into X-Forwarded-For lies further left and is never looked at.
 */
export function clientAddress(request: IncomingMessage, hops: number): string {
  const peer = plain(request.socket.remoteAddress ?? '');
  if (hops === 0) return peer;
  const forwarded = [request.headers['x-forwarded-for'] ?? []]
    .flat()
    .join(',')
    .split(',')
    .map((part) => plain(part.trim()));
  const chain = [...forwarded, peer].filter((address) => isIP(address) !== 0);
  return chain.at(-1 - hops) ?? chain[0] ?? peer;
}

/** What a rate per address counts: an IPv6 client has its whole /64 network. */
export function addressKey(address: string): string {
  if (isIP(address) !== 6) return address;
  // The one way of writing it that RFC 5952 has.
  const [head = '', tail] = new URL(`http://[${address.split('%')[0]!}]`).hostname.slice(1, -1).split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...Array<string>(zeros).fill('0'), ...right];
  return `${groups.slice(0, 4).join(':')}::/64`;
}
