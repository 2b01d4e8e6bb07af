import type { Message, User } from '@parley/contracts';
import type { KeptConversation } from '../conversation/conversation-state.js';
import type { ClientStorage } from '../storage.js';
import type { Store } from './store.js';

const MOST_CONVERSATIONS = 50;
const MOST_PEOPLE = 500;
const SAVE_MS = 1_000;
const PREFIX = 'known/';
/** Of what is kept: what another version of this kept is dropped. */
const VERSION = 1;

interface Entry extends KeptConversation {
  readonly version: number;
  readonly epoch: string;
  /** Up to where the user read, where the server has not heard of it. */
  readonly read?: number;
}

interface Reads {
  /** Up to where the user read, where the server has not heard of it. */
  untold(conversationId: string): number | undefined;
  read(conversationId: string, seq: number): void;
}

/**
 * The conversations that were active last, and the newest messages of each, in the storage: what is shown after a reload, until the server answers. Only those of the user who is signed in.
 * Whatever is loaded from there counts as doubtful, so that the first answer of `sync` replaces it.
 */
export class LastKnown {
  private userId: string | undefined;
  /** What is in the storage, and what tells whether that is as it is here. */
  private readonly saved = new Map<string, string>();
  private people: readonly User[] = [];
  /** Whether the store holds everything: before that, what it lacks may be the user's all the same. */
  private complete = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private writes: Promise<void> = Promise.resolve();

  constructor(
    private readonly storage: ClientStorage,
    private readonly store: Store,
    private readonly reads: Reads,
  ) {
    store.subscribe(() => this.soon());
  }

  /** Puts what is kept of this user into the store, and drops what is kept of others. */
  async load(userId: string): Promise<void> {
    if (this.userId === userId) return;
    this.userId = userId;
    this.complete = false;
    const all = await this.storage.entries(PREFIX);
    if (this.userId !== userId) return;
    const own = all.filter(([key]) => key.startsWith(this.prefix));
    const entries = own.map(([, value]) => value).filter(isEntry);
    const [epoch, ...others] = new Set(entries.map((entry) => entry.epoch));
    const use = (key: string, value: unknown) =>
      others.length === 0 && key.startsWith(this.prefix) && (key === this.peopleKey || isEntry(value));
    for (const [key, value] of all) if (!use(key, value)) this.delete(key);
    if (epoch === undefined || others.length > 0) return;
    for (const {
      conversation: { id },
    } of entries)
      this.saved.set(id, '');
    this.store.restore(epoch, entries, (own.find(([key]) => key === this.peopleKey)?.[1] ?? []) as readonly User[]);
    for (const {
      conversation: { id },
      read,
    } of entries)
      if (read !== undefined) this.reads.read(id, read);
  }

  /** The store holds everything that the server does. */
  caughtUp(): void {
    this.complete = true;
    this.soon();
  }

  /** Resolves when the storage holds what is here now. */
  flush(): Promise<void> {
    this.save();
    return this.writes;
  }

  /** Nobody is signed in any more: nothing of them stays. */
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

  private soon(): void {
    if (this.userId !== undefined) this.timer ??= setTimeout(() => this.save(), SAVE_MS);
  }

  private save(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const {
      store: { epoch, held, state },
      userId,
    } = this;
    if (userId === undefined || epoch === undefined) return;
    const ids = new Set(state.order.slice(0, MOST_CONVERSATIONS));
    const kept = [...ids].map((id) => held.get(id)!.toKept());
    for (const one of kept) this.keep(one, epoch);
    if (this.complete) for (const id of [...this.saved.keys(), ...held.keys()]) if (!ids.has(id)) this.drop(id);
    this.keepPeople(kept, state.users);
  }

  private keep(kept: KeptConversation, epoch: string): void {
    const { id } = kept.conversation;
    const read = this.reads.untold(id);
    const state = JSON.stringify([
      epoch,
      kept.conversation.rev,
      kept.conversation.lastSeq,
      kept.conversation.me,
      kept.ticks,
      kept.messages.length,
      kept.messages[0]?.seq,
      read,
    ]);
    if (this.saved.get(id) === state) return;
    this.saved.set(id, state);
    const entry: Entry = { version: VERSION, epoch, ...kept, ...(read !== undefined && { read }) };
    this.set(this.keyOf(id), entry);
  }

  private drop(id: string): void {
    this.store.held.get(id)?.forgetTail();
    if (this.saved.delete(id)) this.delete(this.keyOf(id));
  }

  /** Those who are named where what is kept is shown. */
  private keepPeople(kept: readonly KeptConversation[], users: ReadonlyMap<string, User>): void {
    const ids = new Set(
      kept.flatMap(({ conversation: { memberIds = [], lastMessage }, messages }) => [
        ...memberIds,
        ...(lastMessage ? namedIn(lastMessage) : []),
        ...messages.flatMap(namedIn),
      ]),
    );
    const people = [...ids].slice(0, MOST_PEOPLE).flatMap((id) => users.get(id) ?? []);
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

  // Keys are known before the turn comes: the user may have signed out by then.
  private set(key: string, value: unknown): void {
    void this.write(() => this.storage.set(key, value));
  }

  private delete(key: string): void {
    void this.write(() => this.storage.delete(key));
  }

  /** In the order of asking: what is dropped must not come back. */
  private write(work: () => Promise<unknown>): Promise<void> {
    return (this.writes = this.writes.then(work).then(() => undefined));
  }
}

const namedIn = ({ senderId, mentions, system, forwardedFrom }: Message): string[] => [
  senderId,
  ...mentions,
  ...[system?.userId, forwardedFrom?.senderId].filter((id) => id !== undefined),
];

const isEntry = (value: unknown): value is Entry => (value as Partial<Entry> | undefined)?.version === VERSION;
