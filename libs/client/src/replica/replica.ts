import type { Attachment, Conversation, Member, Message } from '@parley/contracts';
import { ParleyError } from '../errors.js';
import type { RequestOptions } from '../connection/http.js';
import { LastKnown } from './last-known.js';
import { Outbox } from './outbox.js';
import { Receipts } from './receipts.js';
import type { ClientStorage } from '../storage.js';
import { Store } from './store.js';
import { CatchUp } from './catch-up.js';
import type { Draft, Sent, SocketCall, SocketInput, SocketOutput } from '../types.js';

const PAGE = 50;
/** Pages that are loaded to bring a window to the newest message, before it is loaded anew instead. */
const MOST_FILLS = 3;

type Page = SocketOutput<'conversation:history'>;

/** The server, as the replica needs it. Both reject with a ParleyError. */
export interface Server {
  /** Whether calls would be answered now. */
  online(): boolean;
  call<E extends SocketCall>(event: E, payload: SocketInput<E>): Promise<SocketOutput<E>>;
  request<T>(method: string, path: string, options?: RequestOptions): Promise<T>;
}

export interface ReplicaHooks {
  /** Somebody else's new message. */
  message(message: Message): void;
  /** People that appear. */
  people(userIds: readonly string[]): void;
  error(error: ParleyError): void;
}

/**
 * What the server holds of the user's conversations, kept here: live events, answers and `sync` are folded into one store, and what the user does goes out through the outbox and as receipts.
 * However events are lost, repeated and reordered, after catching up the store is what a fresh load would be.
 */
export class Replica {
  readonly store: Store;
  readonly outbox: Outbox;
  readonly receipts: Receipts;
  private readonly catchUp: CatchUp;
  private readonly lastKnown: LastKnown | undefined;

  /** `keeps`: whether conversations are kept in the storage too. */
  constructor(
    private readonly server: Server,
    storage: ClientStorage,
    private readonly hooks: ReplicaHooks,
    keeps = false,
  ) {
    const online = () => server.online();
    this.store = new Store(
      {
        onDoubt: (sure) => this.catchUp.soon(sure),
        onOwn: (message) => this.outbox.arrived(message),
        onMessage: (message) => {
          hooks.message(message);
          this.receipts.arrived();
        },
        onPeople: hooks.people,
      },
      keeps,
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
      send: (input) => server.call('message:send', input),
      stored: (message) => this.store.message(message, 'new'),
      changed: (conversationId) => this.showPending(conversationId),
    });
    this.receipts = new Receipts(this.store, {
      online,
      error: hooks.error,
      delivered: (conversationId, seq) => this.call('receipt:delivered', { conversationId, seq }),
      read: (conversationId, seq) => this.call('receipt:read', { conversationId, seq }),
    });
    if (keeps) this.lastKnown = new LastKnown(storage, this.store, this.receipts);
  }

  /** Takes over what the storage holds of this user. */
  async load(userId: string): Promise<void> {
    await this.lastKnown?.load(userId);
    await this.outbox.load(userId);
  }

  /** Resolves when the storage holds what is here now. */
  async flush(): Promise<void> {
    await Promise.all([this.lastKnown?.flush(), this.outbox.flush()]);
  }

  /** There is a connection, to a database of this epoch. */
  connected(epoch: string): void {
    if (this.store.epoch !== undefined && this.store.epoch !== epoch) this.startAfresh();
    this.store.epoch = epoch;
    this.catchUp.now();
    this.outbox.resume();
    this.receipts.resume();
  }

  /** Asks what was missed, at once. */
  refresh(): void {
    this.catchUp.now();
  }

  event(name: string, payload: unknown): void {
    this.store.event(name, payload);
  }

  /** Nobody is signed in any more. What was not sent stays in the storage. */
  async clear(): Promise<void> {
    this.catchUp.stop();
    this.receipts.clear();
    this.store.clear(true);
    await Promise.all([this.lastKnown?.clear(), this.outbox.clear(false)]);
  }

  /** A call whose answer is shown too: it tells what live events are going to, and sooner. */
  async call<E extends SocketCall>(event: E, payload: SocketInput<E>): Promise<SocketOutput<E>> {
    const data = await this.server.call(event, payload);
    this.fold(event, data);
    return data;
  }

  async changeMessage(method: string, path: string): Promise<Message> {
    const message = await this.server.request<Message>(method, path);
    this.store.message(message, 'updated');
    return message;
  }

  /** The newest messages become the window, unread ones included. */
  async open(id: string): Promise<void> {
    let version = 0;
    const known = this.store.held.has(id);
    const opened = await this.whileLoading(
      id,
      () => {
        version = this.store.held.get(id)?.ownVersion ?? 0;
        return this.server.call('conversation:open', { conversationId: id });
      },
      (answer) => {
        if (!known && !this.store.held.has(id)) {
          this.store.whole(answer.conversation);
          // It may have gone while the answer was on its way.
          this.catchUp.soon(true);
        }
        return { ...answer, current: this.store.change(id, (held) => held.open(answer, version)) };
      },
    );
    if (opened.current === false) return this.open(id);
    this.hooks.people([
      ...opened.messages.items.map(({ senderId }) => senderId),
      ...(opened.members ?? []).map(({ userId }) => userId),
    ]);
    this.showPending(id);
    this.receipts.arrived();
    await this.fill(id);
  }

  async loadOlder(id: string): Promise<void> {
    const held = this.store.held.get(id);
    if (held?.opened && held.oldest > 1)
      await this.page(id, { before: held.oldest }, (page) => this.store.change(id, (now) => now.join(page, 'before')));
  }

  async loadNewer(id: string): Promise<void> {
    const held = this.store.held.get(id);
    if (held?.opened && !held.atNewest)
      await this.page(id, { after: held.newest }, (page) => this.store.change(id, (now) => now.join(page, 'after')));
  }

  async loadAround(id: string, seq: number): Promise<void> {
    if (!this.store.held.get(id)?.opened) await this.open(id);
    await this.page(id, { around: seq }, (page) => this.store.change(id, (held) => held.replace(page)));
  }

  async loadMembers(id: string): Promise<void> {
    const rev = this.store.held.get(id)?.cursor ?? 0;
    let cursor: string | undefined;
    do {
      const page: { items: Member[]; nextCursor?: string } = await this.server.request(
        'GET',
        `/conversations/${id}/members`,
        { query: { cursor, limit: 100 } },
      );
      this.store.members(id, page.items, rev);
      cursor = page.nextCursor;
    } while (cursor !== undefined);
  }

  send(conversationId: string, clientId: string, draft: Draft, attachments: readonly Attachment[]): Sent {
    const stored = this.outbox.add(conversationId, clientId, draft, attachments);
    const message = this.outbox.shown(conversationId, this.store.userId).find((one) => one.clientId === clientId)!;
    return { clientId, message, stored };
  }

  markRead(id: string, seq = Infinity): void {
    const held = this.store.held.get(id);
    if (!held) return;
    const upTo = Math.min(seq, held.lastSeq);
    if (upTo > held.own.readSeq || held.own.unreadFrom !== undefined) this.receipts.read(id, upTo);
  }

  private fold(event: SocketCall, data: object): void {
    if (event.startsWith('message:') || event.startsWith('reaction:'))
      this.store.message((data as { message: Message }).message, event === 'message:send' ? 'new' : 'updated');
    else if (event === 'receipt:delivered' || event === 'receipt:read') {
      const { receipt } = data as SocketOutput<'receipt:read'>;
      this.store.change(receipt.conversationId, (held) =>
        held.read(receipt.readSeq, receipt.deliveredSeq, event === 'receipt:read'),
      );
    } else if (event === 'conversation:create' || event === 'conversation:join')
      this.store.whole((data as { conversation: Conversation }).conversation);
  }

  /** Another database: cursors mean nothing there. What was open is opened again. */
  private startAfresh(): void {
    const opened = [...this.store.held.values()].filter((held) => held.opened).map(({ id }) => id);
    this.store.clear(false);
    for (const id of opened) this.attempt(this.open(id));
  }

  /** Everything up to now is held: what did not fit to the windows' ends is loaded. */
  private caughtUp(): void {
    this.receipts.arrived();
    this.lastKnown?.caughtUp();
    for (const conversationId of this.outbox.conversations) this.showPending(conversationId);
    for (const { id, lagging } of this.store.held.values()) if (lagging) this.attempt(this.fill(id));
  }

  /** Brings a window that follows to the newest message. */
  private async fill(id: string): Promise<void> {
    for (let fills = 0; this.store.held.get(id)?.lagging; fills++) {
      if (fills === MOST_FILLS) return this.open(id);
      await this.loadNewer(id);
    }
  }

  private async page(
    conversationId: string,
    where: { before: number } | { after: number } | { around: number },
    use: (page: Page) => void,
  ): Promise<void> {
    // The socket's call has no `around`.
    const page = await this.whileLoading(
      conversationId,
      () =>
        this.server.request<Page>('GET', `/conversations/${conversationId}/messages`, {
          query: { ...where, limit: PAGE },
        }),
      (answer) => {
        use(answer);
        return answer;
      },
    );
    this.hooks.people(page.items.map(({ senderId }) => senderId));
  }

  /** What arrives while a page is on its way may be newer than the page. */
  private async whileLoading<T, U>(id: string, work: () => Promise<T>, use: (answer: T) => U): Promise<U> {
    const held = this.store.held.get(id);
    held?.begin();
    try {
      return use(await work());
    } finally {
      held?.end();
    }
  }

  private attempt(work: Promise<void>): void {
    work.catch((error: unknown) => {
      const problem = ParleyError.of(error);
      // Lost it meanwhile, or the connection: catching up tells.
      if (!problem.temporary && problem.code !== 'not_found' && problem.code !== 'banned') this.hooks.error(problem);
    });
  }

  private showPending(conversationId: string): void {
    this.store.setPending(conversationId, this.outbox.shown(conversationId, this.store.userId), this.outbox.size);
  }
}
