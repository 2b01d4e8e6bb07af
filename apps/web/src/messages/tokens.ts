export type Token =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'link'; readonly text: string; readonly href: string }
  | { readonly kind: 'mention'; readonly text: string; readonly name: string };

/** Matches without backtracking, so matching takes linear time. */
const candidates = /(?<=^|[\s(<"'“„‘])(?:https?:\/\/[^\s<>"'”“]+|@[a-z0-9_.-]{3,32})/giu;
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

/** Splits a body into text, links and mentions. The texts of the tokens, joined, are the body. */
export function tokenize(body: string): Token[] {
  const tokens: Token[] = [];
  let end = 0;
  const push = (token: Token) => {
    if (token.text !== '') tokens.push(token);
  };
  for (const match of body.matchAll(candidates)) {
    const text = withoutPunctuation(match[0]);
    const href = text.startsWith('@') ? undefined : safeHref(text);
    if (text.length < 4 || (!text.startsWith('@') && href === undefined)) continue;
    push({ kind: 'text', text: body.slice(end, match.index) });
    push(
      href === undefined ? { kind: 'mention', text, name: text.slice(1).toLowerCase() } : { kind: 'link', text, href },
    );
    end = match.index + text.length;
  }
  push({ kind: 'text', text: body.slice(end) });
  return tokens;
}
