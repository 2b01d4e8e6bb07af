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

/** What a message says, fit for the terminal: its body, its files, or what happened. It may have newlines. */
export function textOf(message: Message, directory: Directory): string {
  if (message.deletedAt !== undefined) return '(deleted)';
  if (message.type === 'system') return systemText(message, directory);
  return [...(message.body === '' ? [] : [printable(message.body)]), ...message.attachments.map(attachmentText)].join(
    '\n',
  );
}

/** What happened, as a sentence. Kinds that are not known here are told as they are called. */
function systemText({ system, senderId }: Message, directory: Directory): string {
  const sender = directory.name(senderId);
  const subject = system?.userId === undefined ? '' : directory.name(system.userId);
  const value = inline(system?.value ?? '');
  const known: Readonly<Record<string, string>> = {
    created: `${sender} created this conversation`,
    joined: `${sender} joined`,
    added: `${sender} added ${subject}`,
    left: `${sender} left`,
    removed: `${sender} removed ${subject}`,
    banned: `${sender} banned ${subject}`,
    renamed: `${sender} changed the title to “${value}”`,
    creator: `${sender} handed this conversation over to ${subject}`,
  };
  return known[system?.kind ?? ''] ?? `${sender}: ${inline(system?.kind ?? '')} ${value}`.trim();
}

const two = (value: number): string => String(value).padStart(2, '0');

export function timeOf(iso: string): string {
  const at = new Date(iso);
  return `${two(at.getHours())}:${two(at.getMinutes())}`;
}

export function dayOf(iso: string): string {
  const at = new Date(iso);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}
