import { randomBytes } from 'node:crypto';
import {
  calls,
  ChatError,
  errorCodes,
  serverEvents,
  type Call,
  type CallArguments,
  type CallName,
  type CallOutput,
  type ErrorBody,
  type HttpRoute,
  type Member,
  type Message,
  type ServerEvent,
  type ServerEventName,
  type Session,
  type User,
} from '@parley/contracts';
import { io, type Socket } from 'socket.io-client';
import { LocalState, type LocalConversation } from './local-state.js';

/** Engine.IO's packet that answers the server's ping. The server waits 10 s for it. */
const PONG = '3';
const PONG_EVERY_MS = 2_000;

/** The server did not answer a call in time, or the connection ended first. The call may have been carried out. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

/** A server event that a {@link ChatClient} received, with the time of its arrival. */
export type RecordedEvent = {
  [N in ServerEventName]: {
    readonly name: N;
    readonly payload: ServerEvent<N>;
    /** `performance.now()` */ readonly at: number;
  };
}[ServerEventName];
type EventOf<N extends ServerEventName> = Extract<RecordedEvent, { name: N }>;

/** The settings of a {@link ChatClient}. By default, `register` chooses a unique name and a valid password. */
export interface ClientOptions {
  username?: string;
  password?: string;
  displayName?: string;
  /** Maximum time that a call waits for its answer. Default: the 10 s that I10 allows the server. */
  callTimeoutMs?: number;
  transports?: ('websocket' | 'polling')[];
}

/** The answer to an HTTP request, also an error. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed if it is JSON, else text. */
  readonly body: unknown;
}

interface Waiting {
  check(event: RecordedEvent): boolean;
  resolve(event: RecordedEvent): void;
}

/** A readable, unique name. */
export const uniqueName = (prefix: string): string => `${prefix}-${randomBytes(5).toString('hex')}`;

/**
 * A user with one device, for tests: HTTP and a socket, typed by the registry of calls. Every event of the socket is
 * recorded in the order of arrival and applied to {@link LocalState}. Refusals reject with a ChatError, missing answers
 * with {@link NoAnswer}.
 */
export class ChatClient {
  readonly events: RecordedEvent[] = [];
  readonly state: LocalState;
  /** Number of `session:ready` events: one per connection. */
  readyCount = 0;
  private socket: Socket | undefined;
  private lastProblem = 'none';
  /** The index in {@link events} at which each connection began. */
  private readonly connectionStarts: number[] = [];
  private readonly waiting = new Set<Waiting>();
  /** The conversations that were loaded as a whole. One that was lost and added again is another object. */
  private readonly loaded = new Map<string, LocalConversation>();

  constructor(
    readonly url: string,
    public session: Session,
    private readonly options: ClientOptions = {},
  ) {
    this.state = new LocalState(session.user.id);
  }

  get user(): User {
    return this.session.user;
  }

  get connected(): boolean {
    return this.socket?.connected === true;
  }

  /** Creates an account. */
  static async register(url: string, options: ClientOptions = {}): Promise<ChatClient> {
    const { username = uniqueName('user'), password = 'correct horse battery', displayName } = options;
    const session = await callHttp(url, 'auth.register', {
      username,
      password,
      ...(displayName === undefined ? {} : { displayName }),
    });
    return new ChatClient(url, session, options);
  }

  static async guest(url: string, options: ClientOptions = {}): Promise<ChatClient> {
    const session = await callHttp(
      url,
      'auth.guest',
      options.displayName === undefined ? {} : { displayName: options.displayName },
    );
    return new ChatClient(url, session, options);
  }

  static async login(
    url: string,
    username: string,
    password: string,
    options: ClientOptions = {},
  ): Promise<ChatClient> {
    return new ChatClient(url, await callHttp(url, 'auth.login', { username, password }), options);
  }

  /** Another device of the same user. It shares the session. */
  device(url: string = this.url): ChatClient {
    return new ChatClient(url, this.session, this.options);
  }

  /**
   * Opens the socket and resolves with `session:ready`. A refused handshake rejects with the server's ChatError. From
   * then on the socket reconnects automatically; call {@link sync} after a reconnect to catch up.
   */
  async connect(timeoutMs = 10_000): Promise<ServerEvent<'session:ready'>> {
    this.socket?.disconnect();
    const socket = io(this.url, {
      auth: { token: this.session.accessToken },
      transports: this.options.transports ?? ['websocket'],
      forceNew: true,
      reconnectionDelay: 100,
      reconnectionDelayMax: 1000,
    });
    this.socket = socket;
    socket.on('connect', () => this.connectionStarts.push(this.events.length));
    socket.on('disconnect', (reason) => (this.lastProblem = reason));
    socket.on('connect_error', (error) => (this.lastProblem = error.message));
    for (const name of Object.keys(serverEvents) as ServerEventName[]) {
      socket.on(name as string, (payload: unknown) =>
        this.record({ name, payload, at: performance.now() } as RecordedEvent),
      );
    }
    const refused = new Promise<never>((_, reject) => {
      socket.once('connect_error', (error: Error & { data?: ErrorBody }) => {
        reject(error.data && errorCodes.includes(error.data.code) ? ChatError.fromBody(error.data) : error);
      });
    });
    try {
      const ready = await Promise.race([
        this.waitFor('session:ready', () => true, timeoutMs, this.events.length),
        refused,
      ]);
      return ready.payload;
    } catch (error) {
      socket.disconnect();
      throw error;
    }
  }

  /** The state of the connection, and why it last ended or was refused, for failure messages. */
  get connectionState(): string {
    const { socket } = this;
    return `${socket?.connected ? 'connected' : 'not connected'}, manager ${socket?.io._readyState}, engine ${socket?.io.engine?.readyState}, ready ${this.readyCount} times, last: ${this.lastProblem}`;
  }

  /** Closes the connection. Events and state stay. */
  disconnect(): void {
    this.socket?.disconnect();
    this.socket = undefined;
  }

  /** Cuts the connection, as a lost network does. The socket reconnects automatically. */
  drop(): void {
    // Socket.IO would notice the loss of a connection that is still opening only after its own timeout of 20 s.
    if (this.socket?.connected) this.socket.io.engine.close();
  }

  /** Makes a call over the socket. */
  async call<N extends CallName>(
    name: N,
    input: CallArguments<N>,
    timeoutMs = this.options.callTimeoutMs ?? 10_000,
  ): Promise<CallOutput<N>> {
    const { socket: event } = calls[name] as Call;
    if (event === undefined) throw new Error(`${name} is not a socket call`);
    return (await this.emit(event, input, timeoutMs)) as CallOutput<N>;
  }

  /**
   * Stops reading from the network until the returned function is called. With `sendsPongs` the client still tells the server that it is alive, so that only the unread data can end the connection.
   */
  stopReading({ sendsPongs = false } = {}): () => void {
    const { transport } = this.socket!.io.engine;
    if (!hasWebSocket(transport)) throw new Error('stopReading needs the websocket transport');
    // The transport forgets its socket when the connection ends meanwhile.
    const { ws } = transport;
    ws.pause();
    const pongs = sendsPongs ? setInterval(() => ws.send(PONG), PONG_EVERY_MS) : undefined;
    return () => {
      clearInterval(pongs);
      ws.resume();
    };
  }

  /** Emits any event with any payload, as a faulty client might. Resolves with the `data` of the answer. */
  async emit(event: string, input: unknown, timeoutMs = 10_000): Promise<unknown> {
    if (!this.socket?.connected) throw new NoAnswer(`${event}: not connected`);
    let answer: { ok: true; data: unknown } | { ok: false; error: ErrorBody };
    try {
      answer = (await this.socket.timeout(timeoutMs).emitWithAck(event, input)) as typeof answer;
    } catch (error) {
      throw new NoAnswer(`${event}: ${error instanceof Error ? error.message : 'no answer'}`, { cause: error });
    }
    if (answer.ok) return answer.data;
    throw ChatError.fromBody(answer.error);
  }

  /**
   * Makes a call over HTTP. A single thing that HTTP answers bare is wrapped as the socket would answer it. Fields that
   * HTTP expresses by its status (`created`) are absent.
   */
  async http<N extends CallName>(name: N, input: CallArguments<N>): Promise<CallOutput<N>> {
    return callHttp(this.url, name, input, this.session.accessToken);
  }

  /** Makes any request to the server with this user's token. */
  async fetch(method: string, path: string, body?: unknown): Promise<HttpAnswer> {
    return request(this.url, method, path, body, this.session.accessToken);
  }

  /** Sends a text under a fresh `clientId`, or under the given one. */
  async send(
    conversationId: string,
    body: string,
    clientId: string = uniqueName('c'),
  ): Promise<CallOutput<'message.send'>> {
    return this.call('message.send', { conversationId, clientId, body });
  }

  /**
   * Calls `sync` until it is complete, loads added conversations as a whole, and syncs again over changes that happened
   * meanwhile. Afterwards the state equals the server's (I9).
   */
  async sync(): Promise<CallOutput<'sync'>[]> {
    const answers = await this.syncOnce();
    while (await this.loadWhole()) answers.push(...(await this.syncOnce()));
    return answers;
  }

  private async syncOnce(): Promise<CallOutput<'sync'>[]> {
    const answers: CallOutput<'sync'>[] = [];
    let cursor: string | undefined;
    for (let complete = false; !complete || cursor !== undefined;) {
      const { epoch } = this.state;
      const answer = await this.call('sync', {
        ...(epoch === undefined ? {} : { epoch }),
        cursors: this.state.cursors(),
        ...(cursor === undefined ? {} : { cursor }),
      });
      this.state.applySync(answer);
      answers.push(answer);
      complete = answer.complete;
      if (complete) cursor = answer.nextCursor;
    }
    return answers;
  }

  /**
   * Loads the messages and members of added conversations. Returns whether there were any. Live events that arrive
   * meanwhile may be newer than the pages, so the next `sync` repeats the changes since the conversation was added.
   */
  async loadWhole(): Promise<boolean> {
    const added = [...this.state.conversations].filter(([id, local]) => this.loaded.get(id) !== local);
    for (const [id, local] of added) {
      const { cursor } = local;
      try {
        this.state.applyPage(await this.history(id));
        this.state.applyMembers(id, await this.members(id));
      } catch (error) {
        // The user lost it meanwhile: the next sync says so.
        if (!(error instanceof ChatError)) throw error;
      }
      this.state.rewind(id, cursor);
      this.loaded.set(id, local);
    }
    return added.length > 0;
  }

  /** All members, including banned ones. */
  async members(conversationId: string): Promise<Member[]> {
    const members: Member[] = [];
    for (let cursor: string | undefined; ;) {
      const page = await this.http('conversation.members', {
        conversationId,
        limit: 100,
        ...(cursor === undefined ? {} : { cursor }),
      });
      members.push(...page.items);
      cursor = page.nextCursor;
      if (cursor === undefined) return members;
    }
  }

  /** All messages of a conversation. Does not change the state. */
  async history(conversationId: string): Promise<Message[]> {
    const messages: Message[] = [];
    for (let more = true; more;) {
      const page = await this.call('conversation.history', {
        conversationId,
        after: messages.at(-1)?.seq ?? 0,
        limit: 100,
      });
      messages.push(...page.items);
      more = page.hasAfter;
    }
    return messages;
  }

  /**
   * Resolves with the first event from index `from` of {@link events} on that `check` accepts. Default: from the
   * beginning.
   */
  async waitFor<N extends ServerEventName>(
    name: N,
    check: (payload: ServerEvent<N>) => boolean = () => true,
    timeoutMs = 10_000,
    from = 0,
  ): Promise<EventOf<N>> {
    const accepts = (event: RecordedEvent): event is EventOf<N> =>
      event.name === name && check(event.payload as ServerEvent<N>);
    const past = this.events.slice(from).find(accepts);
    if (past) return past;
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        check: accepts,
        resolve: (event) => {
          clearTimeout(timer);
          resolve(event as EventOf<N>);
        },
      };
      const timer = setTimeout(() => {
        this.waiting.delete(waiting);
        reject(new Error(`${this.user.username} waited ${timeoutMs} ms for ${name}`));
      }, timeoutMs);
      this.waiting.add(waiting);
    });
  }

  /** The recorded events of one name. */
  eventsOf<N extends ServerEventName>(name: N): EventOf<N>[] {
    return this.events.filter((event): event is EventOf<N> => event.name === name);
  }

  /** The recorded events by connection. */
  get connections(): RecordedEvent[][] {
    return this.connectionStarts.map((start, index) => this.events.slice(start, this.connectionStarts[index + 1]));
  }

  private record(event: RecordedEvent): void {
    this.events.push(event);
    if (event.name === 'session:ready') this.readyCount += 1;
    this.state.apply(event.name, event.payload);
    for (const waiting of this.waiting) {
      if (!waiting.check(event)) continue;
      this.waiting.delete(waiting);
      waiting.resolve(event);
    }
  }
}

/** The path and body of a call over HTTP: a route's path and query are filled from the call's input, the remaining fields are the body. */
export function toRequest(
  route: HttpRoute,
  input: Record<string, unknown>,
): { path: string; body: Record<string, unknown> | undefined } {
  const rest = { ...input };
  const take = (key: string) => {
    const value = rest[key] as string | number | readonly string[] | undefined;
    delete rest[key];
    return value;
  };
  const path = route.path.replace(/:(\w+)/g, (_, key: string) => encodeURIComponent(String(take(key))));
  const query = new URLSearchParams();
  for (const key of Object.keys(route.query ?? {})) {
    const value = take(key);
    if (value !== undefined) query.set(key, String(value));
  }
  const search = query.size === 0 ? '' : `?${query}`;
  return {
    path: `/api/v1${path}${search}`,
    body: route.method === 'GET' || route.method === 'DELETE' ? undefined : rest,
  };
}

async function callHttp<N extends CallName>(
  url: string,
  name: N,
  input: CallArguments<N>,
  token?: string,
): Promise<CallOutput<N>> {
  const { http: route } = calls[name] as Call;
  if (!route) throw new Error(`${name} is not an HTTP call`);
  const { path, body: payload } = toRequest(route, input);
  const { status, body } = await request(url, route.method, path, payload, token);
  if (!route.status.includes(status)) throw problemOf(name, status, body);
  return (status === 204 ? {} : route.bare === undefined ? body : { [route.bare]: body }) as CallOutput<N>;
}

function problemOf(name: string, status: number, body: unknown): Error {
  const { code, detail, details, retryAfterMs, traceId } = (
    typeof body === 'object' && body !== null ? body : {}
  ) as Partial<ErrorBody> & { detail?: string };
  if (code === undefined || !errorCodes.includes(code))
    return new Error(`${name}: HTTP ${status} ${JSON.stringify(body).slice(0, 200)}`);
  return new ChatError(code, detail, {
    ...(details === undefined ? {} : { details }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(traceId === undefined ? {} : { traceId }),
  });
}

async function request(
  url: string,
  method: string,
  path: string,
  body: unknown,
  token: string | undefined,
): Promise<HttpAnswer> {
  const response = await fetch(new URL(path, url), {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(15_000),
  });
  const text = await response.text();
  const json = response.headers.get('content-type')?.includes('json') === true && text !== '';
  return { status: response.status, headers: response.headers, body: json ? (JSON.parse(text) as unknown) : text };
}

/** In Node, Socket.IO's websocket transport has a socket of the package `ws`, which its types do not show. */
function hasWebSocket(
  transport: object,
): transport is { readonly ws: { pause(): void; resume(): void; send(packet: string): void } } {
  return 'ws' in transport;
}
