/** The addresses to which webhooks may be sent, as far as their text tells. */

/** A scheme and a host, without an account. URL parsers would also find a host in `https:///host` and `https:\\host`. */
const SHAPE = /^https?:\/\/[^/?#@\\]+(?:[/?#]|$)/i;
/** Ports above 1023 of other protocols, which browsers refuse too: https://fetch.spec.whatwg.org/#port-blocking */
const OTHER_PROTOCOLS = new Set([
  1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
]);

/** Why an address is refused. Undefined for a good one. Says nothing about where the host is. */
export function problemOfWebhookUrl(text: string): string | undefined {
  // URL parsers skip white space and control characters, so the stored address would differ from the one that is called.
  if (/[\s\p{Cc}]/u.test(text)) return 'must not contain white space or control characters';
  if (!SHAPE.test(text) || !URL.canParse(text)) return 'must be an https address, with a host and without an account';
  const { port, hostname } = new URL(text);
  if (hostname === '') return 'must have a host';
  const number = Number(port);
  if (port !== '' && number !== 80 && number !== 443 && (number < 1024 || OTHER_PROTOCOLS.has(number)))
    return 'must have port 80, 443 or one above 1023 that is not known for another protocol';
  return undefined;
}
