import type { CallOutput, Changes, Conversation, Member, Membership, Message, Receipt, ServerEvent } from '#contracts';
import type { ChatMessage, ConversationView, Positions } from '../types.js';
import { ChatMessages } from './chat-messages.js';
import { Description } from './description.js';
import { KeptTail, type Ticks } from './kept-tail.js';
import { MemberList, type MemberChange } from './member-list.js';
import type { ReactionChange } from './message-list.js';
import { MessageWindow, type MessagePage } from './message-window.js';
import { OwnMembership, withStatus } from './own-membership.js';
import { RevisionTracker } from './revision-tracker.js';
import { SeenMessages } from './seen-messages.js';
import { canBeUnread, UnreadCounter } from './unread-counter.js';

type Opened = CallOutput<'conversation.open'>;
/** Parts of the view that stay the same objects until they change. */
type ViewParts = { -readonly [Part in 'messages' | 'members' | 'receipts' | 'typing']?: ConversationView[Part] };

/** The part of a conversation that is kept over reloads. */
export interface KeptConversation {
  readonly conversation: Conversation;
  /** Its newest messages, without gaps. */
  readonly messages: readonly Message[];
  readonly ticks: Ticks;
}

const defaultMembership: Membership = {
  role: 'member',
  status: 'active',
  readSeq: 0,
  deliveredSeq: 0,
  unread: 0,
  mentions: 0,
  notifications: 'all',
};

/**
 * The state of one conversation, folded from live events, answers of `sync` and loaded pages, in any order and with
 * repetitions: an older state never replaces a newer one.
 */
export class ConversationState {
  /**
   * Counts changes that carry no revision: read positions, marks, being added. An answer requested at an earlier
   * version may be older than the known state.
   */
  version = 0;
  /** Users who are typing, with the timer that ends it. */
  readonly typing = new Map<string, ReturnType<typeof setTimeout>>();
  private readonly description: Description;
  private readonly revisions: RevisionTracker;
  private readonly window: MessageWindow;
  private readonly members = new MemberList();
  private readonly counter: UnreadCounter;
  private readonly tail: KeptTail;
  private readonly own: OwnMembership;
  private readonly seen = new SeenMessages();
  /** Between the first unread position and this `seq` nothing is unread: found out by looking at the messages. */
  private unreadStart = 0;
  private readonly chatMessages: ChatMessages;
  /** The user's own messages that are not stored yet. */
  private pending: readonly ChatMessage[] = [];
  /** The newest revision of an answer that described the conversation as a whole: older answers are refused. */
  private wholeRev: number;
  private openedRev = 0;
  private view: ConversationView | undefined;
  private viewParts: ViewParts = {};

  /** `keepTail`: whether the newest messages are kept at hand for {@link toKept}. */
  constructor(
    conversation: Conversation,
    private readonly userId: string,
    keepTail = false,
  ) {
    const { rev, me = defaultMembership } = conversation;
    this.description = new Description(conversation);
    this.revisions = new RevisionTracker(rev);
    this.window = new MessageWindow(userId);
    this.tail = new KeptTail(userId, keepTail);
    this.counter = new UnreadCounter(userId, rev);
    this.counter.adopt(me, rev);
    this.counter.isStale = !conversation.me;
    this.own = new OwnMembership(me);
    this.chatMessages = new ChatMessages(userId);
    this.wholeRev = rev;
    this.members.confirm(userId, rev);
    this.members.advance(userId, me);
  }

  /** Restores the state kept before a reload. Its counts are stale, so everything is requested again. */
  static fromKept({ conversation, messages, ticks }: KeptConversation, userId: string): ConversationState {
    const state = new ConversationState(conversation, userId, true);
    state.tail.restore(messages, ticks);
    state.counter.isStale = true;
    return state;
  }

  get id(): string {
    return this.description.conversation.id;
  }

  get lastSeq(): number {
    return this.description.conversation.lastSeq;
  }

  /**
   * Whether it belongs in the list of conversations. A direct one that somebody else began does only with its first
   * message, or while the user has it open.
   */
  get isListed(): boolean {
    const { kind, createdBy, lastSeq } = this.description.conversation;
    const isEmpty = lastSeq === 0 && this.pending.length === 0;
    return kind !== 'direct' || createdBy === this.userId || !isEmpty || this.isOpen;
  }

  /** Every change up to this revision has been applied. */
  get cursor(): number {
    return this.revisions.cursor;
  }

  /** Whether an event is missing. */
  get hasGap(): boolean {
    return this.revisions.hasGap;
  }

  /** Whether messages are loaded. */
  get isOpen(): boolean {
    return this.window.isOpen;
  }

  /** The `seq` of the first loaded message; 0 without one. */
  get oldest(): number {
    return this.window.oldest;
  }

  /** The `seq` where the loaded messages end; 0 without any. */
  get newest(): number {
    return this.window.newest;
  }

  /** Whether the loaded messages end with the newest one that is known. */
  get isAtNewest(): boolean {
    return this.window.isOpen && this.window.newest >= this.lastSeq;
  }

  /** Whether messages that should have joined the window did not fit. */
  get isLagging(): boolean {
    return this.window.isFollowing && !this.isAtNewest;
  }

  /** Whether the counts are uncertain and have to be asked for. */
  get isStale(): boolean {
    return this.counter.isStale;
  }

  set isStale(isStale: boolean) {
    this.counter.isStale = isStale;
  }

  /** The user's own membership. */
  get membership(): Membership {
    return { ...this.own.value, ...this.counter.counts };
  }

  /** The `seq` from which on messages are unread. Not all of them need be: some may be the user's own. */
  get unreadFrom(): number {
    return Math.max(this.own.firstUnread, this.unreadStart);
  }

  /** Whether messages are loaded, and among them the first unread one; or the newest one if nothing is unread. */
  get isAtUnread(): boolean {
    return this.isOpen && (this.counter.counts.unread === 0 ? this.isAtNewest : this.firstUnread !== undefined);
  }

  /** Sorts by activity: the conversation with the greatest key is the most recently active one. */
  get activity(): string {
    const { lastMessage, createdAt, id } = this.description.conversation;
    return `${lastMessage?.createdAt ?? createdAt} ${id}`;
  }

  // ── incoming state ──────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * The whole conversation as of its `rev`. `version`: the {@link version} at which it was requested; absent for one
   * that arrived by itself.
   */
  applyWhole(conversation: Conversation, version?: number): void {
    this.describe(conversation);
    if (version === undefined) this.version++;
    // It carries none of the messages and members that an open window shows.
    if (this.isOpen) return this.revisions.announce(conversation.rev);
    if (conversation.rev > this.cursor) this.forgetTail();
    if (conversation.me && version !== undefined) this.adopt(conversation.me, conversation.rev, version);
    else this.counter.isStale = true;
    this.wholeRev = Math.max(this.wholeRev, conversation.rev);
    this.revisions.addUpTo(conversation.rev);
  }

  /** The description as of its `rev`. */
  applyDescription(conversation: Conversation): void {
    this.describe(conversation);
    this.addRevision(conversation.rev);
  }

  /** A change that nothing here shows. */
  applyRevision(rev: number): void {
    this.addRevision(rev);
  }

  /** The user's membership as of `rev`, requested at `version`. Counts that may be outdated become stale instead. */
  adopt(me: Membership, rev: number, version: number): void {
    if (version !== this.version || rev < this.revisions.highest) {
      this.counter.isStale = true;
      return this.recount();
    }
    const before = this.own.firstUnread;
    this.counter.adopt(me, rev);
    this.members.confirm(this.userId, rev);
    this.updateOwnMember(me);
    this.own.adopt(me);
    this.move(this.userId, me);
    if (this.own.firstUnread < before) this.forgetSeen();
    // The server does not know yet what has been read here.
    if (this.own.value.readSeq > me.readSeq) this.firstUnreadMoved(me.unreadFrom ?? me.readSeq + 1);
    this.recount();
    this.changed();
  }

  /** A message of a live event or an answer. */
  applyMessage(message: Message, kind: 'new' | 'updated', reaction?: ReactionChange): void {
    this.count(message, { isNew: kind === 'new', isReaction: reaction !== undefined });
    this.put(message, reaction);
    this.addRevision(message.rev);
    this.recount();
  }

  /** One conversation's changes out of a `sync` that was requested at `version`. */
  applyChanges(
    { conversation, messages, members, receipts, rev }: Omit<Changes, 'epoch' | 'complete'>,
    version: number,
  ): void {
    if (this.hasGap && messages.length > 0) this.counter.isStale = true;
    for (const message of messages) this.count(message, { isNew: message.seq > this.lastSeq, isReaction: false });
    for (const message of [...messages].sort((a, b) => a.seq - b.seq)) this.put(message);
    if (conversation) {
      this.describe(conversation);
      if (conversation.me && version === this.version) this.applySettings(conversation.me);
    }
    for (const member of members ?? []) this.applyMember(member, rev);
    for (const receipt of receipts) this.applyReceipt(receipt);
    this.description.raiseRev(rev);
    this.revisions.addUpTo(rev);
    this.recount();
    this.changed();
  }

  /** A member's state as of `rev`. */
  applyMember(change: MemberChange, rev: number): void {
    if (!this.members.apply(change, rev, this.isOpen || this.window.isLoading)) return;
    if (change.userId === this.userId && !('left' in change)) {
      this.own.setStatus(change);
      this.own.advance(change);
    }
    this.changed('members', 'receipts', 'messages');
  }

  applyMemberChanged(event: ServerEvent<'member:changed'>): void {
    if (event.rev > this.cursor) this.applyMember('member' in event ? event.member : event, event.rev);
    if (event.memberCount !== undefined) this.description.setMemberCount(event.memberCount, event.rev);
    this.addRevision(event.rev);
    this.changed('messages');
  }

  applyReceipt({ userId, deliveredSeq, readSeq }: Pick<Receipt, 'userId' | 'deliveredSeq' | 'readSeq'>): void {
    if (userId === this.userId) return this.read(readSeq, deliveredSeq);
    // Receipts carry no revision: this one may be older than the member's leaving.
    if (!this.members.hasDeparted(userId)) this.move(userId, { deliveredSeq, readSeq });
    this.changed();
  }

  /** Another device of the user read, or set a mark. */
  applyUnreadChanged({ readSeq, unreadFrom, notifications }: ServerEvent<'unread:changed'>): void {
    this.version++;
    const before = this.own.firstUnread;
    // An event from before a read that is known does not count: the read removes the mark.
    if (readSeq >= this.own.value.readSeq) this.own.setMark(unreadFrom);
    if (notifications !== undefined) this.own.setNotifications(notifications);
    this.move(this.userId, { readSeq, deliveredSeq: readSeq });
    // The event's own counts may be older than a message that has arrived.
    this.firstUnreadMoved(before);
  }

  /** The user has read up to `readSeq`. `here`: on this device, which removes a private mark. */
  read(readSeq: number, deliveredSeq = readSeq, here = false): void {
    const before = this.own.value;
    const { firstUnread } = this.own;
    if (here) this.own.setMark(undefined);
    this.move(this.userId, { readSeq, deliveredSeq });
    const { value } = this.own;
    if (value.readSeq === before.readSeq && value.unreadFrom === before.unreadFrom) return;
    this.version++;
    this.firstUnreadMoved(firstUnread);
  }

  /** These messages were on the screen. */
  see(seqs: readonly number[]): void {
    this.seen.add(seqs.filter((seq) => seq >= this.own.firstUnread));
  }

  /**
   * Up to where the user has seen everything unread. Undefined if they have seen nothing of it, or if the window lacks
   * the first unread message.
   */
  get seenUpTo(): number | undefined {
    const { counter, firstUnread } = this;
    const reachesBack = (this.shownMessages[0]?.seq ?? Infinity) <= this.unreadFrom;
    if (firstUnread === undefined && !reachesBack && (counter.isStale || counter.counts.unread > 0)) return undefined;
    const from = firstUnread ?? this.unreadFrom;
    return this.seen.reach(
      this.shownMessages.filter(({ seq }) => seq >= from),
      (message) => canBeUnread(message, this.userId),
    );
  }

  // ── the window ────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Call before a page is requested, and {@link endLoad} after it was applied: messages that arrive between are kept.
   */
  beginLoad(): void {
    this.window.beginLoad();
  }

  endLoad(): void {
    this.window.endLoad();
  }

  /**
   * The newest page, requested at `version`, becomes the window. Returns false when the answer is older than what is
   * known of the conversation as a whole, because what happened between the two would be missing.
   */
  open({ conversation, messages, members }: Opened, version: number): boolean {
    if (conversation.rev < this.wholeRev) return false;
    if (conversation.rev < this.openedRev) return true;
    this.openedRev = conversation.rev;
    this.describe(conversation);
    this.tail.hide();
    this.window.open();
    if (members) this.replaceMembers(members, conversation.rev);
    this.replace(messages);
    this.revisions.addUpTo(conversation.rev);
    if (conversation.me) this.adopt(conversation.me, conversation.rev, version);
    return true;
  }

  /** The page with the first unread message at or after `from` becomes the window. */
  replaceAtUnread(page: MessagePage, from: number): void {
    const first = page.items.find((message) => message.seq >= from && canBeUnread(message, this.userId));
    // A mark may have been set before it meanwhile.
    if (first && this.own.firstUnread >= from) this.unreadStart = first.seq;
    this.replace(page);
  }

  /** A page becomes the window, if it is open. */
  replace(page: MessagePage): void {
    this.changeWindow(page, () => this.window.replace(page));
  }

  prepend(page: MessagePage): void {
    this.changeWindow(page, () => this.window.prepend(page));
  }

  append(page: MessagePage): void {
    this.changeWindow(page, () => this.window.append(page));
  }

  /** Forgets messages and members. Counts stay current. */
  close(): void {
    this.updateTail();
    // A page on its way may lack what arrives from now on and is not kept.
    this.wholeRev = Math.max(this.wholeRev, this.revisions.highest);
    this.window.close();
    this.members.clear();
    this.changed('messages', 'members', 'receipts', 'typing');
  }

  // ── what is shown ─────────────────────────────────────────────────────────────────────────────────────────────

  setPending(pending: readonly ChatMessage[]): void {
    this.pending = pending;
    this.changed('messages');
  }

  typingChanged(): void {
    this.changed('typing');
  }

  get isDirty(): boolean {
    return this.view === undefined;
  }

  /** The same object until something changes. */
  snapshot(): ConversationView {
    return (this.view ??= this.makeView());
  }

  private makeView(): ConversationView {
    const { viewParts: parts, tail, window, firstUnread } = this;
    const { conversation } = this.description;
    const partnerId = conversation.memberIds?.find((userId) => userId !== this.userId);
    const me = this.membership;
    return {
      conversation: { ...conversation, me },
      ...(partnerId !== undefined && { partnerId }),
      unread: me.unread,
      mentions: me.mentions,
      readSeq: me.readSeq,
      ...(firstUnread !== undefined && { firstUnread }),
      messages: (parts.messages ??= this.chatMessages.list(this.shownMessages, this.pending, this.ticks)),
      hasBefore: (tail.isShown ? (tail.messages[0]?.seq ?? Infinity) : window.oldest) > 1,
      hasAfter: this.isOpen && window.newest < this.lastSeq,
      members: (parts.members ??= new Map(this.members.members)),
      receipts: (parts.receipts ??= new Map(this.members.positions)),
      typing: (parts.typing ??= [...this.typing.keys()]),
      opened: this.isOpen,
      kept: tail.isShown,
    };
  }

  /** The part that is worth keeping over a reload, as of {@link cursor}. */
  toKept(): KeptConversation {
    this.updateTail();
    const { conversation } = this.description;
    const { lastMessage } = conversation;
    const { messages } = this.tail;
    const isCurrent = !lastMessage || messages.at(-1)?.seq === lastMessage.seq;
    return {
      conversation: { ...conversation, rev: this.cursor, me: this.membership },
      messages: isCurrent ? messages : [lastMessage],
      ticks: this.ticks,
    };
  }

  /** Forgets the messages that are kept over reloads. */
  forgetTail(): void {
    if (this.tail.messages.length === 0 && !this.tail.isShown) return;
    this.tail.forget();
    this.changed('messages');
  }

  private get shownMessages(): readonly Message[] {
    return this.window.messages ?? (this.tail.isShown ? this.tail.messages : []);
  }

  private get ticks(): Ticks {
    return this.tail.ticks ?? this.members.ticksFor(this.userId, this.description.conversation.memberCount);
  }

  /** The next snapshot is a new object, and these parts of it are made again. */
  private changed(...parts: readonly (keyof ViewParts)[]): void {
    this.view = undefined;
    for (const part of parts) delete this.viewParts[part];
  }

  // ── inside ────────────────────────────────────────────────────────────────────────────────────────────────────

  private describe(conversation: Conversation): void {
    this.description.apply(conversation);
    this.changed('messages');
  }

  private addRevision(rev: number): void {
    this.description.raiseRev(rev);
    this.revisions.add(rev);
    this.changed();
  }

  private put(message: Message, reaction?: ReactionChange): void {
    this.updateTail();
    this.tail.put(message, reaction);
    this.description.addMessage(message);
    this.window.put(message, reaction);
    // A restored tail stays as it is shown until the conversation is opened.
    if (this.isOpen) this.changed('messages');
    else this.changed();
  }

  /** Notifications and mark, as an answer tells them. Counts follow. */
  private applySettings(me: Membership): void {
    const before = this.own.firstUnread;
    this.own.setMark(me.unreadFrom);
    this.own.setNotifications(me.notifications);
    this.move(this.userId, me);
    if (this.own.firstUnread !== before) this.firstUnreadMoved(before);
  }

  private replaceMembers(members: readonly Member[], rev: number): void {
    const present = new Set(members.map(({ userId }) => userId));
    for (const userId of [...this.members.members.keys(), ...this.members.positions.keys()])
      if (!present.has(userId)) this.applyMember({ userId, left: true }, rev);
    for (const member of members) this.applyMember(member, rev);
  }

  /** The user's own entry among the members agrees with `me`. */
  private updateOwnMember(me: Membership): void {
    const { members } = this.members;
    const member = members.get(this.userId);
    if (!member) return;
    members.set(this.userId, withStatus(member, me));
    this.changed('members');
  }

  private move(userId: string, positions: Positions): void {
    if (userId === this.userId) this.own.advance(positions);
    if (this.members.advance(userId, positions)) this.changed('receipts', 'messages');
  }

  private count(message: Message, change: { isNew: boolean; isReaction: boolean }): void {
    if (this.revisions.has(message.rev) || message.seq < this.own.firstUnread) return;
    this.counter.add(message, change);
    this.changed();
  }

  /** `before`: the first unread position of which the counts are. */
  private firstUnreadMoved(before: number): void {
    const { firstUnread } = this.own;
    // Somebody marked messages as unread again: they have to be seen again.
    if (firstUnread < before) this.forgetSeen();
    else this.seen.forgetBefore(firstUnread);
    if (firstUnread > this.lastSeq) this.counter.clear();
    else if (firstUnread !== before && !this.countDown(before)) this.counter.isStale = true;
    this.recount();
    this.changed();
  }

  private forgetSeen(): void {
    this.seen.clear();
    this.unreadStart = 0;
  }

  /** Subtracts what has been read from the counts. Returns false if the window cannot tell how much that is. */
  private countDown(before: number): boolean {
    const { messages = [], oldest, newest } = this.window;
    const { firstUnread } = this.own;
    if (this.counter.isStale || firstUnread < before || oldest > before || newest < firstUnread - 1) return false;
    const read = messages.filter(({ seq }) => seq >= before && seq < firstUnread);
    // The counts do not include a change whose event has not arrived.
    if (messages.length === 0 || read.some(({ rev }) => !this.revisions.has(rev))) return false;
    this.counter.subtract(read);
    return true;
  }

  /** The `seq` of the first unread message. Undefined if nothing is unread, or the shown messages lack it. */
  private get firstUnread(): number | undefined {
    const { unread } = this.counter.counts;
    if (unread === 0) return undefined;
    const shown = this.shownMessages;
    const found = shown.filter((message) => message.seq >= this.unreadFrom && canBeUnread(message, this.userId));
    const isFirst = (shown[0]?.seq ?? Infinity) <= this.unreadFrom || found.length >= unread;
    return isFirst ? found[0]?.seq : undefined;
  }

  /** Counts in the window, if that holds everything unread. */
  private recount(): void {
    const { messages, oldest } = this.window;
    if (!messages || !this.isAtNewest || (oldest > this.own.firstUnread && oldest > 1)) return;
    this.counter.recount(
      messages.filter(({ seq }) => seq >= this.own.firstUnread),
      this.cursor,
    );
    this.changed();
  }

  private changeWindow({ lastSeq }: MessagePage, change: () => void): void {
    if (!this.isOpen) return;
    this.updateTail();
    change();
    this.description.raiseLastSeq(lastSeq);
    this.recount();
    this.changed('messages');
  }

  /** The window's end becomes the tail, if it holds the newest messages. */
  private updateTail(): void {
    if (this.window.messages && this.isAtNewest) this.tail.copyFrom(this.window.messages);
  }
}
