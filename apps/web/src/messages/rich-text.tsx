import { Fragment, type ReactNode } from 'react';
import { tokenize } from './tokens.ts';

/**
 * A message's body as text with links and with mentions of these usernames. What people write never becomes markup:
 * React makes text nodes of it.
 */
export function RichText({
  body,
  names = [],
}: {
  readonly body: string;
  readonly names?: readonly string[];
}): ReactNode {
  return tokenize(body, names).map((token, at) => {
    // A body's tokens never move, so their position identifies them.
    if (token.kind === 'link')
      return (
        <a key={at} href={token.href} target="_blank" rel="noopener noreferrer nofollow ugc">
          {token.text}
        </a>
      );
    if (token.kind === 'mention')
      return (
        <span key={at} className="mention">
          {token.text}
        </span>
      );
    return <Fragment key={at}>{token.text}</Fragment>;
  });
}
