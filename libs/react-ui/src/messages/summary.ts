import type { ChatMessage } from '@parley/client';
import { plainTextOf } from '@parley/client/format';

/** A message in one line, for lists and quotes. */
export function summaryOf(message: Pick<ChatMessage, 'body' | 'type' | 'attachments' | 'deletedAt'>): string {
  if (message.deletedAt !== undefined) return 'This message was deleted';
  const text = plainTextOf(message.body);
  if (text !== '') return text;
  const name = message.attachments[0]?.name;
  return {
    image: '📷 Picture',
    video: '🎬 Video',
    audio: '🎵 Audio',
    voice: '🎤 Voice message',
    document: `📄 ${name ?? 'Document'}`,
    text: name ?? '',
    system: '',
  }[message.type];
}
