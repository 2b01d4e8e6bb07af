import type { Membership, Message } from '#contracts';

type Counts = Pick<Membership, 'unread' | 'mentions'>;

/** Whether a message counts as unread for this user while it is after the read position. */
export const canBeUnread = ({ senderId, type, deletedAt }: Message, userId: string): boolean =>
  senderId !== userId && type !== 'system' && deletedAt === undefined;

/**
 * The number of unread messages by others, and of those that mention the user. The counts come from the server and are
 * adjusted by incoming messages. After a change with unknown effect they are stale until they are counted in the window
 * or requested again.
 */
export class UnreadCounter {
  /** Whether the counts are uncertain. */
  isStale = false;
  private current: Counts = { unread: 0, mentions: 0 };
  /** The counts include every message up to this `seq`, whether or not its event has arrived. */
  private countedSeq = 0;

  /** `countedRev`: the counts include every change up to this revision. */
  constructor(
    private readonly userId: string,
    private countedRev: number,
  ) {}

  get counts(): Counts {
    return this.current;
  }

  /** Takes over the server's counts as of `rev`. */
  adopt({ unread, mentions }: Counts, rev: number): void {
    this.current = { unread, mentions };
    this.countedRev = rev;
    this.countedSeq = 0;
    this.isStale = false;
  }

  /**
   * Adjusts the counts by a message at or after the first unread one. Call it before the message's `rev` is applied.
   */
  add(message: Message, change: { readonly isNew: boolean; readonly isReaction: boolean }): void {
    if (message.rev <= this.countedRev || message.senderId === this.userId) return;
    if (!change.isNew) this.isStale ||= !change.isReaction;
    else if (message.seq > this.countedSeq && canBeUnread(message, this.userId))
      this.current = {
        unread: this.current.unread + 1,
        mentions: this.current.mentions + (message.mentions.includes(this.userId) ? 1 : 0),
      };
  }

  /** Everything has been read. */
  clear(): void {
    this.current = { unread: 0, mentions: 0 };
  }

  /** Counts these messages: all from the first unread one to the newest, with every change up to `rev`. */
  recount(messages: readonly Message[], rev: number): void {
    this.adopt(this.countsOf(messages), Math.max(rev, this.countedRev));
    this.countedSeq = messages[messages.length - 1]?.seq ?? 0;
  }

  /** These messages, which the counts include, have been read. */
  subtract(messages: readonly Message[]): void {
    const { unread, mentions } = this.countsOf(messages);
    this.current = {
      unread: Math.max(0, this.current.unread - unread),
      mentions: Math.max(0, this.current.mentions - mentions),
    };
  }

  private countsOf(messages: readonly Message[]): Counts {
    const unread = messages.filter((message) => canBeUnread(message, this.userId));
    return {
      unread: unread.length,
      mentions: unread.filter((message) => message.mentions.includes(this.userId)).length,
    };
  }
}
