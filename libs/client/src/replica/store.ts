import type { CallOutput, Conversation, Member, Message, Presence, Receipt, ServerEvent, User } from '#contracts';
import { ConversationState, type KeptConversation } from '../conversation/conversation-state.js';
import type { ReactionChange } from '../conversation/message-list.js';
import { report } from '../emitter.js';
import type { ChatMessage, ClientState, ConnectionState, ConversationView } from '../types.js';

/** Cursors that fit into a packet of `sync`. The conversations that were quiet longest are left out. */
export const MAX_CURSORS = 1200;
/** Maximum number of conversations with early messages, and of such messages of one. */
const MAX_EARLY = 100;
/** Typing ends locally a little after the server should have reported its end. */
const TYPING_TIMEOUT_MS = 8_000;
const MAX_REMEMBERED_REMOVALS = 200;
/** Maximum numbers of people and of conversations that `shownPeople` considers. */
const MAX_SHOWN_PEOPLE = 300;
const MAX_SHOWN_CONVERSATIONS = 50;

type Sync = CallOutput<'sync'>;
type Own = Pick<ClientState, 'user' | 'sessionId' | 'limits' | 'iceServers' | 'availability'>;

/** The functions that a {@link Store} calls. */
export interface StoreHooks {
  /** The state may lack something that `sync` would return. `certain`: no event on its way can fill the gap. */
  onIncomplete(certain: boolean): void;
  /** A message of the user's own is stored. */
  onOwnMessage(message: Message): void;
  /** Somebody else's message that was not known. */
  onMessage(message: Message): void;
  /** People who appear as members or senders. */
  onPeople(userIds: readonly string[]): void;
}

/**
 * The state that is shown, and the one place where it changes. `state` is current at any time; listeners are called
 * once per turn of the event loop.
 */
export class Store {
  readonly conversations = new Map<string, ConversationState>();
  /** The epoch of the database that the conversations are from. */
  epoch: string | undefined;
  private own: Own = {};
  private connection: ConnectionState = 'signed-out';
  private users: ReadonlyMap<string, User> = new Map();
  private presence: ReadonlyMap<string, Presence> = new Map();
  private pending: ReadonlyMap<string, readonly ChatMessage[]> = new Map();
  private pendingCount = 0;
  private order: readonly string[] = [];
  private views: ReadonlyMap<string, ConversationView> = new Map();
  private snapshot: ClientState | undefined;
  private notifying = false;
  private readonly listeners = new Set<() => void>();
  /** Conversations that were removed: an event that arrives afterwards may have been sent before the removal. */
  private readonly removed = new Set<string>();
  /** New messages of conversations that a `sync` under way will add. They arrive with them, in the order of their seq. */
  private readonly early = new Map<string, Map<number, Message>>();

  /** `keepTails`: whether the newest messages of each conversation are kept at hand for a reload. */
  constructor(
    private readonly hooks: StoreHooks,
    private readonly keepTails = false,
  ) {}

  // ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────

  get state(): ClientState {
    return (this.snapshot ??= this.takeSnapshot());
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  get userId(): string {
    return this.own.user?.id ?? '';
  }

  get connectionState(): ConnectionState {
    return this.connection;
  }

  /**
   * The cursors that `sync` is called with. Closed conversations with stale counts are left out, so that the answer has
   * them as a whole.
   */
  cursors(): Record<string, number> {
    const listed = [...this.conversations.values()].filter(({ isStale, isOpen }) => isOpen || !isStale);
    if (listed.length > MAX_CURSORS)
      listed.sort((a, b) => Number(b.isOpen) - Number(a.isOpen) || (a.activity < b.activity ? 1 : -1));
    return Object.fromEntries(listed.slice(0, MAX_CURSORS).map(({ id, cursor }) => [id, cursor]));
  }

  /** Whether `sync` would tell something that the state lacks. */
  get needsSync(): boolean {
    return [...this.conversations.values()].some(({ hasGap, isStale, isOpen }) => hasGap || (isStale && !isOpen));
  }

  /**
   * People who are probably on the screen: of open conversations, of the top of the list, and those who are watched.
   */
  shownPeople(): string[] {
    const { conversations, order } = this.state;
    const open = [...conversations.values()].filter(({ opened }) => opened);
    const listed = order.slice(0, MAX_SHOWN_CONVERSATIONS).map((id) => conversations.get(id));
    const ids = new Set([
      this.userId,
      ...open.flatMap(({ messages }) => messages.map(({ senderId }) => senderId)),
      ...this.presence.keys(),
      ...open.flatMap(({ members }) => [...members.keys()]),
      ...listed.flatMap((view) => [view?.partnerId ?? '', view?.conversation.lastMessage?.senderId ?? '']),
    ]);
    return [...ids].filter((id) => this.users.has(id)).slice(0, MAX_SHOWN_PEOPLE);
  }

  // ── changing ──────────────────────────────────────────────────────────────────────────────────────────────────

  setConnection(state: ConnectionState): void {
    if (this.connection === state) return;
    this.connection = state;
    this.changed();
  }

  setOwn(own: Own): void {
    this.own = { ...this.own, ...own };
    this.changed();
  }

  setPending(conversationId: string, messages: readonly ChatMessage[], pendingCount: number): void {
    this.conversations.get(conversationId)?.setPending(messages);
    const pending = new Map(this.pending);
    if (messages.length > 0) pending.set(conversationId, messages);
    else pending.delete(conversationId);
    this.pending = pending;
    this.pendingCount = pendingCount;
    this.changed();
  }

  addUsers(users: readonly User[]): void {
    const changed = users.filter((user) => !isSameUser(user, this.users.get(user.id)));
    if (changed.length === 0) return;
    this.users = new Map([...this.users, ...changed.map((user) => [user.id, user] as const)]);
    this.changed();
  }

  setPresence(presence: readonly Presence[], forgottenIds: readonly string[] = []): void {
    const next = new Map(this.presence);
    for (const entry of presence) next.set(entry.userId, entry);
    for (const userId of forgottenIds) next.delete(userId);
    this.presence = next;
    this.changed();
  }

  /** Forgets the conversations; when the user has signed out, everything. */
  clear(signedOut: boolean): void {
    for (const conversation of this.conversations.values()) stopTyping(conversation);
    this.conversations.clear();
    this.removed.clear();
    this.early.clear();
    this.epoch = undefined;
    if (signedOut) {
      this.own = {};
      this.users = this.presence = new Map();
      this.pending = new Map();
      this.pendingCount = 0;
    }
    this.changed();
  }

  /** Adds conversations and people that were kept before a reload. Those that are known already stay as they are. */
  restore(epoch: string, conversations: readonly KeptConversation[], users: readonly User[]): void {
    if (this.epoch !== undefined && this.epoch !== epoch) return;
    this.epoch = epoch;
    for (const kept of conversations) {
      const { id } = kept.conversation;
      if (!this.conversations.has(id)) this.conversations.set(id, ConversationState.fromKept(kept, this.userId));
    }
    this.addUsers(users.filter(({ id }) => !this.users.has(id)));
  }

  /** Changes one conversation. Does nothing when it is not known. */
  change<T>(conversationId: string, work: (conversation: ConversationState) => T): T | undefined {
    const conversation = this.conversations.get(conversationId);
    if (!conversation) return undefined;
    const result = work(conversation);
    this.changed();
    if (conversation.hasGap || (conversation.isStale && this.connection === 'online')) this.hooks.onIncomplete(false);
    return result;
  }

  /** One of the user's conversations as a whole. `version`: see {@link ConversationState.applyWhole}. */
  applyWhole(conversation: Conversation, version?: number): void {
    const { id, createdBy, memberIds = [], lastMessage } = conversation;
    this.removed.delete(id);
    if (this.conversations.has(id)) this.change(id, (present) => present.applyWhole(conversation, version));
    else this.conversations.set(id, new ConversationState(conversation, this.userId, this.keepTails));
    this.hooks.onPeople([createdBy, ...memberIds, ...(lastMessage ? [lastMessage.senderId] : [])]);
    this.changed();
    this.applyEarly(id);
  }

  /** A message of a live event or an answer. */
  applyMessage(message: Message, kind: 'new' | 'updated', reaction?: ReactionChange): void {
    const { conversationId, senderId, seq } = message;
    const conversation = this.conversations.get(conversationId);
    if (!conversation) {
      if (this.removed.has(conversationId)) return;
      if (kind === 'new') this.keepEarly(message);
      return this.hooks.onIncomplete(true);
    }
    const isNew = seq > conversation.lastSeq;
    this.change(conversationId, () => conversation.applyMessage(message, kind, reaction));
    this.messageArrived(message, isNew);
    if (kind === 'new') this.setTyping(conversationId, senderId, false);
  }

  private keepEarly(message: Message): void {
    const { conversationId, seq } = message;
    if (!this.early.has(conversationId) && this.early.size >= MAX_EARLY) return;
    const messages = this.early.get(conversationId) ?? new Map<number, Message>();
    if (messages.size < MAX_EARLY) this.early.set(conversationId, messages.set(seq, message));
  }

  /** The conversation as it was added may have these messages already: they are reported all the same. */
  private applyEarly(conversationId: string): void {
    const messages = this.early.get(conversationId);
    this.early.delete(conversationId);
    for (const message of [...(messages?.values() ?? [])].sort((a, b) => a.seq - b.seq)) {
      const isKnown = message.seq <= (this.conversations.get(conversationId)?.lastSeq ?? 0);
      if (isKnown) this.messageArrived(message, true);
      else this.applyMessage(message, 'new');
    }
  }

  setTyping(conversationId: string, userId: string, active: boolean): void {
    const conversation = this.conversations.get(conversationId);
    if (!conversation || userId === this.userId) return;
    const { typing } = conversation;
    const wasTyping = typing.has(userId);
    clearTimeout(typing.get(userId));
    if (active)
      typing.set(
        userId,
        setTimeout(() => this.setTyping(conversationId, userId, false), TYPING_TIMEOUT_MS),
      );
    else typing.delete(userId);
    if (wasTyping === active) return;
    conversation.typingChanged();
    this.hooks.onPeople([userId]);
    this.changed();
  }

  remove(conversationId: string): void {
    const conversation = this.conversations.get(conversationId);
    if (!conversation) return;
    stopTyping(conversation);
    this.conversations.delete(conversationId);
    this.early.delete(conversationId);
    this.removed.add(conversationId);
    if (this.removed.size > MAX_REMEMBERED_REMOVALS) this.removed.delete(this.removed.values().next().value!);
    this.changed();
  }

  /** Applies a live event. Ignores names that it does not know. */
  applyEvent(name: string, payload: unknown): void {
    switch (name) {
      case 'message:new':
      case 'message:updated': {
        const { message, reaction } = payload as ServerEvent<'message:updated'>;
        return this.applyMessage(message, name === 'message:new' ? 'new' : 'updated', reaction);
      }
      case 'conversation:new': {
        const { conversation } = payload as ServerEvent<'conversation:new'>;
        // It carries no order: it may be older than the removal.
        if (this.removed.has(conversation.id)) return this.hooks.onIncomplete(true);
        return this.applyWhole(conversation);
      }
      case 'conversation:updated': {
        const { conversation } = payload as ServerEvent<'conversation:updated'>;
        if (!this.conversations.has(conversation.id)) return this.hooks.onIncomplete(true);
        return void this.change(conversation.id, (present) => present.applyDescription(conversation));
      }
      case 'conversation:removed': {
        this.remove((payload as ServerEvent<'conversation:removed'>).conversationId);
        // It carries no order: the user may have been added again already.
        return this.hooks.onIncomplete(true);
      }
      case 'member:changed': {
        const event = payload as ServerEvent<'member:changed'>;
        if ('member' in event) this.hooks.onPeople([event.member.userId]);
        return this.changeByEvent(event.conversationId, (conversation) => conversation.applyMemberChanged(event));
      }
      case 'receipt:updated': {
        const receipt = payload as Receipt;
        return this.changeByEvent(receipt.conversationId, (conversation) => conversation.applyReceipt(receipt));
      }
      case 'unread:changed': {
        const event = payload as ServerEvent<'unread:changed'>;
        return this.changeByEvent(event.conversationId, (conversation) => conversation.applyUnreadChanged(event));
      }
      case 'typing': {
        const { conversationId, userId, active } = payload as ServerEvent<'typing'>;
        return this.setTyping(conversationId, userId, active);
      }
      case 'drawing:reset': {
        const { conversationId, rev } = payload as ServerEvent<'drawing:reset'>;
        return this.changeByEvent(conversationId, (conversation) => conversation.applyRevision(rev));
      }
      case 'presence:changed': {
        const presence = payload as Presence;
        return this.presence.has(presence.userId) ? this.setPresence([presence]) : undefined;
      }
    }
  }

  /** Applies an answer of `sync`, which was requested when the conversations had these versions. */
  applySync({ changes, added, removed }: Sync, versions: ReadonlyMap<string, number>): void {
    for (const conversationId of removed) this.removeUnlessChanged(conversationId, versions);
    for (const conversation of added) this.applyWhole(conversation, versions.get(conversation.id) ?? 0);
    for (const { conversationId, ...entry } of changes) {
      const conversation = this.conversations.get(conversationId);
      if (!conversation) continue;
      const { lastSeq } = conversation;
      conversation.applyChanges(entry, versions.get(conversationId) ?? 0);
      for (const message of entry.messages) this.messageArrived(message, message.seq > lastSeq);
      this.hooks.onPeople((entry.members ?? []).map(({ userId }) => userId));
    }
    this.changed();
  }

  /**
   * Removes a conversation that an answer does not have any more, unless an event that arrived since its request may
   * have brought it back.
   */
  removeUnlessChanged(conversationId: string, versions: ReadonlyMap<string, number>): void {
    const conversation = this.conversations.get(conversationId);
    if (!conversation) return;
    if (conversation.version === versions.get(conversationId)) this.remove(conversationId);
    else this.hooks.onIncomplete(true);
  }

  /** Members out of a page, as of `rev`. */
  applyMembers(conversationId: string, members: readonly Member[], rev: number): void {
    this.change(conversationId, (conversation) => members.forEach((member) => conversation.applyMember(member, rev)));
    this.hooks.onPeople(members.map(({ userId }) => userId));
  }

  /** The conversation of an event may arrive with an answer that is still under way. */
  private changeByEvent(conversationId: string, work: (conversation: ConversationState) => void): void {
    if (this.conversations.has(conversationId)) this.change(conversationId, work);
    else if (!this.removed.has(conversationId)) this.hooks.onIncomplete(true);
  }

  private messageArrived(message: Message, isNew: boolean): void {
    if (message.senderId === this.userId) return this.hooks.onOwnMessage(message);
    this.hooks.onPeople([message.senderId]);
    if (isNew) this.hooks.onMessage(message);
  }

  // ── snapshots ─────────────────────────────────────────────────────────────────────────────────────────────────

  private changed(): void {
    this.snapshot = undefined;
    if (this.notifying) return;
    this.notifying = true;
    queueMicrotask(() => {
      this.notifying = false;
      for (const listener of this.listeners) report(listener);
    });
  }

  private takeSnapshot(): ClientState {
    const all = [...this.conversations.values()];
    if (all.length !== this.views.size || all.some(({ isDirty }) => isDirty)) {
      this.views = new Map(all.map((conversation) => [conversation.id, conversation.snapshot()]));
      const listed = all.filter(({ isListed }) => isListed);
      const order = listed.sort((a, b) => (a.activity < b.activity ? 1 : -1)).map(({ id }) => id);
      if (order.length !== this.order.length || order.some((id, at) => id !== this.order[at])) this.order = order;
    }
    const { own, connection, order, views: conversations, users, presence, pending, pendingCount } = this;
    return Object.freeze({ connection, ...own, order, conversations, users, presence, pending, pendingCount });
  }
}

function stopTyping({ typing }: ConversationState): void {
  for (const timer of typing.values()) clearTimeout(timer);
}

function isSameUser(a: User, b: User | undefined): boolean {
  return (
    b !== undefined && Object.keys({ ...a, ...b }).every((name) => a[name as keyof User] === b[name as keyof User])
  );
}
