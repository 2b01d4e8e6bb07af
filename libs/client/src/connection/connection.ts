import type { ErrorBody, ErrorCode, RevocationReason, ServerEvent } from '#contracts';
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import { ParleyError } from '../errors.js';
import { backoffMs } from '../retry.js';
import type { ConnectionState, Frame, SocketCall, SocketInput, SocketOutput } from '../types.js';

/** Longer than the 10 s within which the server answers. */
const CALL_TIMEOUT_MS = 12_000;
/** The bytes of a packet around its payload. */
const ENVELOPE_BYTES = 256;

/** Options of socket.io-client. */
export type SocketSettings = Partial<ManagerOptions & SocketOptions>;
type Ready = ServerEvent<'session:ready'>;
type Acknowledgement = { ok: true; data: unknown } | { ok: false; error: ErrorBody };

/** The functions that a connection calls. None may throw. */
export interface ConnectionHooks {
  /** The present access token. Undefined when the user is signed out. */
  token(): string | undefined;
  /** The server refused this token. Resolves with whether there is another one now. */
  tokenRefused(token: string): Promise<boolean>;
  state(state: ConnectionState): void;
  ready(ready: Ready): void;
  event(name: string, payload: unknown): void;
  revoked(reason: RevocationReason): void;
  frame(frame: Frame): void;
}

/**
 * The socket. A lost connection is opened again until {@link close}. It is online from `session:ready` on: calls are
 * answered, live events arrive.
 */
export class SocketConnection {
  private socket: Socket | undefined;
  private ready: Ready | undefined;
  /** The token of the last handshake. */
  private token: string | undefined;
  private attempt = 0;
  private reopenTimer: ReturnType<typeof setTimeout> | undefined;
  /** Calls that wait for the connection. */
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
    const { origin, pathname } = new URL(this.url);
    const socket = io(origin, {
      path: `${pathname.replace(/\/$/, '')}/socket.io`,
      transports: ['websocket', 'polling'],
      // Long polling is for networks that let no WebSocket through. A gateway that is not there costs two attempts.
      tryAllTransports: true,
      reconnectionDelay: 500,
      reconnectionDelayMax: 15_000,
      forceNew: true,
      ...this.settings,
      auth: (give) => give({ token: (this.token = this.hooks.token()) }),
    });
    this.socket = socket;
    // A socket that has been replaced may still emit.
    const unlessReplaced =
      <A extends unknown[]>(listener: (...args: A) => void) =>
      (...args: A) =>
        void (this.socket === socket && listener(...args));
    socket.on(
      'connect_error',
      unlessReplaced((error: Error & { data?: ErrorBody }) => void this.refused(error.data?.code)),
    );
    socket.on(
      'disconnect',
      unlessReplaced(() => this.lost()),
    );
    socket.onAny(unlessReplaced((name: string, payload: unknown) => this.receive(name, payload)));
    if (typeof addEventListener === 'function') addEventListener('online', this.reopenNow);
  }

  /** Closes the connection until `open`. */
  close(): void {
    clearTimeout(this.reopenTimer);
    const { socket } = this;
    this.socket = this.ready = undefined;
    this.attempt = 0;
    socket?.disconnect();
    if (typeof removeEventListener === 'function') removeEventListener('online', this.reopenNow);
  }

  /** Opens a lost connection at once, instead of after the backoff. */
  readonly reopenNow = (): void => {
    if (this.socket && !this.socket.connected) this.socket.connect();
  };

  /**
   * Makes a call as soon as there is a connection. Rejects with the server's refusal, with `unavailable` when there is
   * no connection or no answer within `timeoutMs`, or with `too_large` when the packet would end the connection.
   */
  async call<E extends SocketCall>(
    event: E,
    payload: SocketInput<E>,
    timeoutMs = CALL_TIMEOUT_MS,
  ): Promise<SocketOutput<E>> {
    const deadline = Date.now() + timeoutMs;
    const { limits } = this.ready ?? (await this.untilReady(timeoutMs));
    if (new TextEncoder().encode(JSON.stringify(payload)).length + ENVELOPE_BYTES > limits.packetBytes)
      throw new ParleyError('too_large', `${event}: over ${limits.packetBytes} bytes`);
    this.logFrame('out', event, payload);
    const answer = await this.emit(event, payload, Math.max(1, deadline - Date.now()));
    this.logFrame('answer', event, answer);
    if (answer.ok) return answer.data as SocketOutput<E>;
    throw ParleyError.fromBody(answer.error);
  }

  private async emit(event: string, payload: unknown, timeoutMs: number): Promise<Acknowledgement> {
    try {
      return (await this.socket!.timeout(timeoutMs).emitWithAck(event, payload)) as Acknowledgement;
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
    this.logFrame('in', name, payload);
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
    this.scheduleReopen();
  }

  private async refused(code: ErrorCode | undefined): Promise<void> {
    const { socket } = this;
    this.hooks.state('offline');
    if (code === 'unauthenticated') {
      const isRenewed = await this.hooks.tokenRefused(this.token ?? '').catch(() => false);
      if (this.socket === socket && isRenewed && this.attempt++ === 0) return void socket?.connect();
    }
    this.scheduleReopen();
  }

  /** socket.io reopens a transport that failed, but not one that the server closed or refused. */
  private scheduleReopen(): void {
    clearTimeout(this.reopenTimer);
    if (!this.socket || this.socket.active) return;
    this.reopenTimer = setTimeout(() => this.socket?.connect(), backoffMs(this.attempt++));
  }

  private logFrame(direction: Frame['direction'], event: string, payload: unknown): void {
    this.hooks.frame({ direction, event, payload, at: Date.now() });
  }
}
