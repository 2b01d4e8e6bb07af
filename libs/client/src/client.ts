import type {
  Attachment,
  CallArguments,
  CallOutput,
  Conversation,
  Me,
  Message,
  PresenceState,
  ServerEvent,
  Session,
  User,
} from '@parley/contracts';
import { Connection, type SocketSettings } from './connection/connection.js';
import { Emitter } from './emitter.js';
import { ParleyError } from './errors.js';
import type { RequestOptions } from './connection/http.js';
import { People } from './people/people.js';
import { PresenceWatch } from './people/presence.js';
import { Replica } from './replica/replica.js';
import { SessionKeeper } from './connection/session.js';
import { defaultStorage, tolerant, type ClientStorage } from './storage.js';
import type { Store } from './replica/store.js';
import type {
  ClientEvents,
  ClientState,
  ConnectionState,
  Draft,
  Sent,
  SocketCall,
  SocketInput,
  SocketOutput,
  UploadOptions,
} from './types.js';
import { Typing } from './people/typing.js';
import { Uploads, type Uploadable } from './uploads.js';

const LOGOUT_MS = 5_000;
const REMEMBERED_ATTACHMENTS = 200;

export interface ClientOptions {
  /** The server's address, without a path. */
  readonly url: string;
  /** Where the session and unsent messages are kept. Default: IndexedDB in browsers, memory elsewhere; see `fileStorage` in `@parley/client/node`. */
  readonly storage?: ClientStorage;
  /**
   * Whether conversations are kept in the storage too, to be shown as they were until the server answers: the 50 that were active last, with the newest 50 messages of each, as far as they were seen
   * here. They are gone when the session is. Default: false.
   */
  readonly keepConversations?: boolean;
  /** For socket.io-client, beside or instead of what the client sets. */
  readonly socketOptions?: SocketSettings;
}

/** A client of one server, for one user at a time. Nothing happens until `restore`, `login`, `register`, `guest` or `bot`. */
export function createClient(options: ClientOptions): ParleyClient {
  return new ParleyClient(options);
}

export class ParleyClient {
  readonly url: string;
  private readonly events = new Emitter<ClientEvents>();
  private readonly session: SessionKeeper;
  private readonly connection: Connection;
  private readonly replica: Replica;
  private readonly typings: Typing;
  private readonly presences: PresenceWatch;
  private readonly people: People;
  private readonly uploads: Uploads;
  private readonly attachments = new Map<string, Attachment>();

  constructor({ url, storage, keepConversations = false, socketOptions = {} }: ClientOptions) {
    this.url = new URL(url).origin;
    const place = tolerant(storage ?? defaultStorage(`parley ${this.url}`), (cause) =>
      this.problem(new ParleyError('internal', 'the storage failed', { cause })),
    );
    const online = () => this.connection.online;
    this.session = new SessionKeeper(
      this.url,
      place,
      () => void this.ended('expired'),
      ({ user, sessionId }) => this.store.setOwn({ user, sessionId }),
    );
    this.connection = new Connection(this.url, socketOptions, {
      token: () => this.session.current?.accessToken,
      refused: async (token) => (await this.session.refresh(token)) !== undefined,
      state: (state) => this.connectionChanged(state),
      ready: (ready) => this.ready(ready),
      event: (name, payload) => this.receive(name, payload),
      revoked: (reason) => void this.ended(reason),
      frame: (frame) => this.events.emit('frame', frame),
    });
    this.replica = new Replica(
      {
        online,
        call: (event, payload) => this.connection.call(event, payload),
        request: (method, path, options) => this.request(method, path, options),
      },
      place,
      {
        message: (message) => this.events.emit('message', { message }),
        people: (userIds) => this.people.want(userIds),
        error: (error) => this.problem(error),
      },
      keepConversations,
    );
    this.typings = new Typing((conversationId, active) => {
      if (online()) this.connection.call('typing', { conversationId, active }).catch(() => undefined);
    });
    this.presences = new PresenceWatch({
      online,
      watch: async (userIds) => (await this.connection.call('presence:watch', { userIds })).presence,
      unwatch: (userIds) => this.connection.call('presence:unwatch', { userIds }),
      heartbeat: (state) => this.connection.call('presence:heartbeat', state === undefined ? {} : { state }),
      show: (presence, forget) => this.store.setPresence(presence, forget),
      error: (error) => this.problem(error),
    });
    this.people = new People(
      async (userIds) =>
        (await this.request<{ items: User[] }>('GET', '/users', { query: { ids: userIds.join() } })).items,
      (users) => this.found(users),
      () => this.store.shownPeople(),
    );
    this.uploads = new Uploads((method, path, options) => this.session.request(method, path, options), place);
  }

  // ── state and events ──────────────────────────────────────────────────────────────────────────────────────────

  /** The state as it is now: the same object until something changes, and inside it the same objects for what did not. */
  getState = (): ClientState => this.store.state;

  /** Calls `listener` after changes, once for those of one moment. Answers how to stop. */
  subscribe = (listener: () => void): (() => void) => this.store.subscribe(listener);

  /** Calls `listener` on each event of that name. Answers how to stop. */
  on<N extends keyof ClientEvents>(name: N, listener: (payload: ClientEvents[N]) => void): () => void {
    return this.events.on(name, listener);
  }

  // ── session ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Changes the user's own profile, which is shown at once. An `avatarId` is the id of an uploaded picture. */
  async updateProfile(changes: CallArguments<'user.update'>): Promise<Me> {
    const user = await this.request<Me>('PATCH', '/users/me', { body: changes });
    this.store.setOwn({ user });
    this.store.addUsers([user]);
    return user;
  }

  /** Goes on with the session that the storage holds, if there is one: resolves with its user, online or not. */
  async restore(): Promise<User | undefined> {
    const session = await this.session.restore();
    return session && this.begin(session);
  }

  /** A new account. Somebody who is here as a guest becomes that person, and keeps everything. */
  async register(input: CallArguments<'auth.register'>): Promise<User> {
    const guest = this.store.state.user?.kind === 'guest';
    const response = guest
      ? await this.session.request('POST', '/auth/register', { body: input })
      : await this.session.open('POST', '/auth/register', { body: input });
    return this.enter(response);
  }

  async login(input: CallArguments<'auth.login'>): Promise<User> {
    return this.enter(await this.session.open('POST', '/auth/login', { body: input }));
  }

  /** Without an account; the name is made up when it is not given. */
  async guest(input: CallArguments<'auth.guest'> = {}): Promise<User> {
    return this.enter(await this.session.open('POST', '/auth/guest', { body: input }));
  }

  /** As a bot, with the token that `POST /bots` answered. */
  async bot(token: string): Promise<User> {
    const user = (await (await this.session.open('GET', '/users/me', {}, token)).json()) as Me;
    return this.take({ user, accessToken: token, accessTokenExpiresAt: '', refreshToken: '', sessionId: user.id });
  }

  /** Ends the session, here and at the server, and drops what was not sent. Here also when the server cannot be reached. */
  async logout(): Promise<void> {
    const { current } = this.session;
    if (!current) return;
    this.connection.close();
    await this.replica.outbox.clear(true);
    if (current.refreshToken)
      await this.session.request('POST', '/auth/logout', { timeoutMs: LOGOUT_MS }).catch(() => undefined);
    await this.session.clear();
    await this.leave();
  }

  /** Connects, where the session is known and the connection was closed: after `disconnect`, and after the server closed it because of too many. */
  connect(): void {
    if (this.session.current) this.connection.open();
  }

  /** Closes the connection until `connect`. Session, state and outbox stay. */
  disconnect(): void {
    this.connection.close();
    this.connectionChanged('offline');
  }

  /** Resolves when the storage holds everything that was sent and is not stored yet, and what is kept of conversations: before the process ends, or a page is left. */
  flush(): Promise<void> {
    return this.replica.flush();
  }

  /** Connects and asks what was missed, and who is shown, at once, where it otherwise would after a while or never: for `online` and `visibilitychange` of a page. */
  wake(): void {
    if (this.connection.online) {
      this.replica.refresh();
      this.people.renew();
    } else this.connection.hurry();
  }

  // ── conversations ─────────────────────────────────────────────────────────────────────────────────────────────

  /** Loads a conversation's newest messages, unread ones included, and keeps them current until `close`. Does nothing more for one that is open. */
  async open(id: string): Promise<void> {
    if (!this.store.held.get(id)?.opened) await this.replica.open(id);
  }

  /** The window holds the newest messages again. */
  async jumpToNewest(id: string): Promise<void> {
    if (!this.store.held.get(id)?.atNewest) await this.replica.open(id);
  }

  /** One more page before the window. */
  loadOlder(id: string): Promise<void> {
    return this.replica.loadOlder(id);
  }

  /** One more page after the window. */
  loadNewer(id: string): Promise<void> {
    return this.replica.loadNewer(id);
  }

  /** The window is the surroundings of a message: a quoted one, a hit of a search. */
  loadAround(id: string, seq: number): Promise<void> {
    return this.replica.loadAround(id, seq);
  }

  /** Forgets the messages of a conversation; it stays in the list. */
  close(id: string): void {
    this.store.change(id, (held) => held.close());
  }

  /** All members of a large conversation, which `open` does not load. */
  loadMembers(id: string): Promise<void> {
    return this.replica.loadMembers(id);
  }

  async createConversation(input: CallArguments<'conversation.create'>): Promise<Conversation> {
    return (await this.call('conversation:create', input)).conversation;
  }

  async join(conversationId: string): Promise<Conversation> {
    return (await this.call('conversation:join', { conversationId })).conversation;
  }

  async leaveConversation(conversationId: string): Promise<void> {
    await this.call('conversation:leave', { conversationId });
  }

  // ── messages ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Puts a message into the outbox and answers at once. It is stored once, in the order of sending, however long that takes and however often the page is loaded meanwhile. */
  send(conversationId: string, draft: Draft): Sent {
    if (!this.store.userId) throw new ParleyError('unauthenticated', 'signed out');
    this.typings.sent(conversationId);
    return this.replica.send(
      conversationId,
      newClientId(),
      draft,
      (draft.attachmentIds ?? []).flatMap((id) => this.attachments.get(id) ?? []),
    );
  }

  /** Sends a failed message again. */
  retry(conversationId: string, clientId: string): Promise<Message> | undefined {
    return this.replica.outbox.retry(conversationId, clientId);
  }

  /** Drops a message that is not stored. */
  discard(conversationId: string, clientId: string): boolean {
    return this.replica.outbox.discard(conversationId, clientId);
  }

  async edit(messageId: string, body: string): Promise<Message> {
    return (await this.call('message:edit', { messageId, body })).message;
  }

  async remove(messageId: string): Promise<Message> {
    return (await this.call('message:delete', { messageId })).message;
  }

  async react(messageId: string, emoji: string): Promise<Message> {
    return (await this.call('reaction:add', { messageId, emoji })).message;
  }

  async unreact(messageId: string, emoji: string): Promise<Message> {
    return (await this.call('reaction:remove', { messageId, emoji })).message;
  }

  pin(messageId: string): Promise<Message> {
    return this.replica.changeMessage('PUT', `/messages/${messageId}/pin`);
  }

  unpin(messageId: string): Promise<Message> {
    return this.replica.changeMessage('DELETE', `/messages/${messageId}/pin`);
  }

  // ── read state, presence, what is not kept ────────────────────────────────────────────────────────────────────

  /** Everything up to `seq`, or up to the newest message, was read. Shown at once, told to the server as soon as possible. */
  markRead(id: string, seq?: number): void {
    this.replica.markRead(id, seq);
  }

  /** The user types, or stopped. Call it as often as they press a key. */
  typing(id: string, active: boolean): void {
    this.typings.type(id, active);
  }

  /** Somebody, asked for if nothing was heard of them yet; then they are in `state.users` too. */
  async user(userId: string): Promise<User> {
    const known = this.store.state.users.get(userId);
    if (known) return known;
    const user = await this.request<User>('GET', `/users/${userId}`);
    this.store.addUsers([user]);
    return user;
  }

  /** Keeps `state.presence` current for these users until the answer is called. */
  watchPresence(userIds: readonly string[]): () => void {
    return this.presences.watch(userIds);
  }

  /** How the user is shown to others. */
  setPresence(state: Exclude<PresenceState, 'offline'>): void {
    this.presences.set(state);
  }

  async draw(conversationId: string, line: SocketInput<'drawing:draw'>['line']): Promise<void> {
    await this.call('drawing:draw', { conversationId, line });
  }

  async resetDrawing(conversationId: string): Promise<void> {
    await this.call('drawing:reset', { conversationId });
  }

  /** The lines on a conversation's board. Those that follow are events `drawing:line` and `drawing:reset`. */
  drawing(conversationId: string): Promise<CallOutput<'drawing.get'>> {
    return this.request('GET', `/conversations/${conversationId}/drawing`);
  }

  /** WebRTC signalling to the other one of a direct conversation; whether they have a connection. */
  async signal(to: string, conversationId: string, data: unknown): Promise<boolean> {
    return (await this.call('peer:signal', { to, conversationId, data })).delivered;
  }

  // ── files ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Uploads a file; send it with `attachmentIds`. */
  async upload(data: Uploadable, options: UploadOptions = {}): Promise<Attachment> {
    const attachment = await this.uploads.upload(data, options);
    this.attachments.set(attachment.id, attachment);
    if (this.attachments.size > REMEMBERED_ATTACHMENTS) this.attachments.delete(this.attachments.keys().next().value!);
    return attachment;
  }

  /** Where an attachment's bytes are. They need the token: see {@link fetchAttachment}. */
  attachmentUrl({ url }: Pick<Attachment, 'url'>): string {
    return new URL(url, this.url).href;
  }

  /** An attachment's bytes; with `thumbnail` its preview's, where it has one. */
  async fetchAttachment(
    attachment: string | Attachment,
    { thumbnail = false, signal }: { thumbnail?: boolean; signal?: AbortSignal } = {},
  ): Promise<Blob> {
    const id =
      typeof attachment === 'string' ? attachment : ((thumbnail ? attachment.thumbnailId : undefined) ?? attachment.id);
    const response = await this.session.request('GET', `/attachments/${id}`, {
      timeoutMs: 60_000,
      ...(signal && { signal }),
    });
    return response.blob();
  }

  // ── everything else ───────────────────────────────────────────────────────────────────────────────────────────

  /** Any call over the socket, as soon as there is a connection. What it answers is shown too. Rejects with a ParleyError. */
  call<E extends SocketCall>(event: E, payload: SocketInput<E>): Promise<SocketOutput<E>> {
    return this.replica.call(event, payload);
  }

  /** Any HTTP request under `/api/v1`, with the session's token; one that is refused because it has expired is made again with a new one. Resolves with the answer's JSON, if it has one. */
  async request<T = unknown>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const response = await this.session.request(method, path, options);
    const text = await response.text();
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  // ── inside ────────────────────────────────────────────────────────────────────────────────────────────────────

  private async enter(response: Response): Promise<User> {
    return this.take((await response.json()) as Session);
  }

  private async take(session: Session): Promise<User> {
    const before = this.store.userId;
    if (before) {
      this.connection.close();
      if (before !== session.user.id) await this.leave();
    }
    await this.session.adopt(session);
    return this.begin(session);
  }

  private async begin({ user, sessionId }: Session): Promise<User> {
    this.people.know(user.id);
    this.store.setOwn({ user, sessionId });
    this.store.addUsers([user]);
    await this.replica.load(user.id);
    this.connection.open();
    return user;
  }

  /** The server ended the session, or this connection. What was not sent stays, for when the user is back. */
  private async ended(reason: ClientEvents['revoked']['reason']): Promise<void> {
    this.connection.close();
    if (reason === 'too_many') this.connectionChanged('offline');
    else {
      await this.session.clear();
      await this.leave();
    }
    this.events.emit('revoked', { reason });
  }

  private async leave(): Promise<void> {
    this.typings.clear();
    this.presences.clear();
    this.people.clear();
    this.attachments.clear();
    this.connectionChanged('signed-out');
    await this.replica.clear();
  }

  private connectionChanged(state: ConnectionState): void {
    if (state === this.store.connectionState) return;
    if (state !== 'online') {
      this.presences.disconnected();
      this.people.disconnected();
    }
    this.store.setConnection(state);
    this.events.emit('connection', { state });
  }

  private ready({ user, epoch, heartbeatMs, limits }: ServerEvent<'session:ready'>): void {
    this.store.setOwn({ user: { ...this.store.state.user, ...user }, limits });
    this.presences.connected(heartbeatMs);
    // Whoever is known already was known before this connection.
    if (this.store.state.order.length > 0) this.people.renew();
    this.replica.connected(epoch);
  }

  private receive(name: string, payload: unknown): void {
    this.events.emit('server', { event: name, payload });
    if (name === 'drawing:line' || name === 'drawing:reset' || name === 'peer:signal')
      this.events.emit(name, payload as never);
    this.replica.event(name, payload);
  }

  private found(users: readonly User[]): void {
    this.store.addUsers(users);
    const { user } = this.store.state;
    const own = users.find(({ id }) => id === user?.id);
    if (user && own) this.store.setOwn({ user: { ...user, ...own } });
  }

  private problem(error: ParleyError): void {
    this.events.emit('error', error);
  }

  private get store(): Store {
    return this.replica.store;
  }
}

/** Also where a page is not secure, and `crypto.randomUUID` missing. */
function newClientId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
