import { styleText } from 'node:util';
import type { Attachment, Message } from '@parley/client';
import { formatBody, type Block, type Inline } from '@parley/client/format';
import type { Directory } from './directory.js';
import { inline, printable } from './printable.js';

export const sizeOf = (bytes: number): string =>
  bytes < 1024
    ? `${bytes} B`
    : bytes < 1024 ** 2
      ? `${(bytes / 1024).toFixed(1)} KiB`
      : `${(bytes / 1024 ** 2).toFixed(1)} MiB`;

const attachmentText = ({ name, size }: Attachment): string => `[${inline(name) || 'file'}, ${sizeOf(size)}]`;

/**
 * The text of a message, fit for the terminal: its body, its files, or the system message. It may have several lines.
 */
export function textOf(message: Message, directory: Directory): string {
  if (message.deletedAt !== undefined) return '(deleted)';
  if (message.type === 'system') return systemText(message, directory);
  return [...(message.body === '' ? [] : [printable(message.body)]), ...message.attachments.map(attachmentText)].join(
    '\n',
  );
}

/**
 * {@link textOf} with the formatting of the body as styles of the terminal. The control sequences are this program's:
 * those of others are gone before.
 */
export function styledTextOf(message: Message, directory: Directory): string {
  if (message.deletedAt !== undefined || message.type === 'system' || message.body === '')
    return textOf(message, directory);
  const names = message.mentions.map((userId) => directory.username(userId) ?? '');
  return [
    ...formatBody(printable(message.body), names).map((block) => styleBlock(block)),
    ...message.attachments.map(attachmentText),
  ].join('\n');
}

function styleBlock(block: Block): string {
  switch (block.kind) {
    case 'paragraph':
      return block.children.map(styleInline).join('');
    case 'code':
      return block.text
        .split('\n')
        .map((line) => `${styleText('dim', '▏')}${styleText('cyan', line)}`)
        .join('\n');
    case 'quote':
      return indent(block.children.map(styleBlock).join('\n'), () => styleText('dim', '│ '));
    case 'list':
      return block.items
        .map((item, at) => {
          const sign = block.start === undefined ? '• ' : `${block.start + at}. `;
          return indent(item.map(styleBlock).join('\n'), (line) => (line === 0 ? sign : ' '.repeat(sign.length)));
        })
        .join('\n');
  }
}

const indent = (text: string, begin: (line: number) => string): string =>
  text
    .split('\n')
    .map((line, at) => begin(at) + line)
    .join('\n');

const styles = { bold: 'bold', italic: 'italic', strike: 'strikethrough' } as const;

function styleInline(part: Inline): string {
  switch (part.kind) {
    case 'text':
      return part.text;
    case 'code':
      return styleText('cyan', part.text);
    case 'mention':
      return styleText('bold', part.text);
    case 'link': {
      const label = part.children.map(styleInline).join('');
      const isBare = part.children.length === 1 && part.children[0]!.kind === 'text' && !isLabel(part.href, label);
      return isBare ? styleText('underline', label) : `${styleText('underline', label)} (${part.href})`;
    }
    case 'bold':
    case 'italic':
    case 'strike':
      return styleText(styles[part.kind], part.children.map(styleInline).join(''));
  }
}

/** Whether a link's text is other than its address, which then has to be shown, too. */
const isLabel = (href: string, text: string): boolean =>
  !(URL.canParse(text) && new URL(text).href === href) && !text.startsWith('www.') && href !== `mailto:${text}`;

/** A system message as a sentence. An unknown kind is shown by its name. */
function systemText({ system, senderId }: Message, directory: Directory): string {
  const sender = directory.name(senderId);
  const subject = system?.userId === undefined ? '' : directory.name(system.userId);
  const value = inline(system?.value ?? '');
  const sentences: Readonly<Record<string, string>> = {
    created: `${sender} created this conversation`,
    joined: `${sender} joined`,
    added: `${sender} added ${subject}`,
    left: `${sender} left`,
    removed: `${sender} removed ${subject}`,
    banned: `${sender} banned ${subject}`,
    renamed: value === '' ? `${sender} removed the title` : `${sender} changed the title to “${value}”`,
    creator: `${sender} handed this conversation over to ${subject}`,
  };
  return sentences[system?.kind ?? ''] ?? `${sender}: ${inline(system?.kind ?? '')} ${value}`.trim();
}

const twoDigits = (value: number): string => String(value).padStart(2, '0');

export function timeOf(iso: string): string {
  const at = new Date(iso);
  return `${twoDigits(at.getHours())}:${twoDigits(at.getMinutes())}`;
}

export function dayOf(iso: string): string {
  const at = new Date(iso);
  return `${at.getFullYear()}-${twoDigits(at.getMonth() + 1)}-${twoDigits(at.getDate())}`;
}
