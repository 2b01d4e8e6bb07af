import type { Attachment, Message } from '@parley/client';
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
