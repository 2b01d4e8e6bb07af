import type { CallOutput, Message } from '#contracts';
import { replaceMessage, type ReactionChange } from './message-list.js';

/** A window beyond the first size is trimmed to the second, at its far end. */
const MAX_MESSAGES = 600;
const TRIMMED_MESSAGES = 400;
const MAX_PARKED = 1000;

/** A page of messages, as the server answers it. */
export type MessagePage = CallOutput<'conversation.history'>;

/**
 * The loaded part of a conversation: messages by `seq` without gaps, each in its newest known state. Closed until
 * {@link open}. New messages join a window that ends with the newest message; those that arrive out of order, or while
 * a page is being loaded, are parked until their place comes.
 */
export class MessageWindow {
  private items: readonly Message[] | undefined;
  private end = 0;
  private following = false;
  private loads = 0;
  private readonly parked = new Map<number, Message>();

  constructor(private readonly userId: string) {}

  /** Undefined while the window is closed. */
  get messages(): readonly Message[] | undefined {
    return this.items;
  }

  get isOpen(): boolean {
    return this.items !== undefined;
  }

  /** The first `seq`; 0 for a window that is empty or closed. */
  get oldest(): number {
    return this.items?.[0]?.seq ?? 0;
  }

  /** The `seq` where the window ends; 0 while it is closed. */
  get newest(): number {
    return this.end;
  }

  /** Whether new messages join the window. They do when it ended with the newest message that was known. */
  get isFollowing(): boolean {
    return this.following;
  }

  get isLoading(): boolean {
    return this.loads > 0;
  }

  /** Keeps messages that arrive while a page is loaded, for they may be newer than the page. Pairs with `endLoad`. */
  beginLoad(): void {
    this.loads++;
  }

  endLoad(): void {
    this.loads--;
    if (this.loads > 0) return;
    for (const seq of this.parked.keys()) if (!this.following || seq <= this.end) this.parked.delete(seq);
  }

  /** Opens the window, empty, unless it is open. */
  open(): void {
    this.items ??= [];
  }

  close(): void {
    this.items = undefined;
    this.end = 0;
    this.following = false;
    this.parked.clear();
  }

  /** The page becomes the window. */
  replace({ items, lastSeq }: MessagePage): void {
    // Messages that arrived while the page was on its way.
    for (const message of this.items ?? []) if (message.seq > lastSeq) this.park(message);
    this.items = items.map((message) => this.newestStateOf(message));
    this.end = this.items.at(-1)?.seq ?? lastSeq;
    this.following = this.end >= lastSeq;
    this.joinParked();
  }

  /** Adds a page before the window. Ignores one that does not end just before it. */
  prepend({ items }: MessagePage): void {
    if (!this.items || this.items.length === 0 || items.at(-1)?.seq !== this.oldest - 1) return;
    this.items = [...items.map((message) => this.newestStateOf(message)), ...this.items];
    if (this.items.length <= MAX_MESSAGES) return;
    this.items = this.items.slice(0, TRIMMED_MESSAGES);
    this.end = this.items.at(-1)!.seq;
    this.following = false;
  }

  /** Adds a page after the window. Ignores one that does not continue where it ends. */
  append({ items, lastSeq }: MessagePage): void {
    const added = items.filter(({ seq }) => seq > this.end);
    if (!this.items || added[0]?.seq !== this.end + 1) return;
    this.items = [...this.items, ...added.map((message) => this.newestStateOf(message))];
    this.end = added.at(-1)!.seq;
    this.following ||= this.end >= lastSeq;
    this.joinParked();
    this.trimStart();
  }

  /** Takes in a message from a live event or an answer. An older state never replaces a newer one. */
  put(message: Message, reaction?: ReactionChange): void {
    const index = message.seq <= this.end ? message.seq - this.oldest : -1;
    if (this.items?.[index]) this.items = replaceMessage(this.items, index, message, this.userId, reaction);
    else if (this.loads > 0 || (this.following && message.seq > this.end)) {
      this.park(message);
      this.joinParked();
    }
  }

  private park(message: Message): void {
    const parked = this.parked.get(message.seq);
    if (parked && parked.rev > message.rev) return;
    this.parked.set(message.seq, message);
    if (this.parked.size > MAX_PARKED) this.parked.delete(this.parked.keys().next().value!);
  }

  /** Parked messages join the window's end, up to the next gap. */
  private joinParked(): void {
    if (!this.items) return;
    const joining: Message[] = [];
    for (let next = this.parked.get(this.end + 1); next; next = this.parked.get(this.end + 1)) {
      joining.push(next);
      this.parked.delete(next.seq);
      this.end = next.seq;
    }
    if (joining.length === 0) return;
    this.items = [...this.items, ...joining];
    this.trimStart();
  }

  private trimStart(): void {
    if (this.items && this.items.length > MAX_MESSAGES) this.items = this.items.slice(-TRIMMED_MESSAGES);
  }

  /** The newest known state of a message out of a page. */
  private newestStateOf(message: Message): Message {
    const parked = this.parked.get(message.seq);
    const present = message.seq <= this.end ? this.items?.[message.seq - this.oldest] : undefined;
    return [parked, present].reduce<Message>(
      (newest, state) => (state && state.rev > newest.rev ? state : newest),
      message,
    );
  }
}
