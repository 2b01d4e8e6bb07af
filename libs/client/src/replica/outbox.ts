import type { Attachment, ErrorBody, Message } from '@parley/contracts';
import { backoffMs, pause } from '../retry.js';
import { ParleyError } from '../errors.js';
import type { ClientStorage } from '../storage.js';
import type { ChatMessage, Draft, SocketInput, SocketOutput } from '../types.js';

/** A defect of the server that happens again and again is the message's. */
const MOST_DEFECTS = 5;
/** Messages that may wait. */
const MOST_WAITING = 1000;

/** A message that waits to be stored, as it is kept. */
export interface Queued {
  readonly clientId: string;
  readonly conversationId: string;
  readonly draft: Draft;
  /** What is known of the draft's attachments, to show them. */
  readonly attachments: readonly Attachment[];
  readonly createdAt: string;
  /** Keys sort as messages were written. */
  readonly key: string;
  readonly error?: ErrorBody;
}

interface Item extends Queued {
  state: 'queued' | 'sending' | 'failed';
  readonly stored: PromiseWithResolvers<Message>;
  /** Ends waiting and sending it. */
  readonly given: AbortController;
}

export interface OutboxHooks {
  send(input: SocketInput<'message:send'>): Promise<SocketOutput<'message:send'>>;
  online(): boolean;
  stored(message: Message): void;
  /** What waits in a conversation changed. */
  changed(conversationId: string): void;
}

/**
 * Messages on their way. Each is kept in the storage until it is stored at the server, and sent under the same `clientId` as often as it takes, so it is stored once. In one conversation they go
 * one after another: the next leaves when the one before is stored, or refused. A refused one is `failed`, and waits for `retry` or `discard`.
 */
export class Outbox {
  private readonly queues = new Map<string, Item[]>();
  private readonly sending = new Set<string>();
  private writes: Promise<void> = Promise.resolve();
  private last = 0;
  private userId: string | undefined;

  constructor(
    private readonly storage: ClientStorage,
    private readonly hooks: OutboxHooks,
  ) {}

  /** Takes over what the storage holds of this user. */
  async load(userId: string): Promise<void> {
    if (this.userId === userId) return;
    this.userId = userId;
    const kept = (await this.storage.entries(this.prefix)).map(([, value]) => value as Queued);
    if (this.userId !== userId) return;
    for (const queued of kept) {
      const { conversationId, clientId } = queued;
      if (this.find(conversationId, clientId)) continue;
      const queue = this.queueOf(conversationId);
      queue.push(this.item(queued));
      queue.sort((a, b) => (a.key < b.key ? -1 : 1));
    }
    for (const conversationId of this.queues.keys()) this.hooks.changed(conversationId);
  }

  /** Forgets what is in memory; with `forever`, in the storage too. */
  async clear(forever: boolean): Promise<void> {
    const { userId, prefix } = this;
    const items = [...this.queues.values()].flat();
    this.userId = undefined;
    this.queues.clear();
    for (const item of items) this.settle(item, new ParleyError('unauthenticated', 'signed out'));
    if (forever && userId !== undefined)
      await this.write(async () => {
        for (const [key] of await this.storage.entries(prefix)) await this.storage.delete(key);
      });
  }

  /** Throws `rate_limited` when too many wait. */
  add(conversationId: string, clientId: string, draft: Draft, attachments: readonly Attachment[]): Promise<Message> {
    if (this.size >= MOST_WAITING) throw new ParleyError('rate_limited', `${MOST_WAITING} messages wait to be sent`);
    const now = (this.last = Math.max(Date.now(), this.last + 1));
    const item = this.item({
      clientId,
      conversationId,
      draft,
      attachments,
      createdAt: new Date(now).toISOString(),
      key: `${this.prefix}${String(now).padStart(15, '0')}-${clientId}`,
    });
    this.queueOf(conversationId).push(item);
    void this.keep(item);
    this.hooks.changed(conversationId);
    void this.pump(conversationId);
    return item.stored.promise;
  }

  /** Sends a failed one again. Undefined when there is none. */
  retry(conversationId: string, clientId: string): Promise<Message> | undefined {
    const failed = this.find(conversationId, clientId);
    if (failed?.state !== 'failed') return undefined;
    const { error: _, state: _state, stored: _stored, given: _given, ...queued } = failed;
    const item = this.item(queued);
    const queue = this.queueOf(conversationId);
    queue.splice(queue.indexOf(failed), 1, item);
    void this.keep(item);
    this.hooks.changed(conversationId);
    void this.pump(conversationId);
    return item.stored.promise;
  }

  /** Drops one that is not stored. One that is being sent may be stored all the same. */
  discard(conversationId: string, clientId: string): boolean {
    const item = this.find(conversationId, clientId);
    if (!item) return false;
    this.remove(item);
    this.settle(item, new ParleyError('invalid', 'discarded'));
    return true;
  }

  /** A message of the user's own turned up: it need not be sent any more. */
  arrived(message: Message): void {
    const item = this.find(message.conversationId, message.clientId);
    if (!item) return;
    this.remove(item);
    item.stored.resolve(message);
    item.given.abort();
  }

  /** There is a connection: everything that waits goes out. */
  resume(): void {
    for (const conversationId of this.queues.keys()) void this.pump(conversationId);
  }

  /** Resolves when the storage holds what is here now. */
  flush(): Promise<void> {
    return this.writes;
  }

  get conversations(): Iterable<string> {
    return this.queues.keys();
  }

  /** Messages that are not failed. */
  get size(): number {
    return [...this.queues.values()].flat().filter(({ state }) => state !== 'failed').length;
  }

  /** As they are shown, in the order in which they were written. */
  shown(conversationId: string, senderId: string): ChatMessage[] {
    return (this.queues.get(conversationId) ?? []).map(({ clientId, draft, attachments, createdAt, state, error }) => ({
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
    }));
  }

  private async pump(conversationId: string): Promise<void> {
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

  /** Until it is stored, refused, dropped, or there is no connection any more. Never rejects. */
  private async deliver(item: Item): Promise<void> {
    const {
      conversationId,
      clientId,
      draft: { attachmentIds, ...draft },
    } = item;
    this.show(item, 'sending');
    for (let attempt = 0, defects = 0; this.hooks.online() && !item.given.signal.aborted; attempt++) {
      try {
        const { message } = await this.hooks.send({
          conversationId,
          clientId,
          ...draft,
          ...(attachmentIds && { attachmentIds: [...attachmentIds] }),
        });
        this.hooks.stored(message);
        return this.arrived(message);
      } catch (caught) {
        const error = ParleyError.of(caught);
        if (item.given.signal.aborted) return;
        if (error.code === 'internal') defects++;
        if (error.code === 'unauthenticated') break;
        if (!error.temporary || error.code === 'slow_mode' || defects >= MOST_DEFECTS) return this.fail(item, error);
        await pause(
          Math.max(error.retryAfterMs ?? 0, this.hooks.online() ? backoffMs(attempt) : 0),
          item.given.signal,
        ).catch(() => undefined);
      }
    }
    if (!item.given.signal.aborted) this.show(item, 'queued');
  }

  private fail(item: Item, error: ParleyError): void {
    const queue = this.queueOf(item.conversationId);
    const failed: Item = Object.assign(item, { error: error.toBody() });
    failed.state = 'failed';
    if (!queue.includes(item)) return;
    void this.keep(failed);
    this.hooks.changed(item.conversationId);
    item.stored.reject(error);
  }

  private show(item: Item, state: 'queued' | 'sending'): void {
    item.state = state;
    this.hooks.changed(item.conversationId);
  }

  private settle(item: Item, error: ParleyError): void {
    item.stored.reject(error);
    item.given.abort();
  }

  private remove(item: Item): void {
    const queue = this.queues.get(item.conversationId);
    queue?.splice(queue.indexOf(item), 1);
    void this.write(() => this.storage.delete(item.key));
    this.hooks.changed(item.conversationId);
  }

  private item(queued: Queued): Item {
    const stored = Promise.withResolvers<Message>();
    // Whoever does not look at it sees the message fail.
    stored.promise.catch(() => undefined);
    return { ...queued, state: queued.error ? 'failed' : 'queued', stored, given: new AbortController() };
  }

  private find(conversationId: string, clientId: string): Item | undefined {
    return this.queues.get(conversationId)?.find((item) => item.clientId === clientId);
  }

  private queueOf(conversationId: string): Item[] {
    const queue = this.queues.get(conversationId) ?? [];
    this.queues.set(conversationId, queue);
    return queue;
  }

  private get prefix(): string {
    return `outbox/${this.userId ?? ''}/`;
  }

  private keep({ clientId, conversationId, draft, attachments, createdAt, key, error }: Item): Promise<void> {
    return this.write(() =>
      this.storage.set(key, {
        clientId,
        conversationId,
        draft,
        attachments,
        createdAt,
        key,
        ...(error && { error }),
      } satisfies Queued),
    );
  }

  /** In the order of asking: what is removed must not come back. */
  private write(work: () => Promise<unknown>): Promise<void> {
    return (this.writes = this.writes.then(work).then(() => undefined));
  }
}
