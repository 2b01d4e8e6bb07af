import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { addressKey, clientAddress } from './client.js';

const request = (peer: string, forwarded?: string) =>
  ({
    socket: { remoteAddress: peer },
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
  }) as unknown as IncomingMessage;

describe('the address of a client', () => {
  it.each([
    ['the peer’s, whatever it forwards', '10.0.0.1', '1.1.1.1', 0, '10.0.0.1'],
    ['an IPv4 address mapped to IPv6', '::ffff:10.0.0.1', undefined, 0, '10.0.0.1'],
    ['the address that the proxy saw', '10.0.0.1', '1.1.1.1', 1, '1.1.1.1'],
    ['not the address that the client told the proxy', '10.0.0.1', '6.6.6.6, 1.1.1.1', 1, '1.1.1.1'],
    ['two proxies away', '10.0.0.1', '6.6.6.6, 1.1.1.1, 10.0.0.2', 2, '1.1.1.1'],
    ['the farthest known one when there are fewer proxies', '10.0.0.1', '1.1.1.1', 5, '1.1.1.1'],
    ['the peer’s when the proxy forwards nothing', '10.0.0.1', undefined, 1, '10.0.0.1'],
    ['the peer’s when the proxy forwards garbage', '10.0.0.1', 'unknown, <script>', 1, '10.0.0.1'],
  ])('is %s', (_, peer, forwarded, hops, expected) => {
    expect(clientAddress(request(peer, forwarded), hops)).toBe(expected);
  });

  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:1:2:ffff::1', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
  ])('is counted for rates by its network: %s', (address, key) => {
    expect(addressKey(address)).toBe(key);
  });
});
