import type { Message } from '@parley/contracts';

/** What happened, as a sentence. Kinds that this page does not know are told as they are called. */
export function systemText(note: Message['system'], sender: string, subject: string): string {
  const { kind = '', value = '' } = note ?? {};
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
  return known[kind] ?? `${sender}: ${kind} ${value}`.trim();
}
