import { Fragment, type ReactNode } from 'react';
import { tokenize } from './tokens.ts';

/** A body as text, with its links and the mentions of these usernames. What people write is never markup: React makes text nodes of it. */
export function RichText({
  body,
  names = [],
}: {
  readonly body: string;
  readonly names?: readonly string[];
}): ReactNode {
  return tokenize(body).map((token, at) => {
    // A body's tokens never move: their place is their identity.
    if (token.kind === 'link')
      return (
        <a key={at} href={token.href} target="_blank" rel="noopener noreferrer nofollow ugc">
          {token.text}
        </a>
      );
    if (token.kind === 'mention' && names.includes(token.name))
      return (
        <span key={at} className="mention">
          {token.text}
        </span>
      );
    return <Fragment key={at}>{token.text}</Fragment>;
  });
}
