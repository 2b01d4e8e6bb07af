import { isIP, type BlockList } from 'node:net';
import type { IncomingMessage } from 'node:http';
import type { Session } from '../auth/session.js';
import type { TrustedProxies } from '../config.js';
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
 * The client's address: the TCP peer's, or behind trusted proxies the one that the outermost of them saw. Each proxy
 * appends what it saw to `X-Forwarded-For`, so the header is read from its end: entries that the client wrote itself
 * stand further left and are never reached. When a proxy appended something that is no address, the peer's counts.
 */
export function clientAddress(request: IncomingMessage, proxies: TrustedProxies): string {
  const peer = withoutMapping(request.socket.remoteAddress ?? '');
  const header = [request.headers['x-forwarded-for'] ?? []].flat().join(',');
  if (header === '') return peer;
  const entries = header.split(',');
  let address = peer;
  for (let passed = 0; entries.length > 0 && isTrusted(proxies, address, passed); passed++) {
    const seen = addressIn(entries.pop()!);
    if (seen === undefined) return peer;
    address = seen;
  }
  return address;
}

const isTrusted = (proxies: TrustedProxies, address: string, passed: number): boolean =>
  typeof proxies === 'number' ? passed < proxies : isListed(proxies, address);
const isListed = (list: BlockList, address: string): boolean =>
  list.check(address.split('%')[0]!, isIP(address) === 6 ? 'ipv6' : 'ipv4');

/** The address in an entry of `X-Forwarded-For`. Some proxies write a port behind it, and IPv6 addresses in brackets. */
function addressIn(entry: string): string | undefined {
  const text = entry.trim().replace(/^"(.*)"$/, '$1');
  const [, bracketed, dotted] = /^(?:\[([^\]]+)\](?::\d{1,5})?|([\d.]+):\d{1,5})$/.exec(text) ?? [];
  const address = withoutMapping(bracketed ?? dotted ?? text);
  return isIP(address) === 0 ? undefined : address;
}
