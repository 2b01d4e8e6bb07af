/** The links of a text: addresses with a scheme, `www.` addresses and mail addresses. */
import { isUnspaced, partsOf, URL_END } from '@parley/contracts';

/** A link from `index` to `end` in UTF-16 units. */
export interface LinkPart {
  readonly index: number;
  readonly end: number;
  readonly href: string;
}

/** Longer addresses are text. */
const MAX_ADDRESS = 2048;
const HOST = String.raw`(?:[\p{L}\p{N}\-]{1,63}\.){1,10}\p{L}{2,63}`;
const bare = new RegExp(
  [
    String.raw`(?<www>www\.${HOST}(?::\d{1,5})?(?:[\/?#][^${URL_END}]{0,2000})?)`,
    String.raw`(?<mail>[A-Za-z0-9][A-Za-z0-9._%+\-]{0,63}@(?:[A-Za-z0-9\-]{1,63}\.){1,10}[A-Za-z]{2,63})`,
  ].join('|'),
  'giu',
);
const closers: Readonly<Record<string, string>> = { ')': '(', ']': '[', '}': '{' };

/**
 * The href of an address. Undefined unless it is http, https or mailto. An address with a user name, which can look like
 * another site (`https://bank.example@evil.example`), is not a link either.
 */
export function safeHref(address: string): string | undefined {
  if (/^mailto:[^\s?@]+@[^\s?@]+$/i.test(address)) return address;
  if (!/^https?:\/\//i.test(address) || !URL.canParse(address)) return undefined;
  const url = new URL(address);
  return url.username === '' && url.password === '' && url.hostname !== '' ? url.href : undefined;
}

/** The links of a text, in order, without overlap, and without the punctuation of the sentence around them. */
export function linksIn(text: string): LinkPart[] {
  const links: LinkPart[] = [];
  const add = (index: number, address: string, scheme: string): void => {
    if (address.length > MAX_ADDRESS || !beginsWord(text, index)) return;
    const shown = withoutPunctuation(address);
    const href = safeHref(scheme + shown);
    if (href !== undefined) links.push({ index, end: index + shown.length, href });
  };
  let from = 0;
  for (const part of partsOf(text)) {
    if (part.kind !== 'url') continue;
    addBare(text, from, part.index, add);
    add(part.index, text.slice(part.index, part.end), '');
    from = part.end;
  }
  addBare(text, from, text.length, add);
  return links;
}

function addBare(
  text: string,
  from: number,
  to: number,
  add: (index: number, address: string, scheme: string) => void,
): void {
  if (!/www\.|@/i.test(text.slice(from, to))) return;
  for (const { index, 0: address, groups } of text.slice(from, to).matchAll(bare)) {
    const isMail = groups!['mail'] !== undefined;
    // A host name that goes on is another one, and after `/` or `@` it belongs to something longer.
    if (isMail && /^[\p{L}\p{N}@]/u.test(text.slice(from + index + address.length))) continue;
    add(from + index, address, isMail ? 'mailto:' : 'https://');
  }
}

/** The character before a position; empty at the beginning. */
export const characterBefore = (text: string, index: number): string =>
  Array.from(text.slice(Math.max(0, index - 2), index)).at(-1) ?? '';

/** False in the middle of a word. Chinese, Japanese and similar scripts put no spaces between words. */
function beginsWord(text: string, index: number): boolean {
  const before = characterBefore(text, index);
  return before === '' || isUnspaced(before) || !/[\p{L}\p{N}\p{M}.@/+-]/u.test(before);
}

/** The address without the punctuation of the sentence around it: `(see https://a.b/c).` */
function withoutPunctuation(address: string): string {
  let end = address.length;
  for (; end > 0; end--) {
    const last = address[end - 1]!;
    const opener = closers[last];
    if (opener !== undefined) {
      const inside = address.slice(0, end);
      if (inside.split(opener).length >= inside.split(last).length) break;
    } else if (!/[.,;:!?…*_~'"]/u.test(last)) break;
  }
  return address.slice(0, end);
}
