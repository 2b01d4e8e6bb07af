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

/**
 * A client's state of one conversation. Description, member count, members and messages change independently, so each
 * keeps its own revision: an answer of `sync` may be older than a live event that arrived before it.
 */
export interface LocalConversation {
  conversation: Conversation;
  describedRev: number;
  countedRev: number;
  /** By `seq`. */
  readonly messages: Map<number, Message>;
  readonly members: Map<string, Member>;
  readonly memberRevs: Map<string, number>;
  /** The user's own settings. Positions and counts follow from the rest. */
  mine: Pick<Membership, 'notifications' | 'unreadFrom'>;
  /** The highest `rev` at which the board was emptied. */
  drawingRev: number;
  /** The highest known positions by user. */
  readonly receipts: Map<string, Pick<Receipt, 'deliveredSeq' | 'readSeq'>>;
  /** Every change up to this `rev` has been applied. */
  cursor: number;
  /** Revisions beyond the cursor that have been applied. Later events or `sync` close the gap before them. */
  readonly ahead: Set<number>;
}

type Sync = CallOutput<'sync'>;
type MemberChange = Member | { readonly userId: string; readonly left: true };

/**
 * The reference state for I9: live events plus `sync` answers only. Applying an input twice, or an older state after a
 * newer one, changes nothing.
 */
export class LocalState {
  epoch: string | undefined;
  readonly conversations = new Map<string, LocalConversation>();

  constructor(readonly userId: string) {}

  /** The `cursors` of a `sync` call. */
  cursors(): Record<string, number> {
    return Object.fromEntries([...this.conversations].map(([id, { cursor }]) => [id, cursor]));
  }

  /** Messages by `seq`. */
  messages(conversationId: string): Message[] {
    return [...(this.conversations.get(conversationId)?.messages.values() ?? [])].sort((a, b) => a.seq - b.seq);
  }

  /**
   * The number of unread messages, counted one by one (I4): those of others after the read position, or from the
   * private mark on, that are neither deleted nor `system`.
   */
  unread(conversationId: string): number {
    return this.unreadMessages(conversationId).length;
  }

  /** The number of unread messages that mention the user. */
  mentions(conversationId: string): number {
    return this.unreadMessages(conversationId).filter(({ mentions }) => mentions.includes(this.userId)).length;
  }

  private unreadMessages(conversationId: string): Message[] {
    const local = this.conversations.get(conversationId);
    const from = local?.mine.unreadFrom ?? (local?.receipts.get(this.userId)?.readSeq ?? 0) + 1;
    return this.messages(conversationId).filter(
      ({ seq, senderId, deletedAt, type }) =>
        seq >= from && senderId !== this.userId && deletedAt === undefined && type !== 'system',
    );
  }

  /** Sets the cursor back, so that the next `sync` repeats every change since then over the pages loaded meanwhile. */
  rewind(conversationId: string, rev: number): void {
    const local = this.conversations.get(conversationId);
    if (!local) return;
    local.cursor = rev;
    local.ahead.clear();
  }

  /** Applies a live event. */
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
        this.applyMessage(event.payload.message);
        return this.addRevision(event.payload.message.conversationId, event.payload.message.rev);
      case 'conversation:new':
        return this.applyConversation(event.payload.conversation, true);
      case 'conversation:updated':
        this.applyConversation(event.payload.conversation, false);
        return this.addRevision(event.payload.conversation.id, event.payload.conversation.rev);
      case 'conversation:removed':
        this.conversations.delete(event.payload.conversationId);
        return;
      case 'member:changed': {
        const { conversationId, rev } = event.payload;
        this.applyMember(conversationId, 'member' in event.payload ? event.payload.member : event.payload, rev);
        this.applyMemberCount(event.payload);
        return this.addRevision(conversationId, rev);
      }
      case 'receipt:updated':
        return this.receipt(event.payload);
      case 'unread:changed':
        this.marked(event.payload.conversationId, event.payload.unreadFrom, event.payload.notifications);
        return this.receipt({ ...event.payload, userId: this.userId, deliveredSeq: event.payload.readSeq });
      case 'drawing:reset':
        this.applyDrawingReset(event.payload.conversationId, event.payload.rev);
        return this.addRevision(event.payload.conversationId, event.payload.rev);
      case 'session:revoked':
      case 'user:updated':
      case 'presence:changed':
      case 'typing':
      case 'drawing:line':
      case 'drawing:changed':
      case 'drawing:removed':
      case 'peer:signal':
        return;
    }
  }

  applySync({ epoch, changes, added, removed }: Sync): void {
    if (this.epoch !== undefined && this.epoch !== epoch) this.conversations.clear();
    this.epoch = epoch;
    for (const id of removed) this.conversations.delete(id);
    for (const conversation of added) this.applyConversation(conversation, true);
    for (const change of changes) this.applyChanges(change.conversationId, change);
  }

  /** All members of a conversation that was added as a whole. */
  applyMembers(conversationId: string, members: readonly Member[]): void {
    const local = this.conversations.get(conversationId);
    local?.members.clear();
    local?.memberRevs.clear();
    for (const member of members) this.applyMember(conversationId, member, 0);
  }

  /** Messages of a page, for conversations that were added as a whole. */
  applyPage(messages: readonly Message[]): void {
    for (const message of messages) this.applyMessage(message);
  }

  /** Positions of a `receipt:updated` event, or of the answer to a receipt call. */
  receipt({
    conversationId,
    userId,
    deliveredSeq,
    readSeq,
  }: Pick<Receipt, 'conversationId' | 'userId' | 'deliveredSeq' | 'readSeq'>): void {
    const receipts = this.conversations.get(conversationId)?.receipts;
    const present = receipts?.get(userId) ?? { deliveredSeq: 0, readSeq: 0 };
    receipts?.set(userId, {
      deliveredSeq: Math.max(present.deliveredSeq, deliveredSeq),
      readSeq: Math.max(present.readSeq, readSeq),
    });
  }

  /** The user’s own settings and positions out of an answer. */
  own(conversationId: string, me: Membership): void {
    const local = this.conversations.get(conversationId);
    if (local)
      local.mine = {
        notifications: me.notifications,
        ...(me.unreadFrom === undefined ? {} : { unreadFrom: me.unreadFrom }),
      };
    this.receipt({ conversationId, userId: this.userId, deliveredSeq: me.deliveredSeq, readSeq: me.readSeq });
  }

  /** The present private mark, and the notification setting if it is given. */
  marked(conversationId: string, unreadFrom: number | undefined, notifications?: Membership['notifications']): void {
    const local = this.conversations.get(conversationId);
    if (local)
      local.mine = {
        notifications: notifications ?? local.mine.notifications,
        ...(unreadFrom === undefined ? {} : { unreadFrom }),
      };
  }

  private applyChanges(
    conversationId: string,
    { conversation, messages, members, receipts, drawing, rev }: Changes,
  ): void {
    if (drawing) this.applyDrawingReset(conversationId, drawing.rev);
    if (conversation) this.applyConversation(conversation, false);
    for (const message of messages) this.applyMessage(message);
    for (const member of members ?? []) this.applyMember(conversationId, member, rev);
    for (const receipt of receipts) this.receipt(receipt);
    const local = this.conversations.get(conversationId);
    if (local) this.moveCursor(local, rev);
  }

  /** `whole`: adds the conversation if it is not known. */
  private applyConversation(conversation: Conversation, whole: boolean): void {
    const local = this.conversations.get(conversation.id);
    if (local) this.describe(local, conversation);
    else if (whole) {
      this.conversations.set(conversation.id, {
        conversation,
        describedRev: conversation.rev,
        countedRev: conversation.rev,
        messages: new Map(),
        members: new Map(),
        memberRevs: new Map(),
        receipts: new Map(),
        cursor: conversation.rev,
        ahead: new Set(),
        mine: { notifications: 'all' },
        drawingRev: 0,
      });
    }
    if (conversation.lastMessage) this.applyMessage(conversation.lastMessage);
    if (conversation.me) this.own(conversation.id, conversation.me);
  }

  private describe(local: LocalConversation, conversation: Conversation): void {
    const { rev } = conversation;
    const { memberCount } = rev >= local.countedRev ? conversation : local.conversation;
    local.conversation = { ...(rev >= local.describedRev ? conversation : local.conversation), memberCount };
    local.describedRev = Math.max(local.describedRev, rev);
    local.countedRev = Math.max(local.countedRev, rev);
  }

  private applyMemberCount({ conversationId, rev, memberCount }: ServerEvent<'member:changed'>): void {
    const local = this.conversations.get(conversationId);
    if (!local || memberCount === undefined || rev < local.countedRev) return;
    local.conversation = { ...local.conversation, memberCount };
    local.countedRev = rev;
  }

  private applyDrawingReset(conversationId: string, rev: number): void {
    const local = this.conversations.get(conversationId);
    if (local) local.drawingRev = Math.max(local.drawingRev, rev);
  }

  private applyMessage(message: Message): void {
    const local = this.conversations.get(message.conversationId);
    if (!local) return;
    if ((local.messages.get(message.seq)?.rev ?? 0) <= message.rev) local.messages.set(message.seq, message);
  }

  private applyMember(conversationId: string, change: MemberChange, rev: number): void {
    const local = this.conversations.get(conversationId);
    const { userId } = change;
    if (!local || rev < (local.memberRevs.get(userId) ?? 0)) return;
    local.memberRevs.set(userId, rev);
    if ('left' in change) {
      local.members.delete(userId);
      local.receipts.delete(userId);
      return;
    }
    local.members.set(userId, change);
    this.receipt({ conversationId, ...change });
  }

  private addRevision(conversationId: string, rev: number): void {
    const local = this.conversations.get(conversationId);
    if (!local || rev <= local.cursor) return;
    local.ahead.add(rev);
    this.moveCursor(local, local.cursor);
  }

  private moveCursor(local: LocalConversation, rev: number): void {
    local.cursor = Math.max(local.cursor, rev);
    while (local.ahead.delete(local.cursor + 1)) local.cursor += 1;
    for (const applied of local.ahead) if (applied <= local.cursor) local.ahead.delete(applied);
  }
}
