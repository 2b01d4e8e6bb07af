import type { Message } from '#contracts';
import { replaceMessage, type ReactionChange } from './message-list.js';

const MAX_MESSAGES = 50;

/** The `seq` up to which all other members have received and read everything. */
export interface Ticks {
  readonly delivered: number;
  readonly read: number;
}

/**
 * The newest messages of a conversation, without gaps: the part that is kept over reloads. A tail that was restored
 * from the storage is shown until the conversation is opened, or until the server reports a change that it lacks.
 */
export class KeptTail {
  private items: readonly Message[] = [];
  private restoredTicks: Ticks | undefined;

  /** `enabled`: whether messages are kept at all. */
  constructor(
    private readonly userId: string,
    private readonly enabled: boolean,
  ) {}

  get messages(): readonly Message[] {
    return this.items;
  }

  /** The ticks of a restored tail. Undefined if the tail is not shown. */
  get ticks(): Ticks | undefined {
    return this.restoredTicks;
  }

  get isShown(): boolean {
    return this.restoredTicks !== undefined;
  }

  restore(messages: readonly Message[], ticks: Ticks): void {
    this.items = messages;
    this.restoredTicks = ticks;
  }

  /** The window is shown from now on. */
  hide(): void {
    this.restoredTicks = undefined;
  }

  forget(): void {
    this.items = [];
    this.hide();
  }

  /** Takes over the end of a window that ends with the newest message. */
  copyFrom(window: readonly Message[]): void {
    if (this.enabled) this.items = window.slice(-MAX_MESSAGES);
  }

  put(message: Message, reaction?: ReactionChange): void {
    if (!this.enabled) return;
    const index = message.seq - (this.items[0]?.seq ?? Infinity);
    const next = (this.items.at(-1)?.seq ?? message.seq - 1) + 1;
    if (this.items[index]) this.items = replaceMessage(this.items, index, message, this.userId, reaction);
    else if (message.seq === next) this.items = [...this.items, message].slice(-MAX_MESSAGES);
    else if (message.seq > next) this.items = [message];
  }
}
