import type { CallOutput, Conversation, Member, Membership, Message, Receipt } from '@parley/contracts';
import { ParleyError } from '../errors.js';
import type { SocketCall } from '../types.js';

/** The limits of pages and answers, small enough for a few messages to reach them. */
const maxItems = { page: 4, open: 5, openUnread: 9, changes: 3, changesInAll: 6, unnumbered: 1, added: 2 } as const;
const START = Date.parse('2026-01-01T00:00:00.000Z');

interface ModelMember {
  member: Member;
  rev: number;
  left: boolean;
}
interface ModelConversation {
  readonly id: string;
  title: string;
  readonly createdAt: string;
  rev: number;
  describedRev: number;
  membersRev: number;
  drawingRev: number;
  readonly messages: Message[];
  readonly memberStates: Map<string, ModelMember>;
  unreadFrom: number | undefined;
  /** Whether a mark was ever set. Marks have no `rev`, so from then on `sync` always sends the description again. */
  hasBeenMarked: boolean;
  notifications: Membership['notifications'];
}

/**
 * A strict server of `seq`, `rev` and `sync` (docs/protocol.md, section 3) in memory, for one user among others. Live
 * events go to `emit`.
 */
export class ModelServer {
  epoch = 'epoch-0';
  conversations = new Map<string, ModelConversation>();
  private time = 0;
  private idCount = 0;
  private backup: { conversations: Map<string, ModelConversation> } = { conversations: new Map() };

  constructor(
    readonly me: string,
    private readonly emit: (event: string, payload: unknown) => void,
  ) {}

  // ── actions of others ────────────────────────────────────────────────────────────────────────────────────────────

  create(): void {
    const id = `conversation-${this.idCount++}`;
    const conversation: ModelConversation = {
      id,
      title: id,
      createdAt: this.now(),
      rev: 1,
      describedRev: 1,
      membersRev: 1,
      drawingRev: 0,
      messages: [],
      memberStates: new Map(),
      unreadFrom: undefined,
      hasBeenMarked: false,
      notifications: 'all',
    };
    this.conversations.set(id, conversation);
    for (const userId of [this.me, 'ann', 'ben'])
      conversation.memberStates.set(userId, { member: this.newMember(userId, 0), rev: 1, left: false });
    this.emit('conversation:new', { conversation: this.describe(conversation) });
  }

  post(
    conversation: ModelConversation,
    senderId: string,
    {
      type = 'text',
      clientId,
      mention = false,
      body = 'hello',
    }: { type?: Message['type']; clientId?: string; mention?: boolean; body?: string } = {},
  ): Message {
    const id = `message-${this.idCount++}`;
    const message: Message = {
      id,
      conversationId: conversation.id,
      seq: conversation.messages.length + 1,
      rev: ++conversation.rev,
      senderId,
      clientId: clientId ?? id,
      type,
      body,
      attachments: [],
      mentions: mention ? [this.me] : [],
      createdAt: this.now(),
      reactions: [],
    };
    conversation.messages.push(message);
    this.emitToMember(conversation, 'message:new', { message });
    return message;
  }

  edit(conversation: ModelConversation, message: Message, mention: boolean): void {
    if (message.deletedAt === undefined)
      this.change(conversation, {
        ...message,
        body: `${message.body}!`,
        editedAt: this.now(),
        mentions: mention ? [this.me] : [],
      });
  }

  erase(conversation: ModelConversation, message: Message): void {
    if (message.deletedAt === undefined)
      this.change(conversation, { ...message, body: '', mentions: [], deletedAt: this.now() });
  }

  react(conversation: ModelConversation, message: Message, userId: string): void {
    if (message.deletedAt !== undefined) return;
    const before = message.reactions[0]?.userIds ?? [];
    const userIds = before.includes(userId) ? before.filter((id) => id !== userId) : [...before, userId];
    const reactions = userIds.length === 0 ? [] : [{ emoji: '👍', count: userIds.length, userIds }];
    this.change(conversation, { ...message, reactions }, { userId, emoji: '👍', added: !before.includes(userId) });
  }

  rename(conversation: ModelConversation): void {
    conversation.title = `${conversation.id}, ${this.idCount++}`;
    conversation.describedRev = ++conversation.rev;
    const { me: _, ...described } = this.describe(conversation);
    this.emitToMember(conversation, 'conversation:updated', { conversation: described });
  }

  emptyBoard(conversation: ModelConversation): void {
    conversation.drawingRev = ++conversation.rev;
    this.emitToMember(conversation, 'drawing:reset', {
      conversationId: conversation.id,
      userId: 'ann',
      rev: conversation.rev,
    });
  }

  /** Adds a member, or removes them if they are one. */
  toggleMember(conversation: ModelConversation, userId: string): void {
    const state = conversation.memberStates.get(userId);
    const rev = (conversation.membersRev = ++conversation.rev);
    if (state && !state.left) {
      conversation.memberStates.set(userId, { ...state, rev, left: true });
      this.emitToMember(conversation, 'member:changed', {
        conversationId: conversation.id,
        userId,
        left: true,
        rev,
        memberCount: this.memberCount(conversation),
      });
      if (userId === this.me) this.emit('conversation:removed', { conversationId: conversation.id, reason: 'removed' });
      return;
    }
    const member = this.newMember(userId, conversation.messages.length);
    conversation.memberStates.set(userId, { member, rev, left: false });
    if (userId === this.me) {
      conversation.unreadFrom = undefined;
      this.emit('conversation:new', { conversation: this.describe(conversation) });
    }
    this.emitToMember(conversation, 'member:changed', {
      conversationId: conversation.id,
      member,
      rev,
      memberCount: this.memberCount(conversation),
    });
  }

  changeMember(conversation: ModelConversation, userId: string, change: Partial<Member>): void {
    const state = conversation.memberStates.get(userId);
    if (!state || state.left) return;
    const rev = (conversation.membersRev = ++conversation.rev);
    const member = { ...state.member, ...change };
    conversation.memberStates.set(userId, { member, rev, left: false });
    this.emitToMember(conversation, 'member:changed', {
      conversationId: conversation.id,
      member,
      rev,
      memberCount: this.memberCount(conversation),
    });
  }

  /** `here`: by the client under test, which gets no event about its own call. */
  movePosition(
    conversation: ModelConversation,
    userId: string,
    seq: number,
    kind: 'readSeq' | 'deliveredSeq',
    here = false,
  ): Receipt {
    const state = conversation.memberStates.get(userId);
    if (!state || state.left) throw new ParleyError('not_found', conversation.id);
    const { member } = state;
    const upTo = Math.min(seq, conversation.messages.length);
    const readSeq = kind === 'readSeq' ? Math.max(member.readSeq, upTo) : member.readSeq;
    const moved = { ...member, readSeq, deliveredSeq: Math.max(member.deliveredSeq, upTo, readSeq) };
    conversation.memberStates.set(userId, { ...state, member: moved });
    const receipt = {
      conversationId: conversation.id,
      userId,
      deliveredSeq: moved.deliveredSeq,
      readSeq,
      at: this.now(),
    };
    if (kind === 'readSeq' && userId === this.me) conversation.unreadFrom = undefined;
    this.emitToMember(conversation, 'receipt:updated', receipt);
    if (kind === 'readSeq' && userId === this.me && !here) this.emitUnread(conversation);
    return receipt;
  }

  /** Sets the user's mark, as from another device. */
  setMark(conversation: ModelConversation, seq: number): void {
    if (!this.isMember(conversation)) return;
    conversation.hasBeenMarked = true;
    conversation.unreadFrom = Math.max(1, Math.min(seq, conversation.messages.length));
    this.emitUnread(conversation);
  }

  keepBackup(): void {
    this.backup = structuredClone({ conversations: this.conversations });
  }

  restore(): void {
    this.conversations = structuredClone(this.backup).conversations;
    this.epoch = `epoch-${this.idCount++}`;
  }

  // ── calls of the client ──────────────────────────────────────────────────────────────────────────────────────

  call(event: SocketCall, payload: object): unknown {
    const input = payload as {
      conversationId: string;
      seq: number;
      clientId: string;
      body: string;
      limit?: number;
      epoch?: string;
      cursors: Record<string, number>;
      cursor?: string;
    };
    const answers: Partial<Record<SocketCall, () => unknown>> = {
      sync: () => this.sync(input.epoch, input.cursors, input.cursor),
      'message:send': () => this.send(this.ownConversation(input.conversationId), input.clientId, input.body),
      'receipt:delivered': () => ({
        receipt: this.movePosition(
          this.ownConversation(input.conversationId),
          this.me,
          input.seq,
          'deliveredSeq',
          true,
        ),
      }),
      'receipt:read': () => ({
        receipt: this.movePosition(this.ownConversation(input.conversationId), this.me, input.seq, 'readSeq', true),
      }),
      'conversation:open': () => this.open(this.ownConversation(input.conversationId)),
    };
    const answer = answers[event];
    if (!answer) throw new ParleyError('invalid', event);
    return structuredClone(answer());
  }

  request(
    path: string,
    query: Readonly<Record<string, string | number | undefined>>,
    body?: { readonly unreadFrom: number },
  ): unknown {
    const [, , id, what] = path.split('/');
    const conversation = this.ownConversation(id!);
    if (what === 'me' && body) {
      this.setMark(conversation, body.unreadFrom);
      return structuredClone(this.membership(conversation));
    }
    return structuredClone(
      what === 'messages'
        ? this.page(conversation, query as { before?: number; after?: number; around?: number })
        : this.describe(conversation),
    );
  }

  // ── the truth ──────────────────────────────────────────────────────────────────────────────────────────────

  ownConversations(): ModelConversation[] {
    return [...this.conversations.values()].filter((conversation) => this.isMember(conversation));
  }

  isMember(conversation: ModelConversation): boolean {
    return conversation.memberStates.get(this.me)?.left === false;
  }

  members(conversation: ModelConversation): Map<string, Member> {
    return new Map(
      [...conversation.memberStates].filter(([, { left }]) => !left).map(([userId, { member }]) => [userId, member]),
    );
  }

  describe(conversation: ModelConversation): Conversation {
    const lastMessage = conversation.messages.at(-1);
    const me = this.membership(conversation);
    return {
      id: conversation.id,
      kind: 'group',
      visibility: 'private',
      title: conversation.title,
      createdBy: 'ann',
      createdAt: conversation.createdAt,
      lastSeq: conversation.messages.length,
      rev: conversation.rev,
      memberCount: this.memberCount(conversation),
      policy: {},
      ...(me && { me }),
      ...(lastMessage && { lastMessage }),
    };
  }

  // ── inside ────────────────────────────────────────────────────────────────────────────────────────────────────

  private membership(conversation: ModelConversation): Membership | undefined {
    const state = conversation.memberStates.get(this.me);
    if (!state || state.left) return undefined;
    const { role, status, readSeq, deliveredSeq } = state.member;
    const from = conversation.unreadFrom ?? readSeq + 1;
    const unread = conversation.messages.filter(
      ({ seq, senderId, deletedAt, type }) =>
        seq >= from && senderId !== this.me && deletedAt === undefined && type !== 'system',
    );
    const mentions = unread.filter((message) => message.mentions.includes(this.me)).length;
    return {
      role,
      status,
      readSeq,
      deliveredSeq,
      unread: unread.length,
      mentions,
      notifications: conversation.notifications,
      ...(conversation.unreadFrom !== undefined && { unreadFrom: conversation.unreadFrom }),
    };
  }

  private send(conversation: ModelConversation, clientId: string, body: string): CallOutput<'message.send'> {
    const stored = conversation.messages.find(
      (message) => message.senderId === this.me && message.clientId === clientId,
    );
    if (stored) return { message: stored, duplicate: true };
    if (conversation.memberStates.get(this.me)!.member.status === 'muted') throw new ParleyError('muted', 'muted');
    return { message: this.post(conversation, this.me, { clientId, body }), duplicate: false };
  }

  private open(conversation: ModelConversation): CallOutput<'conversation.open'> {
    const { readSeq } = this.membership(conversation)!;
    const firstUnread =
      conversation.messages.find(
        ({ seq, senderId, deletedAt, type }) =>
          seq > readSeq && senderId !== this.me && deletedAt === undefined && type !== 'system',
      )?.seq ?? Infinity;
    const lastSeq = conversation.messages.length;
    const from = Math.max(
      1,
      Math.max(lastSeq - maxItems.openUnread + 1, Math.min(lastSeq - maxItems.open + 1, firstUnread)),
    );
    return {
      conversation: this.describe(conversation),
      messages: this.slice(conversation, from, lastSeq),
      members: [...this.members(conversation).values()],
    };
  }

  private page(
    conversation: ModelConversation,
    { before, after, around }: { before?: number; after?: number; around?: number },
  ): CallOutput<'conversation.history'> {
    const lastSeq = conversation.messages.length;
    if (after !== undefined)
      return this.slice(conversation, Math.min(after, lastSeq) + 1, Math.min(after + maxItems.page, lastSeq));
    if (around !== undefined) {
      const from = Math.max(1, Math.min(around - maxItems.page / 2, lastSeq - maxItems.page + 1));
      return this.slice(conversation, from, Math.min(from + maxItems.page - 1, lastSeq));
    }
    const to = Math.min(before! - 1, lastSeq);
    return this.slice(conversation, Math.max(1, to - maxItems.page + 1), to);
  }

  private slice(conversation: ModelConversation, from: number, to: number): CallOutput<'conversation.history'> {
    return {
      items: conversation.messages.slice(from - 1, Math.max(from - 1, to)),
      lastSeq: conversation.messages.length,
      hasBefore: from > 1,
      hasAfter: to < conversation.messages.length,
    };
  }

  private sync(epoch: string | undefined, given: Record<string, number>, after = ''): CallOutput<'sync'> {
    const cursors = new Map(epoch === undefined || epoch === this.epoch ? Object.entries(given) : []);
    const own = this.ownConversations();
    const behind = own.filter(({ id, rev }) => rev > (cursors.get(id) ?? Infinity));
    const changes: CallOutput<'sync'>['changes'] = [];
    let room: number = maxItems.changesInAll;
    for (const conversation of behind) {
      if (room <= 0) break;
      const entry = this.changes(conversation, cursors.get(conversation.id)!);
      room -= Math.max(1, entry.messages.length);
      changes.push({ conversationId: conversation.id, ...entry, epoch: this.epoch });
    }
    const absent = own.filter(({ id }) => !cursors.has(id));
    const hasAll =
      changes.length === behind.length && changes.every((entry) => entry.complete) && absent.length <= maxItems.added;
    const unnumbered = own
      .filter(
        (conversation) => cursors.has(conversation.id) && !behind.includes(conversation) && conversation.id > after,
      )
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    const fits = unnumbered.length <= maxItems.unnumbered;
    const complete = hasAll && (fits || changes.length + absent.length === 0);
    const page = complete ? unnumbered.slice(0, maxItems.unnumbered) : [];
    for (const conversation of page)
      changes.push({
        conversationId: conversation.id,
        messages: [],
        receipts: this.receipts(conversation),
        rev: conversation.rev,
        complete: true,
        epoch: this.epoch,
        ...(conversation.hasBeenMarked && { conversation: this.describe(conversation) }),
      });
    return {
      epoch: this.epoch,
      changes,
      added: absent.slice(0, maxItems.added).map((conversation) => this.describe(conversation)),
      removed: [...cursors.keys()].filter((id) => !own.some((conversation) => conversation.id === id)),
      complete,
      ...(complete && !fits && { nextCursor: page.at(-1)!.id }),
    };
  }

  private changes(conversation: ModelConversation, since: number): Omit<CallOutput<'conversation.changes'>, 'epoch'> {
    const changed = conversation.messages.filter(({ rev }) => rev > since).sort((a, b) => a.rev - b.rev);
    const complete = changed.length <= maxItems.changes;
    const messages = changed.slice(0, maxItems.changes);
    const rev = complete ? conversation.rev : messages.at(-1)!.rev;
    const within = (at: number) => at > since && at <= rev;
    const members = [...conversation.memberStates.values()]
      .filter((state) => within(state.rev))
      .map(({ member, left }) => (left ? { userId: member.userId, left: true as const } : member));
    return {
      messages,
      receipts: this.receipts(conversation),
      rev,
      complete,
      ...(members.length > 0 && { members }),
      ...(within(conversation.drawingRev) && { drawing: { rev: conversation.drawingRev } }),
      ...((within(conversation.describedRev) ||
        within(conversation.membersRev) ||
        (complete && conversation.hasBeenMarked)) && { conversation: this.describe(conversation) }),
    };
  }

  private receipts(conversation: ModelConversation): Receipt[] {
    return [...this.members(conversation).values()]
      .filter(({ deliveredSeq }) => deliveredSeq > 0)
      .map(({ userId, deliveredSeq, readSeq }) => ({
        conversationId: conversation.id,
        userId,
        deliveredSeq,
        readSeq,
        at: conversation.createdAt,
      }));
  }

  private change(
    conversation: ModelConversation,
    message: Message,
    reaction?: { userId: string; emoji: string; added: boolean },
  ): void {
    const changed = { ...message, rev: ++conversation.rev };
    conversation.messages[message.seq - 1] = changed;
    this.emitToMember(conversation, 'message:updated', { message: changed, ...(reaction && { reaction }) });
  }

  private emitUnread(conversation: ModelConversation): void {
    const { unread, mentions, readSeq, unreadFrom } = this.membership(conversation)!;
    this.emitToMember(conversation, 'unread:changed', {
      conversationId: conversation.id,
      unread,
      mentions,
      readSeq,
      ...(unreadFrom !== undefined && { unreadFrom }),
    });
  }

  private emitToMember(conversation: ModelConversation, event: string, payload: unknown): void {
    if (this.isMember(conversation)) this.emit(event, payload);
  }

  private ownConversation(id: string): ModelConversation {
    const conversation = this.conversations.get(id);
    if (!conversation || !this.isMember(conversation)) throw new ParleyError('not_found', id);
    return conversation;
  }

  private memberCount(conversation: ModelConversation): number {
    return this.members(conversation).size;
  }

  private newMember(userId: string, lastSeq: number): Member {
    return { userId, role: 'member', status: 'active', joinedAt: this.now(), readSeq: lastSeq, deliveredSeq: lastSeq };
  }

  private now(): string {
    return new Date(START + this.time++).toISOString();
  }
}
