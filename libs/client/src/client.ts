import { serverUrlOf } from './connection/server-url.js';
import type {
  Attachment,
  CallArguments,
  CallOutput,
  Conversation,
  Me,
  Message,
  ServerEvent,
  Session,
  User,
} from '#contracts';
import { SocketConnection, type SocketSettings } from './connection/connection.js';
import { Emitter } from './emitter.js';
import { ParleyError } from './errors.js';
import type { RequestOptions } from './connection/http.js';
import { UserLoader } from './people/user-loader.js';
import { PresenceWatch } from './people/presence.js';
import { TypingReporter } from './people/typing.js';
import { Replica } from './replica/replica.js';
import { SessionKeeper } from './connection/session.js';
import { monotonicMs, ServerClock } from './connection/server-clock.js';
import { defaultStorage, tolerant, type ClientStorage } from './storage.js';
import type { Store } from './replica/store.js';
import { retryTemporary } from './retry.js';
import type {
  Availability,
  ClientEvents,
  ClientState,
  ConnectionState,
  Draft,
  LoadOptions,
  Sent,
  SocketCall,
  SocketInput,
  SocketOutput,
  UploadOptions,
} from './types.js';
import { Uploader, type Uploadable } from './uploads.js';

const LOGOUT_TIMEOUT_MS = 5_000;
const FETCH_TIMEOUT_MS = 60_000;
const MAX_REMEMBERED_ATTACHMENTS = 200;

/** The settings of a client. */
export interface ClientOptions {
  /** The server's address, with its path if it has one (`BASE_PATH`): `https://example.org/chat`. */
  readonly url: string;
  /**
   * Where the session and unsent messages are kept. Default: IndexedDB in browsers, memory elsewhere. For Node, see
   * `fileStorage` in `@parley/client/node`.
   */
  readonly storage?: ClientStorage;
  /**
   * Whether the storage also keeps the 50 most recently active conversations with the newest 50 messages of each, as
   * far as this client has loaded them, to be shown after a reload until the server answers. They are deleted when the
   * session ends. Default: false.
   */
  readonly keepConversations?: boolean;
  /** Options of socket.io-client. They override those that the client sets. */
  readonly socketOptions?: SocketSettings;
}

/**
 * Creates a client of one server, for one user at a time. It does nothing until `restore`, `login`, `register`, `guest`
 * or `bot` is called.
 */
export function createClient(options: ClientOptions): ParleyClient {
  return new ParleyClient(options);
}

/** See {@link createClient} and docs/client-guide.md. Methods that ask the server reject with a {@link ParleyError}. */
export class ParleyClient {
  readonly url: string;
  private readonly events = new Emitter<ClientEvents>();
  private readonly session: SessionKeeper;
  private readonly connection: SocketConnection;
  private readonly replica: Replica;
  private readonly typingReporter: TypingReporter;
  private readonly presenceWatch: PresenceWatch;
  private readonly people: UserLoader;
  private readonly uploads: Uploader;
  private readonly storage: ClientStorage;
  private readonly clock = new ServerClock();
  /** Recent uploads, to show them in messages that are not stored yet. */
  private readonly attachments = new Map<string, Attachment>();

  constructor({ url, storage, keepConversations = false, socketOptions = {} }: ClientOptions) {
    this.url = serverUrlOf(url);
    const reliableStorage = tolerant(storage ?? defaultStorage(`parley ${this.url}`), (cause) =>
      this.emitError(new ParleyError('internal', 'the storage failed', { cause })),
    );
    this.storage = reliableStorage;
    const online = () => this.connection.online;
    this.session = new SessionKeeper(
      this.url,
      reliableStorage,
      () => void this.ended('expired'),
      ({ user, sessionId }) => this.store.setOwn({ user, sessionId }),
    );
    this.connection = new SocketConnection(this.url, socketOptions, {
      token: () => this.session.current?.accessToken,
      tokenRefused: async (token) => (await this.session.refresh(token)) !== undefined,
      state: (state) => this.connectionChanged(state),
      ready: (ready) => this.ready(ready),
      event: (name, payload) => this.receive(name, payload),
      revoked: (reason) => void this.ended(reason),
      frame: (frame) => this.events.emit('frame', frame),
    });
    this.replica = new Replica(
      {
        online,
        now: this.clock.now,
        call: (event, payload) => this.connection.call(event, payload),
        request: (method, path, options) => this.request(method, path, options),
      },
      reliableStorage,
      {
        message: (message) => this.events.emit('message', { message }),
        people: (userIds) => this.people.want(userIds),
        error: (error) => this.emitError(error),
      },
      keepConversations,
    );
    this.typingReporter = new TypingReporter((conversationId, active) => {
      if (online()) this.connection.call('typing', { conversationId, active }).catch(() => undefined);
    });
    this.presenceWatch = new PresenceWatch({
      online,
      watch: async (userIds) => (await this.connection.call('presence:watch', { userIds })).presence,
      unwatch: (userIds) => this.connection.call('presence:unwatch', { userIds }),
      heartbeat: (state) => this.beat(state),
      show: (presence, forget) => this.store.setPresence(presence, forget),
      error: (error) => this.emitError(error),
    });
    this.people = new UserLoader(
      async (userIds) =>
        (await this.request<{ items: User[] }>('GET', '/users', { query: { ids: userIds.join() } })).items,
      (users) => this.usersLoaded(users),
      () => this.store.shownPeople(),
    );
    this.uploads = new Uploader(
      (method, path, options) => this.session.request(method, path, options),
      reliableStorage,
      () => this.store.state.limits?.attachmentBytes,
    );
  }

  // ── state and events ──────────────────────────────────────────────────────────────────────────────────────────

  /** The current state. It is the same object until something changes, and so is each part of it. */
  getState = (): ClientState => this.store.state;

  /** Calls `listener` after changes, once for all changes of one moment. Returns a function that removes it. */
  subscribe = (listener: () => void): (() => void) => this.store.subscribe(listener);

  /** Calls `listener` on each event of this name. Returns a function that removes it. */
  on<N extends keyof ClientEvents>(name: N, listener: (payload: ClientEvents[N]) => void): () => void {
    return this.events.on(name, listener);
  }

  // ── session ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Changes the user's own profile; the state shows it at once. `avatarId` is the id of an uploaded picture. */
  async updateProfile(changes: CallArguments<'user.update'>): Promise<Me> {
    const user = await this.request<Me>('PATCH', '/users/me', { body: changes });
    this.store.setOwn({ user });
    this.store.addUsers([user]);
    return user;
  }

  /** Continues the session of the storage, if there is one. Resolves with its user, online or not. */
  async restore(): Promise<User | undefined> {
    const session = await this.session.restore();
    return session && this.begin(session);
  }

  /** Creates an account. A guest who is signed in becomes that person, and keeps everything. */
  async register(input: CallArguments<'auth.register'>): Promise<User> {
    const guest = this.store.state.user?.kind === 'guest';
    return this.enter(
      guest ? await this.session.promote(input) : await this.session.open('POST', '/auth/register', { body: input }),
    );
  }

  /** Signs in to an account. `unauthenticated`: wrong name or password. */
  async login(input: CallArguments<'auth.login'>): Promise<User> {
    return this.enter(await this.session.open('POST', '/auth/login', { body: input }));
  }

  /** Signs in without an account. The server makes up a name when none is given. */
  async guest(input: CallArguments<'auth.guest'> = {}): Promise<User> {
    return this.enter(await this.session.open('POST', '/auth/guest', { body: input }));
  }

  /**
   * Signs in as a bot, with the token that `POST /bots` returned. An access token of a person's session does, too, until it
   * expires: nothing renews it. Call it again with the next one; state and outbox stay if it is the same user's.
   */
  async bot(token: string): Promise<User> {
    const user = (await (await this.session.open('GET', '/users/me', {}, token)).json()) as Me;
    return this.use({ user, accessToken: token, accessTokenExpiresAt: '', refreshToken: '', sessionId: user.id });
  }

  /**
   * Ends the session here and at the server, and drops unsent messages and what was kept to resume uploads. When the server cannot be reached, the session
   * ends here only.
   */
  async logout(): Promise<void> {
    const { current } = this.session;
    if (!current) return;
    this.connection.close();
    await this.replica.outbox.clear(true);
    await this.uploads.clear();
    if (current.refreshToken)
      await this.session.request('POST', '/auth/logout', { timeoutMs: LOGOUT_TIMEOUT_MS }).catch(() => undefined);
    await this.session.clear();
    await this.signedOut();
  }

  /** Opens the connection again, after `disconnect`, or after the server closed it for the reason `too_many`. */
  connect(): void {
    if (this.session.current) this.connection.open();
  }

  /** Closes the connection until `connect`. Session, state and outbox stay. */
  disconnect(): void {
    this.connection.close();
    this.connectionChanged('offline');
  }

  /**
   * Resolves when the storage has all unsent messages and kept conversations. Call it before a process ends or a page
   * is left.
   */
  flush(): Promise<void> {
    return this.replica.flush();
  }

  /**
   * Connects, or catches up and renews names, at once instead of after a while. Call it on a page's `online` and
   * `visibilitychange` events.
   */
  wake(): void {
    if (this.connection.online) {
      this.replica.refresh();
      this.people.renew();
    } else this.connection.reopenNow();
  }

  // ── conversations ─────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Loads a conversation's newest messages, unread ones included, and keeps them current until `close`. Does nothing
   * for one that is open. With `retry`, a busy or absent server is asked again until the conversation is open.
   */
  open(id: string, options?: LoadOptions): Promise<void> {
    return this.load(options, () => this.replica.open(id));
  }

  /**
   * Opens a conversation at the first unread message, however far back that is; where nothing is unread, at the newest
   * message. In an open conversation it moves the window there. `firstUnread` of the conversation is that message.
   */
  openAtUnread(id: string, options?: LoadOptions): Promise<void> {
    return this.load(options, () => this.replica.openAtUnread(id));
  }

  /** The newest messages become the window. Does nothing when it ends with the newest one already. */
  jumpToNewest(id: string, options?: LoadOptions): Promise<void> {
    return this.load(options, async () => {
      if (!this.store.conversations.get(id)?.isAtNewest) await this.replica.loadNewest(id);
    });
  }

  /** Loads one more page before the window. */
  loadOlder(id: string, options?: LoadOptions): Promise<void> {
    return this.load(options, () => this.replica.loadOlder(id));
  }

  /** Loads one more page after the window. */
  loadNewer(id: string, options?: LoadOptions): Promise<void> {
    return this.load(options, () => this.replica.loadNewer(id));
  }

  /** The messages around this one become the window: a quoted message, a hit of a search. */
  loadAround(id: string, seq: number, options?: LoadOptions): Promise<void> {
    return this.load(options, () => this.replica.loadAround(id, seq));
  }

  /**
   * Resolves with the message with this id, which is before the message number `before`, without moving the window; for
   * quotes. Undefined if there is none. Far back it takes a request for each halving of the conversation.
   */
  findMessage(conversationId: string, messageId: string, before: number): Promise<Message | undefined> {
    return this.replica.findMessage(conversationId, messageId, before);
  }

  /** Forgets the messages of a conversation. It stays in the list. */
  close(id: string): void {
    this.store.change(id, (conversation) => conversation.close());
  }

  /** Loads all members of a large conversation, which `open` does not do. */
  loadMembers(id: string): Promise<void> {
    return this.replica.loadMembers(id);
  }

  /** Creates a conversation; for a pair with a direct one, returns that. */
  async createConversation(input: CallArguments<'conversation.create'>): Promise<Conversation> {
    return (await this.call('conversation:create', input)).conversation;
  }

  /** Joins a public conversation. Joining again returns it. */
  async join(conversationId: string): Promise<Conversation> {
    return (await this.call('conversation:join', { conversationId })).conversation;
  }

  /** Leaves a conversation. `conflict`: the creator has to hand it over first. */
  async leaveConversation(conversationId: string): Promise<void> {
    await this.call('conversation:leave', { conversationId });
  }

  // ── messages ──────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Puts a message into the outbox and returns at once. The message is stored exactly once and in the order of sending,
   * however long that takes and however often the page is reloaded meanwhile.
   */
  send(conversationId: string, draft: Draft): Sent {
    if (!this.store.userId) throw new ParleyError('unauthenticated', 'signed out');
    this.typingReporter.sent(conversationId);
    const { attachments: given, ...rest } = draft;
    const attachmentIds = given?.map(({ id }) => id) ?? rest.attachmentIds;
    const attachments = given ?? (attachmentIds ?? []).flatMap((id) => this.attachments.get(id) ?? []);
    const content = { ...rest, ...(attachmentIds && attachmentIds.length > 0 && { attachmentIds }) };
    return this.replica.send(conversationId, newClientId(), content, attachments);
  }

  /** Sends a failed message again. Undefined when there is none. */
  retry(conversationId: string, clientId: string): Promise<Message> | undefined {
    return this.replica.outbox.retry(conversationId, clientId);
  }

  /** Drops a message that is not stored. Returns whether there was one. */
  discard(conversationId: string, clientId: string): boolean {
    return this.replica.outbox.discard(conversationId, clientId);
  }

  /** Replaces the body of one of the user’s own messages. Returns its new state. */
  async edit(messageId: string, body: string): Promise<Message> {
    return (await this.call('message:edit', { messageId, body })).message;
  }

  /** Deletes a message, for everybody. Returns the tombstone that stays. */
  async remove(messageId: string): Promise<Message> {
    return (await this.call('message:delete', { messageId })).message;
  }

  /** Adds the user’s reaction. Adding it again changes nothing. */
  async react(messageId: string, emoji: string): Promise<Message> {
    return (await this.call('reaction:add', { messageId, emoji })).message;
  }

  /** Removes the user’s reaction. Removing a missing one changes nothing. */
  async unreact(messageId: string, emoji: string): Promise<Message> {
    return (await this.call('reaction:remove', { messageId, emoji })).message;
  }

  /** Pins a message for everybody. Only creators and admins may. */
  pin(messageId: string): Promise<Message> {
    return this.replica.changeMessage('PUT', `/messages/${messageId}/pin`);
  }

  /** Unpins a message for everybody. Only creators and admins may. */
  unpin(messageId: string): Promise<Message> {
    return this.replica.changeMessage('DELETE', `/messages/${messageId}/pin`);
  }

  // ── read state, people, drawing, signalling ────────────────────────────────────────────────────────────────────

  /**
   * Marks everything up to `seq` as read, by default everything. The state shows it at once; the server learns it soon.
   */
  markRead(id: string, seq?: number): void {
    this.replica.markRead(id, seq);
  }

  /**
   * These messages were on the screen. Moves the read position as far as everything unread was: what was skipped stays
   * unread, and so does what follows it.
   */
  markSeen(id: string, seqs: readonly number[]): void {
    this.replica.markSeen(id, seqs);
  }

  /** Marks everything from `seq` on as unread, for the user alone, until it is read again. */
  markUnread(id: string, seq: number): Promise<void> {
    return this.replica.markUnread(id, seq);
  }

  /** The user is typing, or stopped. Call it at every key. */
  typing(id: string, active: boolean): void {
    this.typingReporter.type(id, active);
  }

  /** Resolves with a person, who is loaded if need be. They are in `state.users` from then on. */
  async user(userId: string): Promise<User> {
    const loaded = this.store.state.users.get(userId);
    if (loaded) return loaded;
    const user = await this.request<User>('GET', `/users/${userId}`);
    this.store.addUsers([user]);
    return user;
  }

  /** Keeps `state.presence` current for these users until the returned function is called. */
  watchPresence(userIds: readonly string[]): () => void {
    return this.presenceWatch.watch(userIds);
  }

  /** Sets how the user is shown to others, until the session ends. `state.availability` has it. */
  setPresence(state: Availability): void {
    this.applyAvailability(state);
    void this.storage.set(availabilityKey(this.store.userId), state);
  }

  /**
   * The server's time in milliseconds since 1970, as well as it is known: times in messages, presence and so on are the
   * server's, and the device's own clock may be wrong.
   */
  serverTime(): number {
    return this.clock.now();
  }

  /**
   * Draws a line on a conversation’s board. The caller chooses its `id`; a line that is on the board stays as it is.
   */
  async draw(conversationId: string, line: SocketInput<'drawing:draw'>['line']): Promise<void> {
    await this.call('drawing:draw', { conversationId, line });
  }

  /** Gives the user’s own lines another colour or width. Lines of others, and those that are gone, stay as they are. */
  async changeLines(
    conversationId: string,
    lineIds: readonly string[],
    change: { readonly color?: string; readonly width?: number },
  ): Promise<void> {
    for (const part of parts(lineIds)) await this.call('drawing:change', { conversationId, lineIds: part, ...change });
  }

  /** Takes the user’s own lines off a board. Lines of others stay. */
  async removeLines(conversationId: string, lineIds: readonly string[]): Promise<void> {
    for (const part of parts(lineIds)) await this.call('drawing:remove', { conversationId, lineIds: part });
  }

  /** Empties a conversation’s board for everybody. */
  async resetDrawing(conversationId: string): Promise<void> {
    await this.call('drawing:reset', { conversationId });
  }

  /** All lines on a conversation's board. Later changes are the events `drawing:line`, `drawing:changed`,
   * `drawing:removed` and `drawing:reset`. */
  async drawing(conversationId: string): Promise<CallOutput<'drawing.get'>> {
    const items: CallOutput<'drawing.get'>['items'] = [];
    for (let cursor: string | undefined; ;) {
      try {
        const part = await this.request<CallOutput<'drawing.get'>>('GET', `/conversations/${conversationId}/drawing`, {
          query: { cursor },
        });
        items.push(...part.items);
        if (part.cursor === undefined) return { items, rev: part.rev, complete: true };
        ({ cursor } = part);
      } catch (error) {
        // The board was emptied between its parts.
        if (cursor === undefined || !(error instanceof ParleyError) || error.code !== 'conflict') throw error;
        items.length = 0;
        cursor = undefined;
      }
    }
  }

  /**
   * Sends WebRTC signalling data to the other member of a direct conversation. Resolves with whether they are
   * connected.
   */
  async signal(to: string, conversationId: string, data: unknown): Promise<boolean> {
    return (await this.call('peer:signal', { to, conversationId, data })).delivered;
  }

  // ── files ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Uploads a file. Send it with `attachmentIds`. */
  async upload(data: Uploadable, options: UploadOptions = {}): Promise<Attachment> {
    const attachment = await this.uploads.upload(data, options);
    this.attachments.set(attachment.id, attachment);
    if (this.attachments.size > MAX_REMEMBERED_ATTACHMENTS)
      this.attachments.delete(this.attachments.keys().next().value!);
    return attachment;
  }

  /** The address of an attachment's bytes. A request needs the session's token: see {@link fetchAttachment}. */
  attachmentUrl({ url }: Pick<Attachment, 'url'>): string {
    return new URL(`${this.url}${url}`).href;
  }

  /** Loads an attachment's bytes; with `thumbnail` those of its preview, if it has one. */
  async fetchAttachment(
    attachment: string | Attachment,
    { thumbnail = false, signal }: { thumbnail?: boolean; signal?: AbortSignal } = {},
  ): Promise<Blob> {
    const id =
      typeof attachment === 'string' ? attachment : ((thumbnail ? attachment.thumbnailId : undefined) ?? attachment.id);
    const response = await this.session.request('GET', `/attachments/${id}`, {
      timeoutMs: FETCH_TIMEOUT_MS,
      ...(signal && { signal }),
    });
    return response.blob();
  }

  /**
   * An address from which anybody gets an attachment's bytes for five minutes, for `<video>` and `<audio>`, which send no
   * token. The session's end ends it, too. When it has expired, take a new one: the bytes are the same.
   */
  async fileLink({ id }: Pick<Attachment, 'id'>): Promise<{ readonly url: string; readonly expiresAt: string }> {
    const link = await this.request<CallOutput<'attachment.link'>>('POST', `/attachments/${id}/link`, { body: {} });
    return { url: this.attachmentUrl(link), expiresAt: link.expiresAt };
  }

  // ── everything else ───────────────────────────────────────────────────────────────────────────────────────────

  /** Makes any call over the socket, as soon as there is a connection. The state shows its answer. */
  call<E extends SocketCall>(event: E, payload: SocketInput<E>): Promise<SocketOutput<E>> {
    return this.replica.call(event, payload);
  }

  /**
   * Makes any HTTP request under `/api/v1` with the session's token, which is refreshed when it has expired. Resolves
   * with the JSON of the answer, or undefined when there is none.
   */
  async request<T = unknown>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const response = await this.session.request(method, path, options);
    const text = await response.text();
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  // ── inside ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Runs a load, with retries if they are wanted. */
  private async load({ retry = false, signal, onRetry }: LoadOptions = {}, work: () => Promise<void>): Promise<void> {
    const load = async () => {
      if (!this.store.userId) throw new ParleyError('unauthenticated', 'signed out');
      await work();
    };
    await retryTemporary(load, { signal, onRetry, ...(!retry && { maxAttempts: 1 }) });
  }

  private async enter(response: Response): Promise<User> {
    return this.use((await response.json()) as Session);
  }

  private async use(session: Session): Promise<User> {
    const previousId = this.store.userId;
    if (previousId) {
      this.connection.close();
      if (previousId !== session.user.id) await this.signedOut();
    }
    await this.session.adopt(session);
    return this.begin(session);
  }

  private async begin({ user, sessionId }: Session): Promise<User> {
    this.people.skip(user.id);
    this.store.setOwn({ user, sessionId });
    this.store.addUsers([user]);
    await this.replica.load(user.id);
    const availability = await this.storage.get(availabilityKey(user.id));
    if (isAvailability(availability)) this.applyAvailability(availability);
    this.connection.open();
    return user;
  }

  private applyAvailability(availability: Availability): void {
    this.store.setOwn({ availability });
    this.presenceWatch.set(availability);
  }

  private async beat(state: Availability | undefined): Promise<void> {
    const askedAt = monotonicMs();
    const { serverTime } = await this.connection.call('presence:heartbeat', state === undefined ? {} : { state });
    this.clock.set(serverTime, monotonicMs() - askedAt);
  }

  /** The server ended the session, or this connection. Unsent messages stay for when the user is back. */
  private async ended(reason: ClientEvents['revoked']['reason']): Promise<void> {
    this.connection.close();
    if (reason === 'too_many') this.connectionChanged('offline');
    else {
      await this.session.clear();
      await this.signedOut();
    }
    this.events.emit('revoked', { reason });
  }

  private async signedOut(): Promise<void> {
    await this.storage.delete(availabilityKey(this.store.userId));
    this.typingReporter.clear();
    this.presenceWatch.clear();
    this.people.clear();
    this.attachments.clear();
    this.connectionChanged('signed-out');
    await this.replica.clear();
  }

  private connectionChanged(state: ConnectionState): void {
    if (state === this.store.connectionState) return;
    if (state !== 'online') {
      this.presenceWatch.disconnected();
      this.people.disconnected();
    }
    this.store.setConnection(state);
    this.events.emit('connection', { state });
  }

  private ready({ user, epoch, heartbeatMs, limits, iceServers = [], serverTime }: ServerEvent<'session:ready'>): void {
    this.clock.set(serverTime);
    this.store.setOwn({ user: { ...this.store.state.user, ...user }, limits, iceServers });
    this.presenceWatch.connected(heartbeatMs);
    // People who were loaded before this connection may have changed since.
    if (this.store.state.order.length > 0) this.people.renew();
    this.replica.connected(epoch);
  }

  private receive(name: string, payload: unknown): void {
    this.events.emit('server', { event: name, payload });
    if (name.startsWith('drawing:') || name === 'peer:signal')
      this.events.emit(name as 'peer:signal', payload as never);
    if (name === 'user:updated') this.usersLoaded([(payload as ServerEvent<'user:updated'>).user]);
    this.replica.applyEvent(name, payload);
  }

  private usersLoaded(users: readonly User[]): void {
    this.store.addUsers(users);
    const { user } = this.store.state;
    const own = users.find(({ id }) => id === user?.id);
    if (!user || !own) return;
    // A picture that was taken away is absent.
    const { avatarId: _before, ...kept } = user;
    this.store.setOwn({ user: { ...kept, ...own } });
  }

  private emitError(error: ParleyError): void {
    this.events.emit('error', error);
  }

  private get store(): Store {
    return this.replica.store;
  }
}

/** The ids of lines that one call takes: 500 of 64 characters stay below the smallest packet. */
const MAX_LINE_IDS = 500;
const parts = (ids: readonly string[]): string[][] =>
  Array.from({ length: Math.ceil(ids.length / MAX_LINE_IDS) }, (_, at) =>
    ids.slice(at * MAX_LINE_IDS, (at + 1) * MAX_LINE_IDS),
  );

const availabilityKey = (userId: string): string => `availability/${userId}`;
const isAvailability = (value: unknown): value is Availability =>
  value === 'online' || value === 'away' || value === 'busy';

/** 128 random bits. `crypto.randomUUID` is missing on insecure pages, and `crypto` in Node 18. */
function newClientId(): string {
  const bytes = new Uint8Array(16);
  if (typeof crypto === 'object') crypto.getRandomValues(bytes);
  else for (let at = 0; at < bytes.length; at++) bytes[at] = Math.random() * 256;
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
