import type {
  CallOutput,
  Conversation,
  Limits,
  Me,
  Member,
  Message,
  Presence,
  Receipt,
  ServerEvent,
  User,
} from '@parley/contracts';
import { HeldConversation, type KeptConversation } from '../conversation/conversation-state.js';
import { report } from '../emitter.js';
import type { ChatMessage, ClientState, ConnectionState, ConversationView } from '../types.js';

/** More cursors than this would not fit into a packet of `sync`; conversations that were quiet for longer are asked about without. */
export const MOST_CURSORS = 1200;
/** Others' typing ends by itself a little after the server would have told. */
const TYPING_MS = 8_000;
const REMEMBERED_REMOVALS = 200;
/** People, and conversations of the list, that count as shown. */
const MOST_SHOWN = 300;
const MOST_LISTED = 50;

type Sync = CallOutput<'sync'>;

export interface StoreHooks {
  /** Something was missed, or cannot be told from what is here: a `sync` would. `sure`: nothing that comes by itself settles it. */
  onDoubt(sure: boolean): void;
  /** A message of the user's own is stored. */
  onOwn(message: Message): void;
  /** Somebody else's message that was not known. */
  onMessage(message: Message): void;
  /** People that appear. */
  onPeople(userIds: readonly string[]): void;
}

/** Everything that is shown, and the one place where it changes. Listeners are told once per turn of the event loop; `state` is right at any time. */
export class Store {
  readonly held = new Map<string, HeldConversation>();
  epoch: string | undefined;
  private own: { user?: Me; sessionId?: string; limits?: Limits } = {};
  private connection: ConnectionState = 'signed-out';
  private users: ReadonlyMap<string, User> = new Map();
  private presence: ReadonlyMap<string, Presence> = new Map();
  private pending: ReadonlyMap<string, readonly ChatMessage[]> = new Map();
  private pendingCount = 0;
  private order: readonly string[] = [];
  private conversations: ReadonlyMap<string, ConversationView> = new Map();
  private snapshot: ClientState | undefined;
  private notifying = false;
  private readonly listeners = new Set<() => void>();
  /** Conversations that went away: what is told of them afterwards may be older than that. */
  private readonly removed = new Set<string>();

  /** `keeps`: whether conversations have at hand what is kept over reloads. */
  constructor(
    private readonly hooks: StoreHooks,
    private readonly keeps = false,
  ) {}

  // ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────

  get state(): ClientState {
    return (this.snapshot ??= this.take());
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

  /** What `sync` is asked with. Conversations whose counts are not certain, and of which nothing else is held, are left out: they come back as a whole. */
  cursors(): Record<string, number> {
    const known = [...this.held.values()].filter(({ stale, opened }) => opened || !stale);
    const recent =
      known.length <= MOST_CURSORS
        ? known
        : known
            .toSorted((a, b) => Number(b.opened) - Number(a.opened) || (a.activity < b.activity ? 1 : -1))
            .slice(0, MOST_CURSORS);
    return Object.fromEntries(recent.map(({ id, cursor }) => [id, cursor]));
  }

  get doubtful(): boolean {
    return [...this.held.values()].some(({ hasHole, stale, opened }) => hasHole || (stale && !opened));
  }

  // ── changing ──────────────────────────────────────────────────────────────────────────────────────────────────

  setConnection(state: ConnectionState): void {
    if (this.connection === state) return;
    this.connection = state;
    this.changed();
  }

  setOwn(own: { user?: Me; sessionId?: string; limits?: Limits }): void {
    this.own = { ...this.own, ...own };
    this.changed();
  }

  setPending(conversationId: string, pending: readonly ChatMessage[], pendingCount: number): void {
    this.held.get(conversationId)?.setPending(pending);
    const pendings = new Map(this.pending);
    if (pending.length > 0) pendings.set(conversationId, pending);
    else pendings.delete(conversationId);
    this.pending = pendings;
    this.pendingCount = pendingCount;
    this.changed();
  }

  addUsers(users: readonly User[]): void {
    const changed = users.filter((user) => !isSame(user, this.users.get(user.id)));
    if (changed.length === 0) return;
    this.users = new Map([...this.users, ...changed.map((user) => [user.id, user] as const)]);
    this.changed();
  }

  /** Those who are seen, probably: in conversations that are open, at the top of the list, and those who are watched. */
  shownPeople(): string[] {
    const { conversations, order } = this.state;
    const open = [...conversations.values()].filter(({ opened }) => opened);
    const ids = new Set([
      this.userId,
      ...open.flatMap(({ messages }) => messages.map(({ senderId }) => senderId)),
      ...this.presence.keys(),
      ...open.flatMap(({ members }) => [...members.keys()]),
      ...order
        .slice(0, MOST_LISTED)
        .flatMap((id) => [conversations.get(id)?.partnerId, conversations.get(id)?.conversation.lastMessage?.senderId]),
    ]);
    return [...ids].filter((id) => id !== undefined && this.users.has(id)).slice(0, MOST_SHOWN) as string[];
  }

  setPresence(presence: readonly Presence[], forget: readonly string[] = []): void {
    const next = new Map(this.presence);
    for (const one of presence) next.set(one.userId, one);
    for (const userId of forget) next.delete(userId);
    this.presence = next;
    this.changed();
  }

  /** Forgets everything; with `user` too when the session is over. */
  clear(signedOut: boolean): void {
    for (const held of this.held.values()) for (const timer of held.typing.values()) clearTimeout(timer);
    this.held.clear();
    this.removed.clear();
    this.epoch = undefined;
    if (signedOut) {
      this.own = {};
      this.users = this.presence = new Map();
      this.pending = new Map();
      this.pendingCount = 0;
    }
    this.changed();
  }

  /** What was known in a database of this epoch, before a reload; what is known since then stays. */
  restore(epoch: string, conversations: readonly KeptConversation[], users: readonly User[]): void {
    if (this.epoch !== undefined && this.epoch !== epoch) return;
    this.epoch = epoch;
    for (const kept of conversations)
      if (!this.held.has(kept.conversation.id))
        this.held.set(kept.conversation.id, HeldConversation.kept(kept, this.userId));
    this.addUsers(users.filter(({ id }) => !this.users.has(id)));
  }

  /** Changes one conversation; nothing when it is not held. */
  change<T>(conversationId: string, work: (held: HeldConversation) => T): T | undefined {
    const held = this.held.get(conversationId);
    if (!held) return undefined;
    const result = work(held);
    this.changed();
    if (held.hasHole || (held.stale && this.connection === 'online')) this.hooks.onDoubt(false);
    return result;
  }

  /** A conversation of the user's own as a whole, as the server answered. */
  whole(conversation: Conversation, ownVersion?: number): void {
    this.removed.delete(conversation.id);
    const held = this.held.get(conversation.id);
    if (held) this.change(conversation.id, () => held.whole(conversation, ownVersion));
    else this.held.set(conversation.id, new HeldConversation(conversation, this.userId, this.keeps));
    const { createdBy, memberIds = [], lastMessage } = conversation;
    this.hooks.onPeople([createdBy, ...memberIds, ...(lastMessage ? [lastMessage.senderId] : [])]);
    this.changed();
  }

  /** A message, told by an answer or live. */
  message(
    message: Message,
    origin: 'new' | 'updated',
    reaction?: { userId: string; emoji: string; added: boolean },
  ): void {
    const held = this.held.get(message.conversationId);
    if (!held) return this.removed.has(message.conversationId) ? undefined : this.hooks.onDoubt(true);
    const isNew = message.seq > held.lastSeq;
    this.change(message.conversationId, () => held.message(message, origin, reaction));
    this.arrived(message, isNew);
    if (origin === 'new') this.typing(message.conversationId, message.senderId, false);
  }

  typing(conversationId: string, userId: string, active: boolean): void {
    const held = this.held.get(conversationId);
    if (!held || userId === this.userId) return;
    const known = held.typing.get(userId);
    clearTimeout(known);
    if (active)
      held.typing.set(
        userId,
        setTimeout(() => this.typing(conversationId, userId, false), TYPING_MS),
      );
    else held.typing.delete(userId);
    if ((known !== undefined) === active) return;
    held.typingChanged();
    this.hooks.onPeople([userId]);
    this.changed();
  }

  remove(conversationId: string): void {
    const held = this.held.get(conversationId);
    if (!held) return;
    for (const timer of held.typing.values()) clearTimeout(timer);
    this.held.delete(conversationId);
    this.removed.add(conversationId);
    if (this.removed.size > REMEMBERED_REMOVALS) this.removed.delete(this.removed.values().next().value!);
    this.changed();
  }

  /** A live event. What it does not know, it passes over. */
  event(name: string, payload: unknown): void {
    switch (name) {
      case 'message:new':
      case 'message:updated': {
        const { message, reaction } = payload as ServerEvent<'message:updated'>;
        return this.message(message, name === 'message:new' ? 'new' : 'updated', reaction);
      }
      case 'conversation:new': {
        const { conversation } = payload as ServerEvent<'conversation:new'>;
        // It may be older than the removal.
        if (this.removed.has(conversation.id)) return this.hooks.onDoubt(true);
        return this.whole(conversation);
      }
      case 'conversation:updated': {
        const { conversation } = payload as ServerEvent<'conversation:updated'>;
        if (!this.held.has(conversation.id)) return this.hooks.onDoubt(true);
        return void this.change(conversation.id, (held) => held.updated(conversation));
      }
      case 'conversation:removed': {
        this.remove((payload as ServerEvent<'conversation:removed'>).conversationId);
        // They may be back already: nothing numbers this.
        return this.hooks.onDoubt(true);
      }
      case 'member:changed': {
        const event = payload as ServerEvent<'member:changed'>;
        if ('member' in event) this.hooks.onPeople([event.member.userId]);
        return void this.change(event.conversationId, (held) => held.memberChanged(event));
      }
      case 'receipt:updated': {
        const receipt = payload as Receipt;
        return void this.change(receipt.conversationId, (held) => held.receipt(receipt));
      }
      case 'unread:changed': {
        const event = payload as ServerEvent<'unread:changed'>;
        return void this.change(event.conversationId, (held) => held.unreadChanged(event));
      }
      case 'typing': {
        const { conversationId, userId, active } = payload as ServerEvent<'typing'>;
        return this.typing(conversationId, userId, active);
      }
      case 'drawing:reset': {
        const { conversationId, rev } = payload as ServerEvent<'drawing:reset'>;
        return void this.change(conversationId, (held) => held.updatedTo(rev));
      }
      case 'presence:changed': {
        const presence = payload as Presence;
        return this.presence.has(presence.userId) ? this.setPresence([presence]) : undefined;
      }
    }
  }

  /** One answer of `sync`, which was asked for when the conversations' own versions were `versions`. */
  synced({ changes, added, removed }: Sync, versions: ReadonlyMap<string, number>): void {
    for (const conversationId of removed) this.gone(conversationId, versions);
    for (const conversation of added) this.whole(conversation, versions.get(conversation.id) ?? 0);
    for (const { conversationId, ...entry } of changes) {
      const held = this.held.get(conversationId);
      if (!held) continue;
      const { lastSeq } = held;
      held.changes(entry, versions.get(conversationId) ?? 0);
      for (const message of entry.messages) this.arrived(message, message.seq > lastSeq);
      this.hooks.onPeople((entry.members ?? []).map(({ userId }) => userId));
    }
    this.changed();
  }

  /** An answer says that it is not the user's any more; a `conversation:new` that came meanwhile may say otherwise. */
  gone(conversationId: string, versions: ReadonlyMap<string, number>): void {
    const held = this.held.get(conversationId);
    if (!held) return;
    if (held.ownVersion === versions.get(conversationId)) this.remove(conversationId);
    else this.hooks.onDoubt(true);
  }

  /** The members of a page, as of now. */
  members(conversationId: string, members: readonly Member[], rev: number): void {
    this.change(conversationId, (held) => members.forEach((member) => held.member(member, rev)));
    this.hooks.onPeople(members.map(({ userId }) => userId));
  }

  private arrived(message: Message, isNew: boolean): void {
    if (message.senderId === this.userId) return this.hooks.onOwn(message);
    this.hooks.onPeople([message.senderId]);
    if (isNew) this.hooks.onMessage(message);
  }

  // ── snapshots ─────────────────────────────────────────────────────────────────────────────────────────────────

  changed(): void {
    this.snapshot = undefined;
    if (this.notifying) return;
    this.notifying = true;
    queueMicrotask(() => {
      this.notifying = false;
      for (const listener of this.listeners) report(listener);
    });
  }

  private take(): ClientState {
    const held = [...this.held.values()];
    if (held.length !== this.conversations.size || held.some((one) => one.dirty)) {
      this.conversations = new Map(held.map((one) => [one.id, one.snapshot()]));
      const order = held.toSorted((a, b) => (a.activity < b.activity ? 1 : -1)).map(({ id }) => id);
      if (order.length !== this.order.length || order.some((id, at) => id !== this.order[at])) this.order = order;
    }
    const { own, connection, order, conversations, users, presence, pending, pendingCount } = this;
    return Object.freeze({ connection, ...own, order, conversations, users, presence, pending, pendingCount });
  }
}

const isSame = (a: User, b: User | undefined): boolean =>
  b !== undefined && Object.keys({ ...a, ...b }).every((name) => a[name as keyof User] === b[name as keyof User]);
