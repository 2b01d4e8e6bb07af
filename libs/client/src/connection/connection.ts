import type { ErrorBody, ErrorCode, RevocationReason, ServerEvent } from '@parley/contracts';
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import { backoffMs } from '../retry.js';
import { ParleyError } from '../errors.js';
import type { ConnectionState, Frame, SocketCall, SocketInput, SocketOutput } from '../types.js';

/** The server answers within 10 s. */
const CALL_MS = 12_000;
/** A packet's own few bytes around its payload. */
const ENVELOPE_BYTES = 256;

export type SocketSettings = Partial<ManagerOptions & SocketOptions>;
type Ready = ServerEvent<'session:ready'>;
type Answer = { ok: true; data: unknown } | { ok: false; error: ErrorBody };

export interface ConnectionHooks {
  /** The access token of now; undefined: signed out. */
  token(): string | undefined;
  /** The server refused this token: true when there is another one now. */
  refused(token: string): Promise<boolean>;
  state(state: ConnectionState): void;
  ready(ready: Ready): void;
  event(name: string, payload: unknown): void;
  revoked(reason: RevocationReason): void;
  frame?(frame: Frame): void;
}

/** The socket: opened anew whenever it is lost, until `close`. Once `session:ready` came, calls are made and events are told. */
export class Connection {
  private socket: Socket | undefined;
  private ready: Ready | undefined;
  /** The token that the last handshake was made with. */
  private token: string | undefined;
  private attempt = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly waiting = new Set<() => void>();

  constructor(
    private readonly url: string,
    private readonly settings: SocketSettings,
    private readonly hooks: ConnectionHooks,
  ) {}

  get online(): boolean {
    return this.ready !== undefined;
  }

  /** Does nothing when it is open already. */
  open(): void {
    if (this.socket) return;
    this.hooks.state('connecting');
    const socket = io(this.url, {
      transports: ['websocket'],
      reconnectionDelay: 500,
      reconnectionDelayMax: 15_000,
      forceNew: true,
      ...this.settings,
      auth: (give) => give({ token: (this.token = this.hooks.token()) }),
    });
    this.socket = socket;
    const current =
      <A extends unknown[]>(listener: (...args: A) => void) =>
      (...args: A) =>
        void (this.socket === socket && listener(...args));
    socket.on(
      'connect_error',
      current((error: Error & { data?: ErrorBody }) => void this.refused(error.data?.code)),
    );
    socket.on(
      'disconnect',
      current(() => this.lost()),
    );
    socket.onAny(current((name: string, payload: unknown) => this.receive(name, payload)));
    if (typeof addEventListener === 'function') addEventListener('online', this.hurry);
  }

  /** For good, until `open`. */
  close(): void {
    clearTimeout(this.timer);
    const { socket } = this;
    this.socket = this.ready = undefined;
    this.attempt = 0;
    socket?.disconnect();
    if (typeof removeEventListener === 'function') removeEventListener('online', this.hurry);
  }

  /** Opens it anew at once, where it waits to be. */
  readonly hurry = (): void => {
    if (this.socket && !this.socket.connected) this.socket.connect();
  };

  /**
   * Makes a call, as soon as there is a connection. Rejects with the server's refusal; with `unavailable` when there is no connection or no answer within `timeoutMs`; with `too_large` what
   * the server would end the connection for.
   */
  async call<E extends SocketCall>(event: E, payload: SocketInput<E>, timeoutMs = CALL_MS): Promise<SocketOutput<E>> {
    const deadline = Date.now() + timeoutMs;
    const { limits } = this.ready ?? (await this.untilReady(timeoutMs));
    if (new TextEncoder().encode(JSON.stringify(payload)).length + ENVELOPE_BYTES > limits.packetBytes)
      throw new ParleyError('too_large', `${event}: over ${limits.packetBytes} bytes`);
    this.tell('out', event, payload);
    const answer = await this.emit(event, payload, Math.max(1, deadline - Date.now()));
    this.tell('answer', event, answer);
    if (answer.ok) return answer.data as SocketOutput<E>;
    throw ParleyError.fromBody(answer.error);
  }

  private async emit(event: string, payload: unknown, timeoutMs: number): Promise<Answer> {
    try {
      return (await this.socket!.timeout(timeoutMs).emitWithAck(event, payload)) as Answer;
    } catch (error) {
      throw new ParleyError('unavailable', `${event}: no answer`, { cause: error });
    }
  }

  private untilReady(timeoutMs: number): Promise<Ready> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer);
        this.waiting.delete(settle);
        if (this.ready) resolve(this.ready);
        else reject(new ParleyError('unavailable', 'not connected'));
      };
      const timer = setTimeout(settle, timeoutMs);
      this.waiting.add(settle);
    });
  }

  private receive(name: string, payload: unknown): void {
    this.tell('in', name, payload);
    if (name === 'session:revoked') return this.hooks.revoked((payload as ServerEvent<'session:revoked'>).reason);
    if (name !== 'session:ready') return this.hooks.event(name, payload);
    this.ready = payload as Ready;
    this.attempt = 0;
    this.hooks.state('online');
    this.hooks.ready(this.ready);
    for (const settle of this.waiting) settle();
  }

  private lost(): void {
    this.ready = undefined;
    this.hooks.state('offline');
    this.again();
  }

  private async refused(code: ErrorCode | undefined): Promise<void> {
    const { socket } = this;
    this.hooks.state('offline');
    if (code === 'unauthenticated') {
      const renewed = await this.hooks.refused(this.token ?? '').catch(() => false);
      if (this.socket === socket && renewed && this.attempt++ === 0) return void socket?.connect();
    }
    this.again();
  }

  /** A transport that fails is opened again by socket.io. One that the server closed or refused is not. */
  private again(): void {
    clearTimeout(this.timer);
    if (!this.socket || this.socket.active) return;
    this.timer = setTimeout(() => this.socket?.connect(), backoffMs(this.attempt++));
  }

  private tell(direction: Frame['direction'], event: string, payload: unknown): void {
    this.hooks.frame?.({ direction, event, payload, at: Date.now() });
  }
}
