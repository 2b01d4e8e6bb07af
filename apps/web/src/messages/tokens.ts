import { partsOf, type MentionPart, type UrlPart } from '@parley/contracts';

export type Token =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'link'; readonly text: string; readonly href: string }
  | { readonly kind: 'mention'; readonly text: string; readonly name: string };

/** What may stand before a link. */
const beforeLink = /[\s(<"'“„‘]/u;
const closers: Readonly<Record<string, string>> = { ')': '(', ']': '[', '}': '{' };

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

/**
 * The address of a link. Undefined unless it is http or https. An address with a user name, which can look like another
 * site (`https://bank.example@evil.example`), is not a link either.
 */
function safeHref(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  return (url.protocol === 'https:' || url.protocol === 'http:') &&
    url.username === '' &&
    url.password === '' &&
    url.hostname !== ''
    ? url.href
    : undefined;
}

/**
 * Splits a body into text, links and mentions of these usernames, by the rules of the server. The texts of the tokens,
 * joined, are the body.
 */
export function tokenize(body: string, usernames: readonly string[] = []): Token[] {
  const tokens: Token[] = [];
  let end = 0;
  const push = (token: Token) => {
    if (token.text !== '') tokens.push(token);
  };
  for (const part of partsOf(body)) {
    const token = part.kind === 'url' ? linkOf(body, part) : mentionOf(body, part, usernames);
    if (!token) continue;
    push({ kind: 'text', text: body.slice(end, part.index) });
    push(token);
    end = part.index + token.text.length;
  }
  push({ kind: 'text', text: body.slice(end) });
  return tokens;
}

function linkOf(body: string, { index, end }: UrlPart): Token | undefined {
  if (index > 0 && !beforeLink.test(body[index - 1]!)) return undefined;
  const text = withoutPunctuation(body.slice(index, end));
  const href = safeHref(text);
  return href === undefined ? undefined : { kind: 'link', text, href };
}

function mentionOf(body: string, part: MentionPart, usernames: readonly string[]): Token | undefined {
  const name = part.usernames.find((username) => usernames.includes(username));
  return name === undefined
    ? undefined
    : { kind: 'mention', text: body.slice(part.index, part.index + 1 + name.length), name };
}
