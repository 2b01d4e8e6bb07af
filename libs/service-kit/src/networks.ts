import { isIP } from 'node:net';

/** The key under which numbers per address are counted: an IPv6 client has its whole /64 network. */
export const addressKey = (address: string): string => networkOf(address, 4) ?? address;

/** The network that providers give a customer, which has many of {@link addressKey}: /48. Undefined for IPv4. */
export const siteKey = (address: string): string | undefined => networkOf(address, 3);

/** The network of an IPv6 address by its first groups of 16 bits. */
function networkOf(address: string, size: number): string | undefined {
  if (isIP(address) !== 6) return undefined;
  // The URL parser writes it in the one form of RFC 5952.
  const [head = '', tail] = new URL(`http://[${address.split('%')[0]!}]`).hostname.slice(1, -1).split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...Array<string>(zeros).fill('0'), ...right];
  return `${groups.slice(0, size).join(':')}::/${size * 16}`;
}
