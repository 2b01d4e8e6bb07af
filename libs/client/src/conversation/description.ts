import type { Conversation, Message } from '#contracts';

/**
 * The description of a conversation: title, policy, member count, last message. Description, member count and messages
 * change independently, so each keeps its own revision. With a single revision, a later change of one would hide
 * changes of the others.
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

  /** Applies the parts of a description that are not older than the known ones. */
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

  /** Notes a message; messages may arrive in any order. */
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
