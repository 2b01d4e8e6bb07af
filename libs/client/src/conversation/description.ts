import type { Conversation, Message } from '@parley/contracts';

/**
 * What describes a conversation: title, policy, member count, last message. Description, member count and messages
 * move independently, so each keeps the revision that it is of: one revision for all of them would take a later change
 * of one for a later state of the others, and lose changes.
 */
export class Description {
  private describedRev: number;
  private countedRev: number;

  constructor(private current: Conversation) {
    this.describedRev = this.countedRev = current.rev;
  }

  get conversation(): Conversation {
    return this.current;
  }

  /** Takes over those parts of a description that are not older than what is known. */
  apply(conversation: Conversation): void {
    const { current } = this;
    const lastMessage = newer(current.lastMessage, conversation.lastMessage);
    const { memberCount } = conversation.rev >= this.countedRev ? conversation : current;
    this.current = {
      ...(conversation.rev >= this.describedRev ? conversation : current),
      memberCount,
      lastSeq: Math.max(current.lastSeq, conversation.lastSeq),
      rev: Math.max(current.rev, conversation.rev),
      ...(lastMessage && { lastMessage }),
    };
    this.describedRev = Math.max(this.describedRev, conversation.rev);
    this.countedRev = Math.max(this.countedRev, conversation.rev);
  }

  /** The member count as of `rev`. */
  setMemberCount(memberCount: number, rev: number): void {
    if (rev < this.countedRev) return;
    this.countedRev = rev;
    this.current = { ...this.current, memberCount };
  }

  /** Notes a message, in whatever order messages arrive. */
  addMessage(message: Message): void {
    const lastMessage = newer(this.current.lastMessage, message)!;
    if (lastMessage !== this.current.lastMessage) this.current = { ...this.current, lastMessage };
    this.raiseLastSeq(message.seq);
  }

  raiseLastSeq(lastSeq: number): void {
    if (lastSeq > this.current.lastSeq) this.current = { ...this.current, lastSeq };
  }

  raiseRev(rev: number): void {
    if (rev > this.current.rev) this.current = { ...this.current, rev };
  }
}

/** The message with the higher `seq`; of one message, its newer state. */
function newer(a: Message | undefined, b: Message | undefined): Message | undefined {
  if (!a || !b) return a ?? b;
  if (a.seq !== b.seq) return a.seq > b.seq ? a : b;
  return b.rev > a.rev ? b : a;
}
