import { formatBody, type Block, type Inline } from '@parley/client/format';
import { createElement, useMemo, type ReactNode } from 'react';
import { CodeBlock } from './code-block.tsx';

/**
 * A message's body with its formatting, its links, and mentions of these usernames. What people write never becomes
 * markup: React makes elements and text nodes of the parsed tree.
 */
export function RichText({
  body,
  names = '',
}: {
  readonly body: string;
  /** Separated by spaces. */
  readonly names?: string;
}): ReactNode {
  return useMemo(() => formatBody(body, names.split(' ')).map(showBlock), [body, names]);
}

/** A block and those in it. Each outer block has the direction of its own letters; inner ones follow it. */
const showBlock = (block: Block, at: number): ReactNode => blockElement(block, at, 'auto');
const showInner = (block: Block, at: number): ReactNode => blockElement(block, at, undefined);

// A body's parts never move, so their position identifies them.
function blockElement(block: Block, at: number, dir: 'auto' | undefined): ReactNode {
  switch (block.kind) {
    case 'paragraph':
      return (
        <p key={at} dir={dir}>
          {block.children.map(showInline)}
        </p>
      );
    case 'code':
      return <CodeBlock key={at} language={block.language} text={block.text} />;
    case 'quote':
      return (
        <blockquote key={at} dir={dir}>
          {block.children.map(showInner)}
        </blockquote>
      );
    case 'list': {
      const items = block.items.map((item, n) => <li key={n}>{item.map(showInner)}</li>);
      return block.start === undefined ? (
        <ul key={at} dir={dir}>
          {items}
        </ul>
      ) : (
        <ol key={at} dir={dir} start={block.start}>
          {items}
        </ol>
      );
    }
  }
}

const elements = { bold: 'strong', italic: 'em', strike: 's' } as const;

function showInline(part: Inline, at: number): ReactNode {
  switch (part.kind) {
    case 'text':
      return part.text;
    case 'code':
      return <code key={at}>{part.text}</code>;
    case 'mention':
      return (
        <bdi key={at} className="mention">
          {part.text}
        </bdi>
      );
    case 'link':
      return (
        <a key={at} href={part.href} title={part.href} target="_blank" rel="noopener noreferrer nofollow ugc">
          {part.children.map(showInline)}
        </a>
      );
    case 'bold':
    case 'italic':
    case 'strike':
      return createElement(elements[part.kind], { key: at }, ...part.children.map(showInline));
  }
}
