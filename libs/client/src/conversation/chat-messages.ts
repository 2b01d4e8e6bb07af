import type { Message } from '#contracts';
import type { ChatMessage } from '../types.js';
import type { Ticks } from './kept-tail.js';

/** Makes messages as they are shown out of stored ones. The same message with the same status is the same object. */
export class ChatMessages {
  private readonly made = new WeakMap<Message, ChatMessage>();

  constructor(private readonly userId: string) {}

  /** The stored messages, then those of the pending ones that are not among them. */
  list(stored: readonly Message[], pending: readonly ChatMessage[], ticks: Ticks): readonly ChatMessage[] {
    const own = new Set(stored.filter(({ senderId }) => senderId === this.userId).map(({ clientId }) => clientId));
    return [
      ...stored.map((message) => this.make(message, this.statusOf(message, ticks))),
      ...pending.filter(({ clientId }) => !own.has(clientId)),
    ];
  }

  private statusOf({ senderId, seq }: Message, { delivered, read }: Ticks): ChatMessage['status'] {
    if (senderId !== this.userId || seq > delivered) return 'sent';
    return seq <= read ? 'read' : 'delivered';
  }

  private make(message: Message, status: ChatMessage['status']): ChatMessage {
    const before = this.made.get(message);
    if (before?.status === status) return before;
    const made = { ...message, status };
    this.made.set(message, made);
    return made;
  }
}
