import type { Message, User } from '#contracts';
import type { KeptConversation } from '../conversation/conversation-state.js';
import type { ClientStorage } from '../storage.js';
import type { Store } from './store.js';

const MAX_CONVERSATIONS = 50;
const MAX_PEOPLE = 500;
const SAVE_DELAY_MS = 1_000;
const PREFIX = 'known/';
/** The format of an entry. Entries of another version are deleted. */
const VERSION = 1;

interface Entry extends KeptConversation {
  readonly version: number;
  readonly epoch: string;
  /** Up to where the user has read, if the server may not know it yet. */
  readonly read?: number;
}

interface Reads {
  unreportedRead(conversationId: string): number | undefined;
  read(conversationId: string, seq: number): void;
}

/**
 * Keeps the most recently active conversations of the signed-in user in the storage, with their newest messages: the
 * state that is shown after a reload until the server answers. Restored conversations have stale counts, so the first
 * `sync` replaces them.
 */
export class KeptConversations {
  private userId: string | undefined;
  /** The fingerprint of each stored conversation: equal fingerprints need no write. */
  private readonly saved = new Map<string, string>();
  private people: readonly User[] = [];
  /** Whether the store has caught up. Before that, a conversation that it lacks may still be the user's. */
  private isComplete = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private writes: Promise<void> = Promise.resolve();

  constructor(
    private readonly storage: ClientStorage,
    private readonly store: Store,
    private readonly reads: Reads,
  ) {
    store.subscribe(() => this.scheduleSave());
  }

  /** Restores this user's conversations into the store, and deletes those of other users. */
  async load(userId: string): Promise<void> {
    if (this.userId === userId) return;
    this.userId = userId;
    this.isComplete = false;
    const stored = await this.storage.entries(PREFIX);
    if (this.userId !== userId) return;
    const own = stored.filter(([key]) => key.startsWith(this.prefix));
    const entries = own.map(([, value]) => value).filter(isEntry);
    const epochs = new Set(entries.map(({ epoch }) => epoch));
    const isUsable = (key: string, value: unknown) =>
      epochs.size <= 1 && key.startsWith(this.prefix) && (key === this.peopleKey || isEntry(value));
    for (const [key, value] of stored) if (!isUsable(key, value)) this.delete(key);
    const [epoch] = epochs;
    if (epoch === undefined || epochs.size > 1) return;
    for (const { conversation } of entries) this.saved.set(conversation.id, '');
    const people = own.find(([key]) => key === this.peopleKey)?.[1] ?? [];
    this.store.restore(epoch, entries, people as readonly User[]);
    for (const { conversation, read } of entries) if (read !== undefined) this.reads.read(conversation.id, read);
  }

  /** The store has caught up with the server. */
  caughtUp(): void {
    this.isComplete = true;
    this.scheduleSave();
  }

  /** Resolves when the storage agrees with the store. */
  flush(): Promise<void> {
    this.save();
    return this.writes;
  }

  /** The user has signed out: deletes everything of theirs. */
  clear(): Promise<void> {
    const { prefix, userId } = this;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.userId = undefined;
    this.saved.clear();
    this.people = [];
    if (userId === undefined) return this.writes;
    return this.write(async () => {
      for (const [key] of await this.storage.entries(prefix)) await this.storage.delete(key);
    });
  }

  private scheduleSave(): void {
    if (this.userId !== undefined) this.timer ??= setTimeout(() => this.save(), SAVE_DELAY_MS);
  }

  private save(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const { epoch, conversations, state } = this.store;
    if (this.userId === undefined || epoch === undefined) return;
    const ids = new Set(state.order.slice(0, MAX_CONVERSATIONS));
    const kept = [...ids].map((id) => conversations.get(id)!.toKept());
    for (const conversation of kept) this.keep(conversation, epoch);
    if (this.isComplete)
      for (const id of [...this.saved.keys(), ...conversations.keys()]) if (!ids.has(id)) this.drop(id);
    this.keepPeople(kept, state.users);
  }

  private keep(kept: KeptConversation, epoch: string): void {
    const { conversation, messages, ticks } = kept;
    const { id, rev, lastSeq, me } = conversation;
    const read = this.reads.unreportedRead(id);
    const fingerprint = JSON.stringify([epoch, rev, lastSeq, me, ticks, messages.length, messages[0]?.seq, read]);
    if (this.saved.get(id) === fingerprint) return;
    this.saved.set(id, fingerprint);
    const entry: Entry = { version: VERSION, epoch, ...kept, ...(read !== undefined && { read }) };
    this.set(this.keyOf(id), entry);
  }

  private drop(id: string): void {
    this.store.conversations.get(id)?.forgetTail();
    if (this.saved.delete(id)) this.delete(this.keyOf(id));
  }

  /** Keeps the users named in the kept conversations. */
  private keepPeople(kept: readonly KeptConversation[], users: ReadonlyMap<string, User>): void {
    const ids = new Set(
      kept.flatMap(({ conversation: { memberIds = [], lastMessage }, messages }) => [
        ...memberIds,
        ...(lastMessage ? peopleIn(lastMessage) : []),
        ...messages.flatMap(peopleIn),
      ]),
    );
    const people = [...ids].slice(0, MAX_PEOPLE).flatMap((id) => users.get(id) ?? []);
    if (people.length === this.people.length && people.every((user, at) => user === this.people[at])) return;
    this.people = people;
    this.set(this.peopleKey, people);
  }

  private get prefix(): string {
    return `${PREFIX}${this.userId ?? ''}/`;
  }

  private get peopleKey(): string {
    return `${this.prefix}people`;
  }

  private keyOf(id: string): string {
    return `${this.prefix}conversation/${id}`;
  }

  // Callers pass the key, because the user may have signed out by the time of the write.
  private set(key: string, value: unknown): void {
    void this.write(() => this.storage.set(key, value));
  }

  private delete(key: string): void {
    void this.write(() => this.storage.delete(key));
  }

  /** Writes happen in the order of asking, or a deleted entry could come back. */
  private write(work: () => Promise<unknown>): Promise<void> {
    return (this.writes = this.writes.then(work).then(() => undefined));
  }
}

function peopleIn({ senderId, mentions, system, forwardedFrom }: Message): string[] {
  const named = [system?.userId, forwardedFrom?.senderId].filter((id) => id !== undefined);
  return [senderId, ...mentions, ...named];
}

function isEntry(value: unknown): value is Entry {
  return (value as Partial<Entry> | undefined)?.version === VERSION;
}
