import type { Attachment, Conversation, Member, Membership, Message, ServerEvent } from '#contracts';
import type { RequestOptions } from '../connection/http.js';
import type { MessagePage } from '../conversation/message-window.js';
import { canBeUnread } from '../conversation/unread-counter.js';
import { ParleyError } from '../errors.js';
import type { ClientStorage } from '../storage.js';
import type { Draft, Sent, SocketCall, SocketInput, SocketOutput } from '../types.js';
import { CatchUp } from './catch-up.js';
import { KeptConversations } from './kept-conversations.js';
import { MessageFinder } from './message-finder.js';
import { Outbox } from './outbox.js';
import { ReceiptReporter } from './receipt-reporter.js';
import { Store } from './store.js';

const PAGE_SIZE = 50;
/** Messages around the first unread one when a conversation is opened there: enough for a high screen. */
const UNREAD_PAGE_SIZE = 100;
/** Maximum number of pages loaded to bring a window to the newest message; beyond that it is opened again. */
const MAX_FILL_PAGES = 3;

type Opened = SocketOutput<'conversation:open'>;
type PagePlace = { readonly before: number } | { readonly after: number } | { readonly around: number };

/** The page with the first unread message at or after `from`. */
interface UnreadPage {
  readonly page: MessagePage;
  readonly from: number;
}

/** The server, as the replica needs it. Both calls reject with a ParleyError. */
export interface Server {
  /** Whether the server can be reached now. */
  online(): boolean;
  /** The server's time in milliseconds, as well as it is known. */
  now(): number;
  call<E extends SocketCall>(event: E, payload: SocketInput<E>): Promise<SocketOutput<E>>;
  request<T>(method: string, path: string, options?: RequestOptions): Promise<T>;
}

/** The functions that a {@link Replica} calls. */
export interface ReplicaHooks {
  /** Somebody else's new message. */
  message(message: Message): void;
  /** People who appear as members or senders. */
  people(userIds: readonly string[]): void;
  error(error: ParleyError): void;
}

/**
 * A copy of the user's conversations. Live events, answers and `sync` are folded into one store; messages go out
 * through the outbox, positions as receipts. Events may be lost, repeated and reordered: after catching up, the store
 * equals what a fresh load would return.
 */
export class Replica {
  readonly store: Store;
  readonly outbox: Outbox;
  private readonly receipts: ReceiptReporter;
  private readonly catchUp: CatchUp;
  private readonly kept: KeptConversations | undefined;
  private readonly finder = new MessageFinder();
  /** Conversations that are being opened. */
  private readonly openings = new Map<string, Promise<void>>();
  /** Conversations whose private mark is being moved. */
  private readonly movingMarks = new Set<string>();

  /** `keepConversations`: whether conversations are kept in the storage. */
  constructor(
    private readonly server: Server,
    storage: ClientStorage,
    private readonly hooks: ReplicaHooks,
    keepConversations = false,
  ) {
    const online = () => server.online();
    this.store = new Store(
      {
        onIncomplete: (certain) => this.catchUp.schedule(certain),
        onOwnMessage: (message) => this.outbox.confirm(message),
        onMessage: (message) => {
          hooks.message(message);
          this.receipts.scheduleDelivered();
        },
        onPeople: hooks.people,
      },
      keepConversations,
    );
    this.catchUp = new CatchUp(this.store, {
      online,
      error: hooks.error,
      sync: (input) => server.call('sync', input),
      conversation: (id) => server.request<Conversation>('GET', `/conversations/${id}`),
      epochChanged: () => this.startAfresh(),
      done: () => this.caughtUp(),
    });
    this.outbox = new Outbox(storage, {
      online,
      now: () => server.now(),
      send: (input) => server.call('message:send', input),
      stored: (message) => this.store.applyMessage(message, 'new'),
      changed: (conversationId) => this.showPending(conversationId),
    });
    this.receipts = new ReceiptReporter(this.store, {
      online,
      error: hooks.error,
      reportDelivered: (conversationId, seq) => this.call('receipt:delivered', { conversationId, seq }),
      reportRead: (conversationId, seq) => this.call('receipt:read', { conversationId, seq }),
    });
    if (keepConversations) this.kept = new KeptConversations(storage, this.store, this.receipts);
  }

  /** Loads this user's stored state. */
  async load(userId: string): Promise<void> {
    await this.kept?.load(userId);
    await this.outbox.load(userId);
  }

  /** Resolves when the storage agrees with the memory. */
  async flush(): Promise<void> {
    await Promise.all([this.kept?.flush(), this.outbox.flush()]);
  }

  /** Call when connected. `epoch`: the epoch of the server's database. */
  connected(epoch: string): void {
    if (this.store.epoch !== undefined && this.store.epoch !== epoch) this.startAfresh();
    this.store.epoch = epoch;
    // They may have changed while the client was not connected.
    this.finder.clear();
    this.catchUp.start();
    this.outbox.resume();
    this.receipts.resume();
  }

  /** Catches up at once. */
  refresh(): void {
    this.catchUp.start();
  }

  /** Applies a live event. */
  applyEvent(name: string, payload: unknown): void {
    if (name === 'message:updated') this.finder.forget((payload as ServerEvent<'message:updated'>).message.id);
    this.store.applyEvent(name, payload);
  }

  /** The user has signed out. Unsent messages stay in the storage. */
  async clear(): Promise<void> {
    this.catchUp.stop();
    this.receipts.clear();
    this.finder.clear();
    this.store.clear(true);
    await Promise.all([this.kept?.clear(), this.outbox.clear(false)]);
  }

  /** Makes a call, and applies its answer to the store, ahead of the live events that it causes. */
  async call<E extends SocketCall>(event: E, payload: SocketInput<E>): Promise<SocketOutput<E>> {
    const data = await this.server.call(event, payload);
    this.applyAnswer(event, data);
    return data;
  }

  async changeMessage(method: string, path: string): Promise<Message> {
    const message = await this.server.request<Message>(method, path);
    this.store.applyMessage(message, 'updated');
    return message;
  }

  /** Opens a conversation that is not open, with its newest messages. */
  async open(id: string): Promise<void> {
    if (!this.store.conversations.get(id)?.isOpen) await this.openOnce(id, () => this.loadNewest(id));
  }

  /**
   * Brings the window to the first unread message, or to the newest one if nothing is unread. Leaves a window that has
   * it alone, and one that is just being opened.
   */
  async openAtUnread(id: string): Promise<void> {
    const conversation = this.store.conversations.get(id);
    if (!conversation?.isOpen) return this.openOnce(id, () => this.loadNewest(id, true));
    if (conversation.isAtUnread) return undefined;
    if (conversation.membership.unread === 0) return this.loadNewest(id);
    return this.whileLoading(
      id,
      () => this.unreadPage(id, conversation.unreadFrom),
      (found) => this.showUnread(id, found),
    );
  }

  /**
   * The newest page becomes the window, with the unread messages that the server returns at once. With `atUnread`, if
   * that is not all of them, the page around the first unread one does.
   */
  async loadNewest(id: string, atUnread = false): Promise<void> {
    const wasKnown = this.store.conversations.has(id);
    const version = this.store.conversations.get(id)?.version ?? 0;
    const {
      messages,
      members = [],
      isCurrent,
    } = await this.whileLoading(
      id,
      async () => {
        const answer = await this.server.call('conversation:open', { conversationId: id });
        return { ...answer, unreadPage: atUnread ? await this.missingUnreadPage(answer) : undefined };
      },
      ({ unreadPage, ...answer }) => {
        if (!wasKnown && !this.store.conversations.has(id)) {
          this.store.applyWhole(answer.conversation);
          // The user may have been removed while the answer was on its way.
          this.catchUp.schedule(true);
        }
        const opened = this.store.change(id, (conversation) => conversation.open(answer, version));
        if (unreadPage && opened) this.showUnread(id, unreadPage);
        return { ...answer, isCurrent: opened !== false };
      },
    );
    if (!isCurrent) return this.loadNewest(id, atUnread);
    this.hooks.people([...messages.items.map(({ senderId }) => senderId), ...members.map(({ userId }) => userId)]);
    this.showPending(id);
    this.receipts.scheduleDelivered();
    await this.fill(id);
  }

  async loadOlder(id: string): Promise<void> {
    const conversation = this.store.conversations.get(id);
    if (conversation?.isOpen && conversation.oldest > 1)
      await this.loadPage(id, { before: conversation.oldest }, (page) =>
        this.store.change(id, (present) => present.prepend(page)),
      );
  }

  async loadNewer(id: string): Promise<void> {
    const conversation = this.store.conversations.get(id);
    if (conversation?.isOpen && !conversation.isAtNewest)
      await this.loadPage(id, { after: conversation.newest }, (page) =>
        this.store.change(id, (present) => present.append(page)),
      );
  }

  /** The page around a message becomes the window. */
  async loadAround(id: string, seq: number): Promise<void> {
    await this.open(id);
    await this.loadPage(id, { around: seq }, (page) => this.store.change(id, (present) => present.replace(page)));
  }

  async findMessage(id: string, messageId: string, before: number): Promise<Message | undefined> {
    const view = this.store.state.conversations.get(id);
    const loaded = view?.messages.find((message) => message.id === messageId);
    if (loaded) return loaded;
    // What is loaded need not be searched.
    const oldest = view?.messages[0]?.seq ?? before;
    const from = oldest > 0 && oldest < before ? oldest : before;
    const message = await this.finder.find(messageId, from, (where) => this.requestPage(id, where));
    if (message) this.hooks.people([message.senderId]);
    return message;
  }

  async loadMembers(id: string): Promise<void> {
    const rev = this.store.conversations.get(id)?.cursor ?? 0;
    let cursor: string | undefined;
    do {
      const page: { items: Member[]; nextCursor?: string } = await this.server.request(
        'GET',
        `/conversations/${id}/members`,
        { query: { cursor, limit: 100 } },
      );
      this.store.applyMembers(id, page.items, rev);
      cursor = page.nextCursor;
    } while (cursor !== undefined);
  }

  send(conversationId: string, clientId: string, draft: Draft, attachments: readonly Attachment[]): Sent {
    const stored = this.outbox.add(conversationId, clientId, draft, attachments);
    const messages = this.outbox.messagesOf(conversationId, this.store.userId);
    return { clientId, message: messages.find((message) => message.clientId === clientId)!, stored };
  }

  markRead(id: string, seq = Infinity): void {
    const conversation = this.store.conversations.get(id);
    if (!conversation) return;
    const { lastSeq, membership } = conversation;
    const upTo = Math.min(seq, lastSeq);
    if (upTo > membership.readSeq || membership.unreadFrom !== undefined) this.receipts.read(id, upTo);
  }

  markSeen(id: string, seqs: readonly number[]): void {
    this.store.conversations.get(id)?.see(seqs);
    if (!this.movingMarks.has(id)) this.reportSeen(id);
  }

  async markUnread(id: string, seq: number): Promise<void> {
    // The report of a read that arrived afterwards would remove the mark.
    await this.receipts.flush();
    if (this.receipts.unreportedRead(id) !== undefined) throw new ParleyError('unavailable', 'the server is away');
    await this.setMark(id, seq);
  }

  /** Moves the read position, or the private mark, over what has been seen. */
  private reportSeen(id: string): void {
    const conversation = this.store.conversations.get(id);
    const upTo = conversation?.seenUpTo;
    if (!conversation || upTo === undefined) return;
    const { unreadFrom, readSeq } = conversation.membership;
    if (unreadFrom === undefined || upTo >= readSeq) return this.receipts.read(id, upTo);
    // Any report of a read removes the mark, and with it what was not seen again yet.
    this.movingMarks.add(id);
    const moved = this.setMark(id, upTo + 1).finally(() => this.movingMarks.delete(id));
    this.inBackground(moved.then(() => this.reportSeen(id)));
  }

  private async setMark(id: string, unreadFrom: number): Promise<void> {
    const path = `/conversations/${id}/me`;
    const me = await this.server.request<Membership>('PATCH', path, { body: { unreadFrom } });
    this.store.change(id, (conversation) => conversation.applyUnreadChanged({ conversationId: id, ...me }));
  }

  private applyAnswer(event: SocketCall, data: object): void {
    if (event.startsWith('message:') || event.startsWith('reaction:'))
      this.store.applyMessage((data as { message: Message }).message, event === 'message:send' ? 'new' : 'updated');
    else if (event === 'receipt:delivered' || event === 'receipt:read') {
      const { receipt } = data as SocketOutput<'receipt:read'>;
      this.store.change(receipt.conversationId, (conversation) =>
        conversation.read(receipt.readSeq, receipt.deliveredSeq, event === 'receipt:read'),
      );
    } else if (event === 'conversation:create' || event === 'conversation:join')
      this.store.applyWhole((data as { conversation: Conversation }).conversation);
  }

  /** The database is another one, where cursors mean nothing. Open conversations are opened again. */
  private startAfresh(): void {
    const open = [...this.store.conversations.values()].filter(({ isOpen }) => isOpen).map(({ id }) => id);
    this.store.clear(false);
    for (const id of open) this.inBackground(this.loadNewest(id));
  }

  /** Loads messages that did not fit to the windows' ends. */
  private caughtUp(): void {
    this.receipts.scheduleDelivered();
    this.kept?.caughtUp();
    for (const conversationId of this.outbox.conversations) this.showPending(conversationId);
    for (const { id, isLagging } of this.store.conversations.values()) if (isLagging) this.inBackground(this.fill(id));
  }

  /** Brings a window that should end with the newest message there. */
  private async fill(id: string): Promise<void> {
    for (let pages = 0; this.store.conversations.get(id)?.isLagging; pages++) {
      if (pages === MAX_FILL_PAGES) return this.loadNewest(id);
      await this.loadNewer(id);
    }
  }

  private async loadPage(conversationId: string, where: PagePlace, apply: (page: MessagePage) => void): Promise<void> {
    await this.whileLoading(
      conversationId,
      () => this.requestPage(conversationId, where),
      (page) => {
        apply(page);
        this.hooks.people(page.items.map(({ senderId }) => senderId));
      },
    );
  }

  // Over HTTP, so that a large page does not delay live events on the socket.
  private requestPage(conversationId: string, where: PagePlace, limit = PAGE_SIZE): Promise<MessagePage> {
    return this.server.request('GET', `/conversations/${conversationId}/messages`, { query: { ...where, limit } });
  }

  /** The page around the first unread message, if an answer lacks that. */
  private missingUnreadPage({ conversation, messages }: Opened): Promise<UnreadPage> | undefined {
    const { id, me } = conversation;
    if (!me || me.unread === 0) return undefined;
    const read = this.store.conversations.get(id)?.membership.readSeq ?? 0;
    const from = me.unreadFrom ?? Math.max(me.readSeq, read) + 1;
    const { items } = messages;
    const isComplete = (items[0]?.seq ?? from) <= from || this.unreadOf(items, from).length >= me.unread;
    return isComplete ? undefined : this.unreadPage(id, from);
  }

  /** The page around the first unread message at or after `from`. The user's own may come before it, in any number. */
  private async unreadPage(id: string, from: number): Promise<UnreadPage> {
    let page = await this.requestPage(id, { around: from }, UNREAD_PAGE_SIZE);
    while (page.hasAfter && this.unreadOf(page.items, from).length === 0)
      page = await this.requestPage(id, { after: page.items.at(-1)!.seq }, UNREAD_PAGE_SIZE);
    return { page, from };
  }

  private unreadOf(messages: readonly Message[], from: number): Message[] {
    return messages.filter((message) => message.seq >= from && canBeUnread(message, this.store.userId));
  }

  private showUnread(id: string, { page, from }: UnreadPage): void {
    this.store.change(id, (conversation) => conversation.replaceAtUnread(page, from));
    this.hooks.people(page.items.map(({ senderId }) => senderId));
  }

  /** Joins an opening that is under way: the answer of a second one would undo where the first caller went meanwhile. */
  private async openOnce(id: string, open: () => Promise<void>): Promise<void> {
    const opening = this.openings.get(id) ?? open().finally(() => this.openings.delete(id));
    this.openings.set(id, opening);
    await opening;
  }

  /** Events that arrive while a page is on its way may be newer than the page, so they are kept until it is applied. */
  private async whileLoading<T, U>(id: string, load: () => Promise<T>, apply: (answer: T) => U): Promise<U> {
    const conversation = this.store.conversations.get(id);
    conversation?.beginLoad();
    try {
      return apply(await load());
    } finally {
      conversation?.endLoad();
    }
  }

  private inBackground(work: Promise<void>): void {
    work.catch((caught: unknown) => {
      const error = ParleyError.of(caught);
      // The connection or the conversation is gone: catching up deals with both.
      if (!error.temporary && error.code !== 'not_found' && error.code !== 'banned') this.hooks.error(error);
    });
  }

  private showPending(conversationId: string): void {
    const messages = this.outbox.messagesOf(conversationId, this.store.userId);
    this.store.setPending(conversationId, messages, this.outbox.size);
  }
}
