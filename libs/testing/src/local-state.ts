import type {
  CallOutput,
  Changes,
  Conversation,
  Member,
  Membership,
  Message,
  Receipt,
  ServerEvent,
  ServerEventName,
} from '@parley/contracts';

/** What a client holds of one conversation. */
export interface HeldConversation {
  conversation: Conversation;
  /** By `seq`. */
  readonly messages: Map<number, Message>;
  readonly members: Map<string, Member>;
  /** The user's own settings, and what they are here; without positions and counts, which follow from the rest. */
  mine: Pick<Membership, 'notifications' | 'unreadFrom'>;
  /** The greatest `rev` of an emptied board that was told. */
  drawingRev: number;
  /** Newest known positions by user; positions never go back. */
  readonly receipts: Map<string, Pick<Receipt, 'deliveredSeq' | 'readSeq'>>;
  /** Everything up to this `rev` is held. */
  cursor: number;
  /** Revs beyond the cursor that arrived already; the hole before them is filled by later events or by `sync`. */
  readonly ahead: Set<number>;
}

type Sync = CallOutput<'sync'>;

/**
 * What a client knows by applying live events and the answers of `sync`, and nothing else: the reference for I9.
 * Applying the same thing twice, or an older state after a newer one, changes nothing.
 */
export class LocalState {
  epoch: string | undefined;
  readonly conversations = new Map<string, HeldConversation>();

  constructor(readonly userId: string) {}

  /** The `cursors` of a `sync` call. */
  cursors(): Record<string, number> {
    return Object.fromEntries([...this.conversations].map(([id, { cursor }]) => [id, cursor]));
  }

  /** Messages in `seq` order. */
  messages(conversationId: string): Message[] {
    return [...(this.conversations.get(conversationId)?.messages.values() ?? [])].sort((a, b) => a.seq - b.seq);
  }

  /** Others' messages after one's own read position, or from one's private mark on, that are neither deleted nor `system` (I4), counted one by one. */
  unread(conversationId: string): number {
    return this.unreadMessages(conversationId).length;
  }

  /** Those of them that mention the user. */
  mentions(conversationId: string): number {
    return this.unreadMessages(conversationId).filter(({ mentions }) => mentions.includes(this.userId)).length;
  }

  private unreadMessages(conversationId: string): Message[] {
    const held = this.conversations.get(conversationId);
    const from = held?.mine.unreadFrom ?? (held?.receipts.get(this.userId)?.readSeq ?? 0) + 1;
    return this.messages(conversationId).filter(
      ({ seq, senderId, deletedAt, type }) =>
        seq >= from && senderId !== this.userId && deletedAt === undefined && type !== 'system',
    );
  }

  /** Begins a conversation anew at a `rev`: what was applied after it is applied again by a `sync` from there, over whatever was loaded meanwhile. */
  rewind(conversationId: string, rev: number): void {
    const held = this.conversations.get(conversationId);
    if (!held) return;
    held.cursor = rev;
    held.ahead.clear();
  }

  apply<N extends ServerEventName>(name: N, payload: ServerEvent<N>): void {
    const event = { name, payload } as {
      [E in ServerEventName]: { name: E; payload: ServerEvent<E> };
    }[ServerEventName];
    switch (event.name) {
      case 'session:ready':
        this.epoch ??= event.payload.epoch;
        return;
      case 'message:new':
      case 'message:updated':
        return this.message(event.payload.message);
      case 'conversation:new':
        return this.conversation(event.payload.conversation, true);
      case 'conversation:updated':
        this.conversation(event.payload.conversation, false);
        return this.advance(event.payload.conversation.id, event.payload.conversation.rev);
      case 'conversation:removed':
        this.conversations.delete(event.payload.conversationId);
        return;
      case 'member:changed':
        this.member(event.payload.conversationId, 'member' in event.payload ? event.payload.member : event.payload);
        this.counted(event.payload);
        return this.advance(event.payload.conversationId, event.payload.rev);
      case 'receipt:updated':
        return this.receipt(event.payload);
      case 'unread:changed':
        this.marked(event.payload.conversationId, event.payload.unreadFrom, event.payload.notifications);
        return this.receipt({ ...event.payload, userId: this.userId, deliveredSeq: event.payload.readSeq });
      case 'drawing:reset':
        this.emptied(event.payload.conversationId, event.payload.rev);
        return this.advance(event.payload.conversationId, event.payload.rev);
      case 'session:revoked':
      case 'presence:changed':
      case 'typing':
      case 'drawing:line':
      case 'peer:signal':
        return;
    }
  }

  applySync({ epoch, changes, added, removed }: Sync): void {
    if (this.epoch !== undefined && this.epoch !== epoch) this.conversations.clear();
    this.epoch = epoch;
    for (const id of removed) this.conversations.delete(id);
    for (const conversation of added) this.conversation(conversation, true);
    for (const change of changes) this.changes(change.conversationId, change);
  }

  /** All members of a conversation that came in as a whole. */
  applyMembers(conversationId: string, members: readonly Member[]): void {
    this.conversations.get(conversationId)?.members.clear();
    for (const member of members) this.member(conversationId, member);
  }

  /** Messages from a page, for conversations that came in as a whole. */
  applyPage(messages: readonly Message[]): void {
    for (const message of messages) this.keep(message);
  }

  /** Holds positions that the server told; also those in the answers of one's own receipt calls. */
  receipt({
    conversationId,
    userId,
    deliveredSeq,
    readSeq,
  }: Pick<Receipt, 'conversationId' | 'userId' | 'deliveredSeq' | 'readSeq'>): void {
    const receipts = this.conversations.get(conversationId)?.receipts;
    const known = receipts?.get(userId) ?? { deliveredSeq: 0, readSeq: 0 };
    receipts?.set(userId, {
      deliveredSeq: Math.max(known.deliveredSeq, deliveredSeq),
      readSeq: Math.max(known.readSeq, readSeq),
    });
  }

  private changes(conversationId: string, { conversation, messages, members, receipts, drawing, rev }: Changes): void {
    if (drawing) this.emptied(conversationId, drawing.rev);
    if (conversation) this.conversation(conversation, false);
    for (const message of messages) this.keep(message);
    for (const member of members ?? []) this.member(conversationId, member);
    for (const receipt of receipts) this.receipt(receipt);
    const held = this.conversations.get(conversationId);
    if (held) this.settle(held, rev);
  }

  private conversation(conversation: Conversation, whole: boolean): void {
    const held = this.conversations.get(conversation.id);
    if (held) {
      if (conversation.rev >= held.conversation.rev) held.conversation = conversation;
    } else if (whole) {
      this.conversations.set(conversation.id, {
        conversation,
        messages: new Map(),
        members: new Map(),
        receipts: new Map(),
        cursor: conversation.rev,
        ahead: new Set(),
        mine: { notifications: 'all' },
        drawingRev: 0,
      });
    }
    if (conversation.lastMessage) this.keep(conversation.lastMessage);
    if (conversation.me) this.own(conversation.id, conversation.me);
  }

  /** The user’s own settings and positions, as an answer told them. */
  own(conversationId: string, me: Membership): void {
    const held = this.conversations.get(conversationId);
    if (held)
      held.mine = {
        notifications: me.notifications,
        ...(me.unreadFrom === undefined ? {} : { unreadFrom: me.unreadFrom }),
      };
    this.receipt({ conversationId, userId: this.userId, deliveredSeq: me.deliveredSeq, readSeq: me.readSeq });
  }

  /** The private mark as it is now, and what the user is notified of, where that was told. */
  marked(conversationId: string, unreadFrom: number | undefined, notifications?: Membership['notifications']): void {
    const held = this.conversations.get(conversationId);
    if (held)
      held.mine = {
        notifications: notifications ?? held.mine.notifications,
        ...(unreadFrom === undefined ? {} : { unreadFrom }),
      };
  }

  private counted({ conversationId, rev, memberCount }: ServerEvent<'member:changed'>): void {
    const held = this.conversations.get(conversationId);
    if (held && memberCount !== undefined && rev >= held.conversation.rev)
      held.conversation = { ...held.conversation, memberCount, rev };
  }

  private emptied(conversationId: string, rev: number): void {
    const held = this.conversations.get(conversationId);
    if (held) held.drawingRev = Math.max(held.drawingRev, rev);
  }

  private message(message: Message): void {
    this.keep(message);
    this.advance(message.conversationId, message.rev);
  }

  private keep(message: Message): void {
    const held = this.conversations.get(message.conversationId);
    if (!held) return;
    if ((held.messages.get(message.seq)?.rev ?? 0) <= message.rev) held.messages.set(message.seq, message);
  }

  private member(conversationId: string, member: Member | { userId: string; left: true }): void {
    const held = this.conversations.get(conversationId);
    if (!held) return;
    if ('left' in member) {
      held.members.delete(member.userId);
      held.receipts.delete(member.userId);
      return;
    }
    held.members.set(member.userId, member);
    this.receipt({ conversationId, ...member });
  }

  private advance(conversationId: string, rev: number): void {
    const held = this.conversations.get(conversationId);
    if (!held || rev <= held.cursor) return;
    held.ahead.add(rev);
    this.settle(held, held.cursor);
  }

  private settle(held: HeldConversation, rev: number): void {
    held.cursor = Math.max(held.cursor, rev);
    while (held.ahead.delete(held.cursor + 1)) held.cursor += 1;
    for (const known of held.ahead) if (known <= held.cursor) held.ahead.delete(known);
  }
}
