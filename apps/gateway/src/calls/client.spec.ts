import type { IncomingMessage } from 'node:http';
import { loadConfig } from '@parley/service-kit';
import { describe, expect, it } from 'vitest';
import { gatewayConfig } from '../config.js';
import { addressKey, siteKey } from '@parley/service-kit';
import { clientAddress } from './client.js';

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
    ['the peer’s when the proxy forwards garbage', '10.0.0.1', '6.6.6.6, unknown', 1, '10.0.0.1'],
    ['the peer’s when the proxy forwards nothing behind a comma', '10.0.0.1', '6.6.6.6,', 1, '10.0.0.1'],
    ['the peer’s when an inner proxy forwards garbage', '10.0.0.1', '6.6.6.6, 10.0.0.3, _hidden', 2, '10.0.0.1'],
    ['the one that the proxy saw, without its port', '10.0.0.1', '9.9.9.1, 203.0.113.9:51234', 1, '203.0.113.9'],
    ['the one that the proxy saw, without its brackets', '10.0.0.1', '9.9.9.1, [2001:db8::1]', 1, '2001:db8::1'],
    ['an IPv6 address without brackets and port', '10.0.0.1', '9.9.9.1, [2001:db8::1]:443', 1, '2001:db8::1'],
    ['the mapped address that the proxy saw', '10.0.0.1', '[::ffff:203.0.113.9]:443', 1, '203.0.113.9'],
    ['the quoted address that the proxy saw', '10.0.0.1', '"[2001:db8::1]:443"', 1, '2001:db8::1'],
    ['the peer’s when the port is none', '10.0.0.1', '203.0.113.9:http', 1, '10.0.0.1'],
    ['the peer’s when the bracket stays open', '10.0.0.1', '[2001:db8::1', 1, '10.0.0.1'],
  ])('is %s', (_, peer, forwarded, hops, expected) => {
    expect(clientAddress(request(peer, forwarded), hops)).toBe(expected);
  });

  it.each([
    ['the peer’s when it is no proxy', '192.0.2.7', '1.1.1.1', '192.0.2.7'],
    ['the one that a proxy saw', '10.1.2.3', '6.6.6.6, 1.1.1.1', '1.1.1.1'],
    [
      'the one that the first of any number of proxies saw',
      '::1',
      '6.6.6.6, 1.1.1.1, 10.0.0.2:80, [fd00::2]',
      '1.1.1.1',
    ],
    ['the first proxy’s when all are proxies', '10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
    ['the peer’s when a proxy forwards garbage', '10.0.0.1', '1.1.1.1, unknown', '10.0.0.1'],
    ['a mapped proxy’s client', '::ffff:10.0.0.1', '1.1.1.1', '1.1.1.1'],
  ])('behind proxies of known networks is %s', (_, peer, forwarded, expected) => {
    const { TRUST_PROXY } = loadConfig(gatewayConfig, { TRUST_PROXY: '10.0.0.0/8, ::1,fd00::/8' });
    expect(clientAddress(request(peer, forwarded), TRUST_PROXY)).toBe(expected);
  });

  it.each([
    '17',
    '-1',
    '1.5',
    'yes',
    '10.0.0.0/33',
    '10.0.0/8',
    '::1/129',
    '10.0.0.0/8,',
    '10.0.0.0/',
    'proxy.example',
  ])('needs a number or networks of proxies, not %s', (value) => {
    expect(() => loadConfig(gatewayConfig, { TRUST_PROXY: value })).toThrow(/TRUST_PROXY/);
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

  it('has a network that a provider gives a customer, if it is IPv6', () => {
    expect(siteKey('2001:0DB8:1:2:ffff::1')).toBe('2001:db8:1::/48');
    expect(siteKey('2001:db8::1')).toBe('2001:db8:0::/48');
    expect(siteKey('192.0.2.1')).toBeUndefined();
  });
});
