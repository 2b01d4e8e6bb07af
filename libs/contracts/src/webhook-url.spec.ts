import { describe, expect, it } from 'vitest';
import { problemOfWebhookUrl } from './webhook-url.js';

describe('the address of a webhook', () => {
  it.each([
    'https://hooks.localhost/path?query#part',
    'HTTPS://hooks.localhost',
    'https://hooks.localhost?query',
    'https://hooks.localhost:443/',
    'https://hooks.localhost:80/',
    'http://127.0.0.1:1024/',
    'https://[::1]:8443/@anna',
    'https://xn--bcher-kva.localhost:65535/',
  ])('may be %s', (url) => expect(problemOfWebhookUrl(url)).toBeUndefined());

  it.each([
    'https:///hooks.localhost',
    'https:hooks.localhost',
    'https:/hooks.localhost',
    'https:\\\\hooks.localhost',
    'https://\\hooks.localhost',
    'https://hooks.localhost\\@other.localhost/',
    'https://',
    'https://:443/',
    'https://?query',
    'https://user@hooks.localhost/',
    'https://user:password@hooks.localhost/',
    'https://@hooks.localhost/',
    'https://:@hooks.localhost/',
    'ftp://hooks.localhost/',
    'javascript:alert(1)',
    'hooks.localhost',
    'https://hooks.localhost:65536/',
    'https://hooks.localhost:x/',
    'https://256.0.0.1/',
  ])('is not %s', (url) => expect(problemOfWebhookUrl(url)).toMatch(/^must be an https address/));

  it.each([0, 1, 22, 25, 81, 110, 444, 1023, 2049, 5060, 6000, 6667, 10080])('has not the port %i', (port) =>
    expect(problemOfWebhookUrl(`https://hooks.localhost:${port}/`)).toMatch(/^must have port/),
  );

  it.each([' ', '\n', '\t', '\u0000', '\u00a0'])('does not contain %j', (gap) =>
    expect(problemOfWebhookUrl(`https://hooks.localhost/ho${gap}ok`)).toMatch(/white space/),
  );
});
