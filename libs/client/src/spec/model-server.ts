import type { CallOutput, Conversation, Member, Membership, Message, Receipt } from '@parley/contracts';
import { ParleyError } from '../errors.js';
import type { SocketCall } from '../types.js';

/** Small, so that a few messages fill pages and answers. */
const most = { page: 4, open: 5, openUnread: 9, changes: 3, changesInAll: 6, added: 2 } as const;
const START = Date.parse('2026-01-01T00:00:00.000Z');

interface Place {
  member: Member;
  rev: number;
  left: boolean;
}
interface Held {
  readonly id: string;
  title: string;
  readonly createdAt: string;
  rev: number;
  describedRev: number;
  membersRev: number;
  drawingRev: number;
  readonly messages: Message[];
  readonly places: Map<string, Place>;
  unreadFrom: number | undefined;
  /** Whether there ever was a mark: marks have no number, so the whole description is told again from then on. */
  marked: boolean;
  notifications: Membership['notifications'];
}

/**
 * A strict server of seq, rev and sync for one user among others: what PROTOCOL promises, in memory. What clients would
 * be told live goes to `emit`.
 */
export class ModelServer {
  epoch = 'epoch-0';
  conversations = new Map<string, Held>();
  private ticks = 0;
  private ids = 0;
  private backup: { conversations: Map<string, Held> } = { conversations: new Map() };

  constructor(
    readonly me: string,
    private readonly emit: (event: string, payload: unknown) => void,
  ) {}

  // ── what others do ────────────────────────────────────────────────────────────────────────────────────────────

  create(): void {
    const id = `conversation-${this.ids++}`;
    const held: Held = {
      id,
      title: id,
      createdAt: this.now(),
      rev: 1,
      describedRev: 1,
      membersRev: 1,
      drawingRev: 0,
      messages: [],
      places: new Map(),
      unreadFrom: undefined,
      marked: false,
      notifications: 'all',
    };
    this.conversations.set(id, held);
    for (const userId of [this.me, 'ann', 'ben'])
      held.places.set(userId, { member: this.newMember(userId, 0), rev: 1, left: false });
    this.emit('conversation:new', { conversation: this.describe(held) });
  }

  post(
    held: Held,
    senderId: string,
    {
      type = 'text',
      clientId,
      mention = false,
      body = 'hello',
    }: { type?: Message['type']; clientId?: string; mention?: boolean; body?: string } = {},
  ): Message {
    const id = `message-${this.ids++}`;
    const message: Message = {
      id,
      conversationId: held.id,
      seq: held.messages.length + 1,
      rev: ++held.rev,
      senderId,
      clientId: clientId ?? id,
      type,
      body,
      attachments: [],
      mentions: mention ? [this.me] : [],
      createdAt: this.now(),
      reactions: [],
    };
    held.messages.push(message);
    this.tell(held, 'message:new', { message });
    return message;
  }

  edit(held: Held, message: Message, mention: boolean): void {
    if (message.deletedAt === undefined)
      this.change(held, {
        ...message,
        body: `${message.body}!`,
        editedAt: this.now(),
        mentions: mention ? [this.me] : [],
      });
  }

  erase(held: Held, message: Message): void {
    if (message.deletedAt === undefined)
      this.change(held, { ...message, body: '', mentions: [], deletedAt: this.now() });
  }

  react(held: Held, message: Message, userId: string): void {
    if (message.deletedAt !== undefined) return;
    const before = message.reactions[0]?.userIds ?? [];
    const userIds = before.includes(userId) ? before.filter((id) => id !== userId) : [...before, userId];
    const reactions = userIds.length === 0 ? [] : [{ emoji: '👍', count: userIds.length, userIds }];
    this.change(held, { ...message, reactions }, { userId, emoji: '👍', added: !before.includes(userId) });
  }

  rename(held: Held): void {
    held.title = `${held.id}, ${this.ids++}`;
    held.describedRev = ++held.rev;
    const { me: _, ...described } = this.describe(held);
    this.tell(held, 'conversation:updated', { conversation: described });
  }

  emptyBoard(held: Held): void {
    held.drawingRev = ++held.rev;
    this.tell(held, 'drawing:reset', { conversationId: held.id, userId: 'ann', rev: held.rev });
  }

  /** Somebody comes, or goes. */
  moveMember(held: Held, userId: string): void {
    const place = held.places.get(userId);
    const rev = (held.membersRev = ++held.rev);
    if (place && !place.left) {
      held.places.set(userId, { ...place, rev, left: true });
      this.tell(held, 'member:changed', {
        conversationId: held.id,
        userId,
        left: true,
        rev,
        memberCount: this.memberCount(held),
      });
      if (userId === this.me) this.emit('conversation:removed', { conversationId: held.id, reason: 'removed' });
      return;
    }
    const member = this.newMember(userId, held.messages.length);
    held.places.set(userId, { member, rev, left: false });
    if (userId === this.me) {
      held.unreadFrom = undefined;
      this.emit('conversation:new', { conversation: this.describe(held) });
    }
    this.tell(held, 'member:changed', { conversationId: held.id, member, rev, memberCount: this.memberCount(held) });
  }

  changeMember(held: Held, userId: string, change: Partial<Member>): void {
    const place = held.places.get(userId);
    if (!place || place.left) return;
    const rev = (held.membersRev = ++held.rev);
    const member = { ...place.member, ...change };
    held.places.set(userId, { member, rev, left: false });
    this.tell(held, 'member:changed', { conversationId: held.id, member, rev, memberCount: this.memberCount(held) });
  }

  /** `here`: by the client under test, which is not told what it asked for. */
  move(held: Held, userId: string, seq: number, kind: 'readSeq' | 'deliveredSeq', here = false): Receipt {
    const place = held.places.get(userId);
    if (!place || place.left) throw new ParleyError('not_found', held.id);
    const { member } = place;
    const upTo = Math.min(seq, held.messages.length);
    const readSeq = kind === 'readSeq' ? Math.max(member.readSeq, upTo) : member.readSeq;
    const moved = { ...member, readSeq, deliveredSeq: Math.max(member.deliveredSeq, upTo, readSeq) };
    held.places.set(userId, { ...place, member: moved });
    const receipt = { conversationId: held.id, userId, deliveredSeq: moved.deliveredSeq, readSeq, at: this.now() };
    if (kind === 'readSeq' && userId === this.me) held.unreadFrom = undefined;
    this.tell(held, 'receipt:updated', receipt);
    if (kind === 'readSeq' && userId === this.me && !here) this.tellUnread(held);
    return receipt;
  }

  /** The user marks from another device. */
  mark(held: Held, seq: number): void {
    if (!this.isMine(held)) return;
    held.marked = true;
    held.unreadFrom = Math.max(1, Math.min(seq, held.messages.length));
    this.tellUnread(held);
  }

  keepBackup(): void {
    this.backup = structuredClone({ conversations: this.conversations });
  }

  restore(): void {
    this.conversations = structuredClone(this.backup).conversations;
    this.epoch = `epoch-${this.ids++}`;
  }

  // ── what the client asks ──────────────────────────────────────────────────────────────────────────────────────

  call(event: SocketCall, payload: object): unknown {
    const input = payload as {
      conversationId: string;
      seq: number;
      clientId: string;
      body: string;
      limit?: number;
      epoch?: string;
      cursors: Record<string, number>;
    };
    const answers: Partial<Record<SocketCall, () => unknown>> = {
      sync: () => this.sync(input.epoch, input.cursors),
      'message:send': () => this.send(this.mine(input.conversationId), input.clientId, input.body),
      'receipt:delivered': () => ({
        receipt: this.move(this.mine(input.conversationId), this.me, input.seq, 'deliveredSeq', true),
      }),
      'receipt:read': () => ({
        receipt: this.move(this.mine(input.conversationId), this.me, input.seq, 'readSeq', true),
      }),
      'conversation:open': () => this.open(this.mine(input.conversationId)),
    };
    const answer = answers[event];
    if (!answer) throw new ParleyError('invalid', event);
    return structuredClone(answer());
  }

  request(path: string, query: Readonly<Record<string, string | number | undefined>>): unknown {
    const [, , id, what] = path.split('/');
    const held = this.mine(id!);
    return structuredClone(
      what === 'messages'
        ? this.page(held, query as { before?: number; after?: number; around?: number })
        : this.describe(held),
    );
  }

  // ── what is true ──────────────────────────────────────────────────────────────────────────────────────────────

  own(): Held[] {
    return [...this.conversations.values()].filter((held) => this.isMine(held));
  }

  isMine(held: Held): boolean {
    return held.places.get(this.me)?.left === false;
  }

  members(held: Held): Map<string, Member> {
    return new Map([...held.places].filter(([, { left }]) => !left).map(([userId, { member }]) => [userId, member]));
  }

  describe(held: Held): Conversation {
    const lastMessage = held.messages.at(-1);
    const me = this.membership(held);
    return {
      id: held.id,
      kind: 'group',
      visibility: 'private',
      title: held.title,
      createdBy: 'ann',
      createdAt: held.createdAt,
      lastSeq: held.messages.length,
      rev: held.rev,
      memberCount: this.memberCount(held),
      policy: {},
      ...(me && { me }),
      ...(lastMessage && { lastMessage }),
    };
  }

  // ── inside ────────────────────────────────────────────────────────────────────────────────────────────────────

  private membership(held: Held): Membership | undefined {
    const place = held.places.get(this.me);
    if (!place || place.left) return undefined;
    const { role, status, readSeq, deliveredSeq } = place.member;
    const from = held.unreadFrom ?? readSeq + 1;
    const unread = held.messages.filter(
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
      notifications: held.notifications,
      ...(held.unreadFrom !== undefined && { unreadFrom: held.unreadFrom }),
    };
  }

  private send(held: Held, clientId: string, body: string): CallOutput<'message.send'> {
    const known = held.messages.find((message) => message.senderId === this.me && message.clientId === clientId);
    if (known) return { message: known, duplicate: true };
    if (held.places.get(this.me)!.member.status === 'muted') throw new ParleyError('muted', 'muted');
    return { message: this.post(held, this.me, { clientId, body }), duplicate: false };
  }

  private open(held: Held): CallOutput<'conversation.open'> {
    const { readSeq } = this.membership(held)!;
    const firstUnread =
      held.messages.find(
        ({ seq, senderId, deletedAt, type }) =>
          seq > readSeq && senderId !== this.me && deletedAt === undefined && type !== 'system',
      )?.seq ?? Infinity;
    const lastSeq = held.messages.length;
    const from = Math.max(1, Math.max(lastSeq - most.openUnread + 1, Math.min(lastSeq - most.open + 1, firstUnread)));
    return {
      conversation: this.describe(held),
      messages: this.slice(held, from, lastSeq),
      members: [...this.members(held).values()],
    };
  }

  private page(
    held: Held,
    { before, after, around }: { before?: number; after?: number; around?: number },
  ): CallOutput<'conversation.history'> {
    const lastSeq = held.messages.length;
    if (after !== undefined)
      return this.slice(held, Math.min(after, lastSeq) + 1, Math.min(after + most.page, lastSeq));
    if (around !== undefined) {
      const from = Math.max(1, Math.min(around - most.page / 2, lastSeq - most.page + 1));
      return this.slice(held, from, Math.min(from + most.page - 1, lastSeq));
    }
    const to = Math.min(before! - 1, lastSeq);
    return this.slice(held, Math.max(1, to - most.page + 1), to);
  }

  private slice(held: Held, from: number, to: number): CallOutput<'conversation.history'> {
    return {
      items: held.messages.slice(from - 1, Math.max(from - 1, to)),
      lastSeq: held.messages.length,
      hasBefore: from > 1,
      hasAfter: to < held.messages.length,
    };
  }

  private sync(epoch: string | undefined, given: Record<string, number>): CallOutput<'sync'> {
    const cursors = new Map(epoch === undefined || epoch === this.epoch ? Object.entries(given) : []);
    const own = this.own();
    const behind = own.filter(({ id, rev }) => rev > (cursors.get(id) ?? Infinity));
    const changes: CallOutput<'sync'>['changes'] = [];
    let room: number = most.changesInAll;
    for (const held of behind) {
      if (room <= 0) break;
      const entry = this.changes(held, cursors.get(held.id)!);
      room -= Math.max(1, entry.messages.length);
      changes.push({ conversationId: held.id, ...entry, epoch: this.epoch });
    }
    const absent = own.filter(({ id }) => !cursors.has(id));
    const complete =
      changes.length === behind.length && changes.every((entry) => entry.complete) && absent.length <= most.added;
    if (complete) {
      for (const held of own) {
        if (!cursors.has(held.id) || behind.includes(held)) continue;
        changes.push({
          conversationId: held.id,
          messages: [],
          receipts: this.receipts(held),
          rev: held.rev,
          complete: true,
          epoch: this.epoch,
          ...(held.marked && { conversation: this.describe(held) }),
        });
      }
    }
    return {
      epoch: this.epoch,
      changes,
      added: absent.slice(0, most.added).map((held) => this.describe(held)),
      removed: [...cursors.keys()].filter((id) => !own.some((held) => held.id === id)),
      complete,
    };
  }

  private changes(held: Held, since: number): Omit<CallOutput<'conversation.changes'>, 'epoch'> {
    const changed = held.messages.filter(({ rev }) => rev > since).sort((a, b) => a.rev - b.rev);
    const complete = changed.length <= most.changes;
    const messages = changed.slice(0, most.changes);
    const rev = complete ? held.rev : messages.at(-1)!.rev;
    const within = (at: number) => at > since && at <= rev;
    const members = [...held.places.values()]
      .filter((place) => within(place.rev))
      .map(({ member, left }) => (left ? { userId: member.userId, left: true as const } : member));
    return {
      messages,
      receipts: this.receipts(held),
      rev,
      complete,
      ...(members.length > 0 && { members }),
      ...(within(held.drawingRev) && { drawing: { rev: held.drawingRev } }),
      ...((within(held.describedRev) || within(held.membersRev) || (complete && held.marked)) && {
        conversation: this.describe(held),
      }),
    };
  }

  private receipts(held: Held): Receipt[] {
    return [...this.members(held).values()]
      .filter(({ deliveredSeq }) => deliveredSeq > 0)
      .map(({ userId, deliveredSeq, readSeq }) => ({
        conversationId: held.id,
        userId,
        deliveredSeq,
        readSeq,
        at: held.createdAt,
      }));
  }

  private change(held: Held, message: Message, reaction?: { userId: string; emoji: string; added: boolean }): void {
    const changed = { ...message, rev: ++held.rev };
    held.messages[message.seq - 1] = changed;
    this.tell(held, 'message:updated', { message: changed, ...(reaction && { reaction }) });
  }

  private tellUnread(held: Held): void {
    const { unread, mentions, readSeq, unreadFrom } = this.membership(held)!;
    this.tell(held, 'unread:changed', {
      conversationId: held.id,
      unread,
      mentions,
      readSeq,
      ...(unreadFrom !== undefined && { unreadFrom }),
    });
  }

  private tell(held: Held, event: string, payload: unknown): void {
    if (this.isMine(held)) this.emit(event, payload);
  }

  private mine(id: string): Held {
    const held = this.conversations.get(id);
    if (!held || !this.isMine(held)) throw new ParleyError('not_found', id);
    return held;
  }

  private memberCount(held: Held): number {
    return this.members(held).size;
  }

  private newMember(userId: string, lastSeq: number): Member {
    return { userId, role: 'member', status: 'active', joinedAt: this.now(), readSeq: lastSeq, deliveredSeq: lastSeq };
  }

  private now(): string {
    return new Date(START + this.ticks++).toISOString();
  }
}
