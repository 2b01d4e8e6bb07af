import type {
  CallOutput,
  Changes,
  Conversation,
  Member,
  Membership,
  Message,
  Receipt,
  ServerEvent,
} from '@parley/contracts';
import type { ChatMessage, ConversationView, Positions } from '../types.js';

/** Messages kept in memory of one conversation: beyond the first, the farther end of the window is cut to the second. */
const MOST_MESSAGES = 600;
const KEPT_MESSAGES = 400;
/** Messages outside of the window that wait for a place in it. */
const MOST_PARKED = 1000;
/** Messages of one conversation that are kept over reloads. */
const MOST_KEPT = 50;

type MemberChange = Member | { readonly userId: string; readonly left: true };
type Opened = CallOutput<'conversation.open'>;
type Page = CallOutput<'conversation.history'>;
type Origin = 'new' | 'updated' | 'loaded';

/** What is kept of a conversation over reloads: its newest messages, without holes, and how far one's own had got. */
export interface KeptConversation {
  readonly conversation: Conversation;
  readonly messages: readonly Message[];
  readonly ticks: { readonly delivered: number; readonly read: number };
}

const noPositions: Positions = Object.freeze({ deliveredSeq: 0, readSeq: 0 });

/**
 * What is held of one conversation, folded from live events, answers of `sync` and loaded pages, in whatever order and however often they come: an older state never replaces a newer one.
 *
 * - `cursor`: everything up to this `rev` is held; `ahead` are revs beyond it that arrived already. A hole between the two is a missed event.
 * - The window holds messages without holes, `from` to `to`. Those that arrived and don't fit to its end are parked.
 * - Unread counts are counted in the window where that reaches back to the first unread message. Elsewhere they are the server's, adjusted where an event says exactly how; where it does
 *   not, they are `stale`, and have to be asked for.
 * - `tail`: with `keeps`, the newest messages beside the window, without holes and never older than `cursor`. One that was kept over a reload shows them until it is opened, or something turns
 *   out to have happened meanwhile.
 */
export class HeldConversation {
  cursor: number;
  readonly ahead = new Set<number>();
  /** A `rev` that is known to exist, though nothing told what happened up to it. */
  private expected = 0;
  /** Whether the counts are not certain any more. */
  stale = false;
  /** Counts up what is not numbered, so that whoever asks can tell whether their answer is older. */
  ownVersion = 0;
  readonly members = new Map<string, Member>();
  readonly receipts = new Map<string, Positions>();
  readonly typing = new Map<string, ReturnType<typeof setTimeout>>();
  /** One's own that are not stored yet. */
  pending: readonly ChatMessage[] = [];
  private conversation: Conversation;
  /** The `rev`s that the description and the number of members are of: messages have passed them by. */
  private describedRev = 0;
  private countedRev = 0;
  /** The newest `rev` that it came as a whole with, and that a window was opened with. */
  private wholeRev: number;
  private openedRev = 0;
  private me: Membership;
  private countsRev: number;
  private window: Message[] | undefined;
  private to = 0;
  /** Whether the window ends where the conversation does, but for holes, and new messages join it. */
  private following = false;
  private readonly parked = new Map<number, Message>();
  private loading = 0;
  private tail: readonly Message[] = [];
  private keptTicks: KeptConversation['ticks'] | undefined;
  private readonly memberRevs = new Map<string, number>();
  /** Those who are known to have left. */
  private readonly left = new Set<string>();
  private view: ConversationView | undefined;
  private parts: {
    messages?: readonly ChatMessage[];
    members?: ReadonlyMap<string, Member>;
    receipts?: ReadonlyMap<string, Positions>;
    typing?: readonly string[];
  } = {};
  private readonly shown = new WeakMap<Message, ChatMessage>();

  constructor(
    whole: Conversation,
    private readonly userId: string,
    private readonly keeps = false,
  ) {
    this.conversation = whole;
    this.cursor = this.wholeRev = this.countsRev = this.describedRev = this.countedRev = whole.rev;
    this.me = whole.me ?? {
      role: 'member',
      status: 'active',
      readSeq: 0,
      deliveredSeq: 0,
      unread: 0,
      mentions: 0,
      notifications: 'all',
    };
    if (!whole.me) this.stale = true;
    this.memberRevs.set(userId, whole.rev);
    this.receipts.set(userId, { deliveredSeq: this.me.deliveredSeq, readSeq: this.me.readSeq });
  }

  /** As it was before a reload. All of it is asked for again. */
  static kept({ conversation, messages, ticks }: KeptConversation, userId: string): HeldConversation {
    const held = new HeldConversation(conversation, userId, true);
    held.tail = messages;
    held.keptTicks = ticks;
    held.stale = true;
    return held;
  }

  get id(): string {
    return this.conversation.id;
  }

  get opened(): boolean {
    return this.window !== undefined;
  }

  get hasHole(): boolean {
    return this.ahead.size > 0 || this.expected > this.cursor;
  }

  get lastSeq(): number {
    return this.conversation.lastSeq;
  }

  /** Where the window ends; 0 without one. */
  get newest(): number {
    return this.to;
  }

  /** Where it begins; 0 when it is empty. */
  get oldest(): number {
    return this.window?.[0]?.seq ?? 0;
  }

  /** Whether the window ends with the newest message that is known. */
  get atNewest(): boolean {
    return this.opened && this.to >= this.lastSeq;
  }

  /** Whether it should, and does not: some of what arrived did not fit to it. */
  get lagging(): boolean {
    return this.following && !this.atNewest;
  }

  get own(): Membership {
    return this.me;
  }

  /** By activity, newest first. */
  get activity(): string {
    const { lastMessage, createdAt, id } = this.conversation;
    return `${lastMessage?.createdAt ?? createdAt} ${id}`;
  }

  // ── what arrives ──────────────────────────────────────────────────────────────────────────────────────────────

  /** The conversation as a whole, as of its `rev`. `ownVersion`: what that was when it was asked for; absent for what came unasked. */
  whole(conversation: Conversation, ownVersion?: number): void {
    this.describe(conversation);
    if (ownVersion === undefined) this.ownVersion++;
    // It says nothing of the messages and members that a window is there to show.
    if (this.opened) return void (this.expected = Math.max(this.expected, conversation.rev));
    if (conversation.rev > this.cursor) this.forgetTail();
    if (conversation.me && ownVersion !== undefined) this.adopt(conversation.me, conversation.rev, ownVersion);
    else this.stale = true;
    this.wholeRev = Math.max(this.wholeRev, conversation.rev);
    this.skipTo(conversation.rev);
  }

  /** Conversation fields as of its `rev`. */
  updated(conversation: Conversation): void {
    this.describe(conversation);
    this.advance(conversation.rev);
  }

  /** Something that has a `rev` happened that nothing of this shows. */
  updatedTo(rev: number): void {
    this.advance(rev);
  }

  /** Counts and settings that were asked for when `ownVersion` was what it says. */
  adopt(me: Membership, rev: number, ownVersion: number): void {
    if (ownVersion !== this.ownVersion || rev < this.cursor || [...this.ahead].some((known) => known > rev)) {
      this.stale = true;
      this.recount();
      return;
    }
    this.countsRev = rev;
    this.stale = false;
    this.memberRevs.set(this.userId, Math.max(rev, this.memberRevs.get(this.userId) ?? 0));
    this.ownMember(me);
    const told = me.readSeq;
    this.me = { ...me, ...this.positions(me) };
    this.moved(this.userId, me);
    // The server has not heard yet what was read here.
    if (this.me.readSeq > told) this.countedAnew();
    this.recount();
    this.changed();
  }

  /** A message, as a live event or an answer told it. */
  message(
    message: Message,
    origin: 'new' | 'updated',
    reaction?: { userId: string; emoji: string; added: boolean },
  ): void {
    this.count(message, origin, reaction !== undefined);
    this.keep(message, reaction);
    this.advance(message.rev);
    this.recount();
  }

  /** One entry of `sync`. */
  changes(
    { conversation, messages, members, receipts, rev }: Omit<Changes, 'epoch' | 'complete'>,
    ownVersion: number,
  ): void {
    if (this.hasHole && messages.length > 0) this.stale = true;
    for (const message of messages) this.count(message, message.seq > this.lastSeq ? 'new' : 'updated', false);
    for (const message of messages.toSorted((a, b) => a.seq - b.seq)) this.keep(message);
    if (conversation) {
      this.describe(conversation);
      if (conversation.me && ownVersion === this.ownVersion) this.settings(conversation.me);
    }
    for (const member of members ?? []) this.member(member, rev);
    for (const receipt of receipts) this.receipt(receipt);
    if (rev > this.conversation.rev) this.conversation = { ...this.conversation, rev };
    this.skipTo(rev);
    this.recount();
    this.changed();
  }

  /** A member as of `rev`: an older state than the known one is passed over. */
  member(member: MemberChange, rev: number): void {
    const { userId } = member;
    if (rev < (this.memberRevs.get(userId) ?? 0)) return;
    this.memberRevs.set(userId, rev);
    if ('left' in member) {
      this.members.delete(userId);
      this.receipts.delete(userId);
      this.left.add(userId);
    } else {
      if (this.opened || this.loading > 0) this.members.set(userId, member);
      if (member.status === 'banned') {
        // Nobody waits for them any more.
        this.receipts.delete(userId);
        this.left.add(userId);
      } else {
        this.left.delete(userId);
        this.moved(userId, member);
      }
      if (userId === this.userId) this.role(member);
    }
    delete this.parts.members;
    delete this.parts.receipts;
    delete this.parts.messages;
    this.changed();
  }

  memberChanged(event: ServerEvent<'member:changed'>): void {
    if (event.rev > this.cursor) this.member('member' in event ? event.member : event, event.rev);
    if (event.memberCount !== undefined && event.rev >= this.countedRev) {
      this.conversation = { ...this.conversation, memberCount: event.memberCount };
      this.countedRev = event.rev;
      delete this.parts.messages;
    }
    this.advance(event.rev);
    this.changed();
  }

  receipt({ userId, deliveredSeq, readSeq }: Pick<Receipt, 'userId' | 'deliveredSeq' | 'readSeq'>): void {
    if (userId === this.userId) return this.read(readSeq, deliveredSeq);
    // Nothing numbers a receipt: it may be older than their leaving.
    if (this.left.has(userId)) return;
    this.moved(userId, { deliveredSeq, readSeq });
    this.changed();
  }

  /** Another device of the user read, or set a mark. */
  unreadChanged({ readSeq, unreadFrom, notifications }: ServerEvent<'unread:changed'>): void {
    this.ownVersion++;
    const { unreadFrom: _, ...me } = this.me;
    this.me = {
      ...me,
      ...(unreadFrom !== undefined && { unreadFrom }),
      ...(notifications !== undefined && { notifications }),
    };
    this.moved(this.userId, { readSeq, deliveredSeq: readSeq });
    // Its counts may be older than a message that is here already.
    this.countedAnew();
  }

  /** The user has read up to `readSeq`, on this device or as the server tells. A private mark is gone when they do it here. */
  read(readSeq: number, deliveredSeq = readSeq, here = false): void {
    const before = this.me;
    if (here && before.unreadFrom !== undefined) {
      const { unreadFrom: _, ...me } = before;
      this.me = me;
    }
    this.moved(this.userId, { readSeq, deliveredSeq });
    if (this.me.readSeq === before.readSeq && this.me.unreadFrom === before.unreadFrom) return;
    this.ownVersion++;
    this.countedAnew();
  }

  /** Everything up to `rev` is held, however it came. */
  skipTo(rev: number): void {
    this.cursor = Math.max(this.cursor, rev);
    while (this.ahead.delete(this.cursor + 1)) this.cursor += 1;
    for (const known of this.ahead) if (known <= this.cursor) this.ahead.delete(known);
  }

  // ── the window ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Keeps what arrives while a page is loaded, which may be older than that. Every `begin` needs an `end`. */
  begin(): void {
    this.loading++;
  }

  end(): void {
    this.loading--;
    this.tidy();
  }

  /** The newest page is the window now. `ownVersion` as for {@link whole}. False when the answer is older than what is held as a whole: it says nothing of what happened between the two. */
  open({ conversation, messages, members }: Opened, ownVersion: number): boolean {
    if (conversation.rev < this.wholeRev) return false;
    if (conversation.rev < this.openedRev) return true;
    this.openedRev = conversation.rev;
    this.describe(conversation);
    this.keptTicks = undefined;
    this.window ??= [];
    if (members) {
      const present = new Set(members.map(({ userId }) => userId));
      for (const userId of [...this.members.keys(), ...this.receipts.keys()])
        if (!present.has(userId)) this.member({ userId, left: true }, conversation.rev);
      for (const member of members) this.member(member, conversation.rev);
    }
    this.replace(messages);
    this.skipTo(conversation.rev);
    if (conversation.me) this.adopt(conversation.me, conversation.rev, ownVersion);
    return true;
  }

  /** A page is the window now, where there is one. */
  replace({ items, lastSeq }: Page): void {
    if (!this.window) return;
    this.takeTail();
    // What arrived while the page was on its way, and is in the window already.
    for (const message of this.window) if (message.seq > lastSeq) this.park(message);
    this.window = items.map((message) => this.newestOf(message));
    this.to = this.window.at(-1)?.seq ?? lastSeq;
    this.following = this.to >= lastSeq;
    this.raise(lastSeq);
    this.unpark();
    this.recount();
    delete this.parts.messages;
    this.changed();
  }

  /** A page before or after the window joins it; one that does not fit to it is passed over. */
  join({ items, lastSeq }: Page, side: 'before' | 'after'): void {
    if (!this.window) return;
    this.takeTail();
    const pages = items.map((message) => this.newestOf(message));
    if (side === 'before') {
      if (this.window.length === 0 || pages.at(-1)?.seq !== this.oldest - 1) return;
      this.window = [...pages, ...this.window];
      this.cut('after');
    } else {
      const fitting = pages.filter(({ seq }) => seq > this.to);
      if (fitting[0]?.seq !== this.to + 1) return this.raise(lastSeq);
      this.window = [...this.window, ...fitting];
      this.to = fitting.at(-1)!.seq;
      this.following ||= this.to >= lastSeq;
      this.unpark();
      this.cut('before');
    }
    this.raise(lastSeq);
    this.recount();
    delete this.parts.messages;
    this.changed();
  }

  /** Forgets messages and members; goes on counting. */
  close(): void {
    this.takeTail();
    // What a page on its way is too old for is not kept any more.
    this.wholeRev = Math.max(this.wholeRev, this.cursor, ...this.ahead);
    this.window = undefined;
    this.to = 0;
    this.following = false;
    this.parked.clear();
    this.members.clear();
    this.memberRevs.clear();
    this.left.clear();
    this.parts = {};
    this.changed();
  }

  // ── what is shown ─────────────────────────────────────────────────────────────────────────────────────────────

  setPending(pending: readonly ChatMessage[]): void {
    this.pending = pending;
    delete this.parts.messages;
    this.changed();
  }

  typingChanged(): void {
    delete this.parts.typing;
    this.changed();
  }

  get dirty(): boolean {
    return this.view === undefined;
  }

  /** The same object until something changes. */
  snapshot(): ConversationView {
    const { conversation, me, parts } = this;
    const partnerId = conversation.memberIds?.find((userId) => userId !== this.userId);
    return (this.view ??= {
      conversation: { ...conversation, me },
      ...(partnerId !== undefined && { partnerId }),
      unread: me.unread,
      mentions: me.mentions,
      readSeq: me.readSeq,
      messages: (parts.messages ??= this.messages()),
      hasBefore: (this.isKept ? (this.tail[0]?.seq ?? Infinity) : this.oldest) > 1,
      hasAfter: this.opened && this.to < this.lastSeq,
      members: (parts.members ??= new Map(this.members)),
      receipts: (parts.receipts ??= new Map(this.receipts)),
      typing: (parts.typing ??= [...this.typing.keys()]),
      opened: this.opened,
      kept: this.isKept,
    });
  }

  /** What is worth keeping over a reload, as of `cursor`. */
  toKept(): KeptConversation {
    this.takeTail();
    const { lastMessage } = this.conversation;
    const fits = !lastMessage || this.tail.at(-1)?.seq === lastMessage.seq;
    return {
      conversation: { ...this.conversation, rev: this.cursor, me: this.me },
      messages: fits ? this.tail : [lastMessage],
      ticks: this.ticks(),
    };
  }

  /** Nothing is kept of it. */
  forgetTail(): void {
    if (this.tail.length === 0 && !this.isKept) return;
    this.tail = [];
    this.keptTicks = undefined;
    delete this.parts.messages;
    this.changed();
  }

  private get isKept(): boolean {
    return this.keptTicks !== undefined;
  }

  private messages(): readonly ChatMessage[] {
    const { delivered, read } = this.ticks();
    const status = ({ senderId, seq }: Message) =>
      senderId !== this.userId ? 'sent' : seq <= read ? 'read' : seq <= delivered ? 'delivered' : 'sent';
    const stored = (this.window ?? (this.isKept ? this.tail : [])).map((message) =>
      this.show(message, status(message)),
    );
    const known = new Set(stored.flatMap(({ senderId, clientId }) => (senderId === this.userId ? [clientId] : [])));
    return [...stored, ...this.pending.filter(({ clientId }) => !known.has(clientId))];
  }

  /** Up to where everybody else has, and has read, everything. Somebody of whom that is not known has nothing. */
  private ticks(): KeptConversation['ticks'] {
    if (this.keptTicks) return this.keptTicks;
    const others = [...this.receipts].filter(([userId]) => userId !== this.userId).map(([, positions]) => positions);
    if (others.length === 0 || others.length < this.conversation.memberCount - 1) return { delivered: 0, read: 0 };
    return {
      delivered: Math.min(...others.map(({ deliveredSeq }) => deliveredSeq)),
      read: Math.min(...others.map(({ readSeq }) => readSeq)),
    };
  }

  private show(message: Message, status: ChatMessage['status']): ChatMessage {
    const known = this.shown.get(message);
    if (known?.status === status) return known;
    const shown = { ...message, status };
    this.shown.set(message, shown);
    return shown;
  }

  private changed(): void {
    this.view = undefined;
  }

  // ── inside ────────────────────────────────────────────────────────────────────────────────────────────────────

  private describe(conversation: Conversation): void {
    const { lastMessage } = conversation;
    const lastSeq = Math.max(this.lastSeq, conversation.lastSeq);
    const newest = latest(this.conversation.lastMessage, lastMessage);
    const base = conversation.rev >= this.describedRev ? conversation : this.conversation;
    const { memberCount } = conversation.rev >= this.countedRev ? conversation : this.conversation;
    this.describedRev = Math.max(this.describedRev, conversation.rev);
    this.countedRev = Math.max(this.countedRev, conversation.rev);
    this.conversation = {
      ...base,
      memberCount,
      lastSeq,
      rev: Math.max(conversation.rev, this.conversation.rev),
      ...(newest && { lastMessage: newest }),
    };
    delete this.parts.messages;
    this.changed();
  }

  /** Notifications and mark, as an answer describes them; counts follow by themselves. */
  private settings(me: Membership): void {
    const { unreadFrom: _, ...rest } = this.me;
    const before = this.firstUnread;
    this.me = {
      ...rest,
      notifications: me.notifications,
      ...(me.unreadFrom !== undefined && { unreadFrom: me.unreadFrom }),
    };
    this.moved(this.userId, me);
    if (this.firstUnread !== before) this.countedAnew();
  }

  private role({ role, status, mutedUntil }: Member): void {
    const { mutedUntil: _, ...rest } = this.me;
    this.me = { ...rest, role, status, ...(mutedUntil !== undefined && { mutedUntil }) };
  }

  /** The user's own entry among the members says what `me` says. */
  private ownMember({ role, status, mutedUntil }: Membership): void {
    const member = this.members.get(this.userId);
    if (!member) return;
    const { mutedUntil: _, ...rest } = member;
    this.members.set(this.userId, { ...rest, role, status, ...(mutedUntil !== undefined && { mutedUntil }) });
    delete this.parts.members;
  }

  /** Positions never go back. */
  private moved(userId: string, positions: Positions): void {
    const known = this.receipts.get(userId) ?? noPositions;
    const next = {
      deliveredSeq: Math.max(known.deliveredSeq, positions.deliveredSeq),
      readSeq: Math.max(known.readSeq, positions.readSeq),
    };
    if (userId === this.userId) this.me = { ...this.me, ...next };
    if (this.receipts.has(userId) && next.deliveredSeq === known.deliveredSeq && next.readSeq === known.readSeq) return;
    this.receipts.set(userId, next);
    delete this.parts.receipts;
    delete this.parts.messages;
    this.changed();
  }

  private positions(me: Membership): Positions {
    return {
      deliveredSeq: Math.max(me.deliveredSeq, this.me.deliveredSeq),
      readSeq: Math.max(me.readSeq, this.me.readSeq),
    };
  }

  private get firstUnread(): number {
    return this.me.unreadFrom ?? this.me.readSeq + 1;
  }

  private counts({ senderId, type, deletedAt }: Message): boolean {
    return senderId !== this.userId && type !== 'system' && deletedAt === undefined;
  }

  /** Adjusts the counts by a message whose `rev` was not seen yet. */
  private count(message: Message, origin: Origin, reactionOnly: boolean): void {
    if (
      message.rev <= Math.max(this.cursor, this.countsRev) ||
      this.ahead.has(message.rev) ||
      message.seq < this.firstUnread ||
      message.senderId === this.userId
    )
      return;
    if (origin === 'updated') {
      if (!reactionOnly) this.stale = true;
    } else if (this.counts(message)) {
      this.me = {
        ...this.me,
        unread: this.me.unread + 1,
        mentions: this.me.mentions + (message.mentions.includes(this.userId) ? 1 : 0),
      };
      this.changed();
    }
  }

  /** The first unread message is another one now. */
  private countedAnew(): void {
    if (this.firstUnread > this.lastSeq) this.me = { ...this.me, unread: 0, mentions: 0 };
    else this.stale = true;
    this.recount();
    this.changed();
  }

  /** Counts in the window, where it holds everything that is unread. */
  private recount(): void {
    if (!this.window || !this.atNewest || (this.oldest > this.firstUnread && this.oldest > 1)) return;
    this.stale = false;
    this.countsRev = Math.max(this.cursor, this.countsRev);
    const unread = this.window.filter((message) => message.seq >= this.firstUnread && this.counts(message));
    const mentions = unread.filter(({ mentions: names }) => names.includes(this.userId)).length;
    if (unread.length === this.me.unread && mentions === this.me.mentions) return;
    this.me = { ...this.me, unread: unread.length, mentions };
    this.changed();
  }

  private raise(lastSeq: number): void {
    if (lastSeq <= this.lastSeq) return;
    this.conversation = { ...this.conversation, lastSeq };
    this.changed();
  }

  private advance(rev: number): void {
    if (rev > this.conversation.rev) this.conversation = { ...this.conversation, rev };
    if (rev <= this.cursor) return;
    this.ahead.add(rev);
    this.skipTo(this.cursor);
    this.changed();
  }

  /** Puts a message where it belongs. */
  private keep(message: Message, reaction?: { userId: string; emoji: string; added: boolean }): void {
    const { lastMessage } = this.conversation;
    this.keepInTail(message, reaction);
    if (!lastMessage || message.seq >= lastMessage.seq)
      this.conversation = { ...this.conversation, lastMessage: latest(lastMessage, message)! };
    this.raise(message.seq);
    if (!this.window && this.loading === 0) return this.changed();
    const at = this.window && message.seq <= this.to ? message.seq - this.oldest : -1;
    const held = this.window?.[at];
    if (this.window && held) {
      if (held.rev < message.rev) this.window = this.window.with(at, this.withMine(message, held, reaction));
      else if (held.rev === message.rev && message.reactions.some(({ mine }) => mine))
        this.window = this.window.with(at, message);
    } else if (this.loading > 0 || (this.following && message.seq > this.to)) {
      this.park(message);
      this.unpark();
    }
    delete this.parts.messages;
    this.changed();
  }

  private keepInTail(message: Message, reaction?: { userId: string; emoji: string; added: boolean }): void {
    if (!this.keeps) return;
    this.takeTail();
    const next = (this.tail.at(-1)?.seq ?? message.seq - 1) + 1;
    const at = message.seq - (this.tail[0]?.seq ?? Infinity);
    const known = this.tail[at];
    if (known)
      this.tail = known.rev < message.rev ? this.tail.with(at, this.withMine(message, known, reaction)) : this.tail;
    else if (message.seq >= next)
      this.tail = message.seq === next ? [...this.tail, message].slice(-MOST_KEPT) : [message];
  }

  /** Of the window, where that holds the newest messages. */
  private takeTail(): void {
    if (this.keeps && this.window && this.atNewest) this.tail = this.window.slice(-MOST_KEPT);
  }

  private park(message: Message): void {
    const known = this.parked.get(message.seq);
    if (known && known.rev > message.rev) return;
    this.parked.set(message.seq, message);
    if (this.parked.size > MOST_PARKED) this.parked.delete(this.parked.keys().next().value!);
  }

  /** Parked messages follow the window's end, as far as there is no hole. */
  private unpark(): void {
    if (!this.window) return;
    const before = this.to;
    for (let next = this.parked.get(this.to + 1); next; next = this.parked.get(this.to + 1)) {
      this.window = [...this.window, next];
      this.parked.delete(next.seq);
      this.to = next.seq;
    }
    if (this.to > before) this.cut('before');
  }

  /** Of a loaded message, the newest state that arrived. */
  private newestOf(message: Message): Message {
    const parked = this.parked.get(message.seq);
    const held = message.seq <= this.to ? this.window?.[message.seq - this.oldest] : undefined;
    return [parked, held].reduce<Message>((best, one) => (one && one.rev > best.rev ? one : best), message);
  }

  private tidy(): void {
    if (this.loading > 0) return;
    for (const seq of this.parked.keys()) if (!this.following || seq <= this.to) this.parked.delete(seq);
  }

  private cut(side: 'before' | 'after'): void {
    if (!this.window || this.window.length <= MOST_MESSAGES) return;
    this.window = side === 'before' ? this.window.slice(-KEPT_MESSAGES) : this.window.slice(0, KEPT_MESSAGES);
    if (side === 'before') return;
    this.to = this.window.at(-1)!.seq;
    this.following = false;
  }

  /** Events don't say which reactions are one's own: what the event or the state before it told is kept. */
  private withMine(
    message: Message,
    held: Message,
    reaction?: { userId: string; emoji: string; added: boolean },
  ): Message {
    if (message.reactions.length === 0 || message.reactions.some(({ mine }) => mine !== undefined)) return message;
    const mine = (emoji: string, userIds: readonly string[], count: number) => {
      if (reaction?.userId === this.userId && reaction.emoji === emoji) return reaction.added;
      return (
        userIds.includes(this.userId) ||
        (userIds.length < count && held.reactions.some((one) => one.emoji === emoji && one.mine))
      );
    };
    return {
      ...message,
      reactions: message.reactions.map((one) =>
        mine(one.emoji, one.userIds, one.count) ? { ...one, mine: true } : one,
      ),
    };
  }
}

/** The newer message; of the same one, its newer state. */
function latest(a: Message | undefined, b: Message | undefined): Message | undefined {
  if (!a || !b) return a ?? b;
  if (a.seq !== b.seq) return a.seq > b.seq ? a : b;
  return b.rev > a.rev ? b : a;
}
