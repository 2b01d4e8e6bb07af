import type { Attachment, ErrorBody, Message } from '#contracts';
import { ParleyError } from '../errors.js';
import { backoffMs, pause } from '../retry.js';
import type { ClientStorage } from '../storage.js';
import type { ChatMessage, Draft, SocketInput, SocketOutput } from '../types.js';

/** After this many attempts that the server answered `internal`, the message is taken for the cause, and fails. */
const MAX_DEFECTS = 5;
const MAX_WAITING = 1000;

/** A message in the outbox, as it lies in the storage. */
export interface QueuedMessage {
  readonly clientId: string;
  readonly conversationId: string;
  readonly draft: Draft;
  /** The draft's attachments as far as they are known, to be shown. */
  readonly attachments: readonly Attachment[];
  readonly createdAt: string;
  /** Its key in the storage. Keys sort as the messages were written. */
  readonly key: string;
  /** The server's refusal. */
  readonly error?: ErrorBody;
}

interface Item {
  readonly queued: QueuedMessage;
  state: 'queued' | 'sending' | 'failed';
  readonly stored: Deferred<Message>;
  /** Aborts when the message need not be sent any more. */
  readonly dropped: AbortController;
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: Error): void;
}

/** The functions that an {@link Outbox} calls. */
export interface OutboxHooks {
  send(input: SocketInput<'message:send'>): Promise<SocketOutput<'message:send'>>;
  online(): boolean;
  /** The server's time in milliseconds, as well as it is known. */
  now(): number;
  stored(message: Message): void;
  /** The outbox of this conversation changed. */
  changed(conversationId: string): void;
}

/**
 * Messages on their way. Each stays in the storage until the server has stored it, and is sent under the same
 * `clientId` as often as needed, so it is stored once. Messages of one conversation are sent one after another, each
 * when the previous one is stored or refused. A refused message is `failed` and waits for `retry` or `discard`.
 */
export class Outbox {
  private readonly queues = new Map<string, Item[]>();
  private readonly sending = new Set<string>();
  private writes: Promise<void> = Promise.resolve();
  private lastTime = 0;
  private userId: string | undefined;

  constructor(
    private readonly storage: ClientStorage,
    private readonly hooks: OutboxHooks,
  ) {}

  /** Loads this user's messages from the storage. */
  async load(userId: string): Promise<void> {
    if (this.userId === userId) return;
    this.userId = userId;
    const entries = await this.storage.entries(this.prefix);
    if (this.userId !== userId) return;
    for (const [, value] of entries) {
      const queued = value as QueuedMessage;
      if (this.find(queued.conversationId, queued.clientId)) continue;
      const queue = this.queueOf(queued.conversationId);
      queue.push(newItem(queued));
      queue.sort((a, b) => (a.queued.key < b.queued.key ? -1 : 1));
    }
    for (const conversationId of this.queues.keys()) this.hooks.changed(conversationId);
  }

  /** Forgets the messages in memory; with `andStored` those in the storage too. */
  async clear(andStored: boolean): Promise<void> {
    const { userId, prefix } = this;
    const items = [...this.queues.values()].flat();
    this.userId = undefined;
    this.queues.clear();
    for (const item of items) this.drop(item, new ParleyError('unauthenticated', 'signed out'));
    if (!andStored || userId === undefined) return;
    await this.write(async () => {
      for (const [key] of await this.storage.entries(prefix)) await this.storage.delete(key);
    });
  }

  /** Resolves when the message is stored, rejects when it is refused. Throws `rate_limited` when too many wait. */
  add(conversationId: string, clientId: string, draft: Draft, attachments: readonly Attachment[]): Promise<Message> {
    if (this.size >= MAX_WAITING) throw new ParleyError('rate_limited', `${MAX_WAITING} messages wait to be sent`);
    const time = (this.lastTime = Math.max(Date.now(), this.lastTime + 1));
    const key = `${this.prefix}${String(time).padStart(15, '0')}-${clientId}`;
    const createdAt = new Date(this.hooks.now()).toISOString();
    const item = newItem({ clientId, conversationId, draft, attachments, createdAt, key });
    this.queueOf(conversationId).push(item);
    return this.enqueue(item);
  }

  /** Sends a failed message again. Undefined when there is none. */
  retry(conversationId: string, clientId: string): Promise<Message> | undefined {
    const failed = this.find(conversationId, clientId);
    if (failed?.state !== 'failed') return undefined;
    const { error: _, ...queued } = failed.queued;
    const item = newItem(queued);
    this.replace(failed, item);
    return this.enqueue(item);
  }

  /** Drops a message that is not stored. One that is being sent may be stored nevertheless. */
  discard(conversationId: string, clientId: string): boolean {
    const item = this.find(conversationId, clientId);
    if (!item) return false;
    this.remove(item);
    this.drop(item, new ParleyError('invalid', 'discarded'));
    return true;
  }

  /** One of the user's messages arrived as stored: it need not be sent any more. */
  confirm(message: Message): void {
    const item = this.find(message.conversationId, message.clientId);
    if (!item) return;
    this.remove(item);
    item.stored.resolve(message);
    item.dropped.abort();
  }

  /** Sends what waits. Call it when there is a connection. */
  resume(): void {
    for (const conversationId of this.queues.keys()) void this.sendAll(conversationId);
  }

  /** Resolves when the storage agrees with the memory. */
  flush(): Promise<void> {
    return this.writes;
  }

  get conversations(): Iterable<string> {
    return this.queues.keys();
  }

  /** Number of waiting messages, without failed ones. */
  get size(): number {
    return [...this.queues.values()].flat().filter(({ state }) => state !== 'failed').length;
  }

  /** The messages of one conversation as they are shown, in the order of writing. */
  messagesOf(conversationId: string, senderId: string): ChatMessage[] {
    return (this.queues.get(conversationId) ?? []).map(({ queued, state }) => {
      const { clientId, draft, attachments, createdAt, error } = queued;
      return {
        id: clientId,
        conversationId,
        seq: 0,
        rev: 0,
        senderId,
        clientId,
        type: draft.type ?? 'text',
        body: draft.body ?? '',
        attachments: [...attachments],
        ...(draft.replyTo !== undefined && { replyTo: draft.replyTo }),
        mentions: [],
        createdAt,
        reactions: [],
        status: state,
        local: { state, ...(error && { error }) },
      };
    });
  }

  private enqueue({ queued, stored }: Item): Promise<Message> {
    void this.keep(queued);
    this.hooks.changed(queued.conversationId);
    void this.sendAll(queued.conversationId);
    return stored.promise;
  }

  private async sendAll(conversationId: string): Promise<void> {
    if (this.sending.has(conversationId)) return;
    this.sending.add(conversationId);
    try {
      for (let item = this.next(conversationId); item && this.hooks.online(); item = this.next(conversationId))
        await this.deliver(item);
    } finally {
      this.sending.delete(conversationId);
      if (this.queues.get(conversationId)?.length === 0) this.queues.delete(conversationId);
    }
  }

  private next(conversationId: string): Item | undefined {
    return this.queues.get(conversationId)?.find(({ state }) => state !== 'failed');
  }

  /** Sends until the message is stored, refused or dropped, or the connection is lost. Never rejects. */
  private async deliver(item: Item): Promise<void> {
    const { conversationId, clientId, draft } = item.queued;
    const { attachmentIds, ...rest } = draft;
    const input = { conversationId, clientId, ...rest, ...(attachmentIds && { attachmentIds: [...attachmentIds] }) };
    const { signal } = item.dropped;
    this.setState(item, 'sending');
    for (let attempt = 0, defects = 0; this.hooks.online() && !signal.aborted; attempt++) {
      try {
        const { message } = await this.hooks.send(input);
        this.hooks.stored(message);
        return this.confirm(message);
      } catch (caught) {
        const error = ParleyError.of(caught);
        if (signal.aborted) return;
        if (error.code === 'internal') defects++;
        if (error.code === 'unauthenticated') break;
        if (!error.temporary || error.code === 'slow_mode' || defects >= MAX_DEFECTS) return this.fail(item, error);
        const backoff = this.hooks.online() ? backoffMs(attempt) : 0;
        await pause(Math.max(error.retryAfterMs ?? 0, backoff), signal).catch(() => undefined);
      }
    }
    if (!signal.aborted) this.setState(item, 'queued');
  }

  private fail(item: Item, error: ParleyError): void {
    const failed = newItem({ ...item.queued, error: error.toBody() });
    if (!this.replace(item, failed)) return;
    void this.keep(failed.queued);
    this.hooks.changed(item.queued.conversationId);
    item.stored.reject(error);
  }

  private setState(item: Item, state: 'queued' | 'sending'): void {
    item.state = state;
    this.hooks.changed(item.queued.conversationId);
  }

  private drop(item: Item, error: ParleyError): void {
    item.stored.reject(error);
    item.dropped.abort();
  }

  /** Returns false when the item has been removed meanwhile. */
  private replace(item: Item, replacement: Item): boolean {
    const queue = this.queueOf(item.queued.conversationId);
    const at = queue.indexOf(item);
    if (at >= 0) queue[at] = replacement;
    return at >= 0;
  }

  private remove(item: Item): void {
    const { conversationId, key } = item.queued;
    const queue = this.queueOf(conversationId);
    queue.splice(queue.indexOf(item), 1);
    void this.write(() => this.storage.delete(key));
    this.hooks.changed(conversationId);
  }

  private find(conversationId: string, clientId: string): Item | undefined {
    return this.queues.get(conversationId)?.find(({ queued }) => queued.clientId === clientId);
  }

  private queueOf(conversationId: string): Item[] {
    const queue = this.queues.get(conversationId) ?? [];
    this.queues.set(conversationId, queue);
    return queue;
  }

  private get prefix(): string {
    return `outbox/${this.userId ?? ''}/`;
  }

  private keep(queued: QueuedMessage): Promise<void> {
    return this.write(() => this.storage.set(queued.key, queued));
  }

  /** Writes happen in the order of asking, or a deleted message could come back. */
  private write(work: () => Promise<unknown>): Promise<void> {
    return (this.writes = this.writes.then(work).then(() => undefined));
  }
}

function newItem(queued: QueuedMessage): Item {
  const stored = deferred<Message>();
  // Callers need not look at it: the message is shown as failed.
  stored.promise.catch(() => undefined);
  return { queued, state: queued.error ? 'failed' : 'queued', stored, dropped: new AbortController() };
}

function deferred<T>(): Deferred<T> {
  let resolve!: Deferred<T>['resolve'];
  let reject!: Deferred<T>['reject'];
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
