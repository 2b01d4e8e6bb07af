import { formatBody, type Block } from './blocks.js';
import type { Inline } from './inline.js';

/** A message's body in one line, without its markup: for lists, quotes and notifications. */
export const plainTextOf = (body: string): string =>
  formatBody(body).map(plainBlock).join(' ').replaceAll(/\s+/g, ' ').trim();

function plainBlock(block: Block): string {
  switch (block.kind) {
    case 'paragraph':
      return block.children.map(plainInline).join('');
    case 'code':
      return block.text;
    case 'quote':
      return block.children.map(plainBlock).join(' ');
    case 'list':
      return block.items.map((item) => item.map(plainBlock).join(' ')).join(' ');
  }
}

const plainInline = (part: Inline): string =>
  'children' in part ? part.children.map(plainInline).join('') : part.text;
