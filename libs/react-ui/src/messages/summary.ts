import type { ChatMessage } from '@parley/client';
import { plainTextOf } from '@parley/client/format';
import { currentStrings } from '../strings/strings.tsx';

/** A message in one line, for lists and quotes. */
export function summaryOf(message: Pick<ChatMessage, 'body' | 'type' | 'attachments' | 'deletedAt'>): string {
  const { messages } = currentStrings();
  if (message.deletedAt !== undefined) return messages.deleted;
  const text = plainTextOf(message.body);
  if (text !== '') return text;
  const name = message.attachments[0]?.name;
  return {
    image: `📷 ${messages.kinds.picture}`,
    video: `🎬 ${messages.kinds.video}`,
    audio: `🎵 ${messages.kinds.audio}`,
    voice: `🎤 ${messages.kinds.voice}`,
    document: `📄 ${name ?? messages.kinds.document}`,
    text: name ?? '',
    system: '',
  }[message.type];
}
