import type { Message } from '@parley/contracts';

/** A system message as a sentence. An unknown kind is shown by its name. */
export function systemText(note: Message['system'], sender: string, subject: string): string {
  const { kind = '', value = '' } = note ?? {};
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
  return sentences[kind] ?? `${sender}: ${kind} ${value}`.trim();
}
