import { WebSocket } from 'ws';

/** Microseconds of the machine's monotonic clock, which all its processes share. */
const offset = (() => {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e6 + nanoseconds / 1e3 - performance.now() * 1e3;
})();
export const nowUs = (): number => performance.now() * 1e3 + offset;

/**
 * `frame` has the arguments of the call's acknowledgement from `at` on, as JSON; undefined if the connection closed first.
 */
export type Answered = (frame: string | undefined, at: number) => void;

/**
 * A minimal Socket.IO client over a bare WebSocket for load generators: one namespace, text, no reconnecting. It parses
 * only what is asked for, so that the generator takes as little CPU as possible from the measured server.
 */
export class Wire {
  /** Called with the whole frame of every event. */
  onEvent: (frame: string) => void = () => undefined;
  onClose: () => void = () => undefined;
  private nextId = 0;
  private readonly waiting = new Map<number, Answered>();

  private constructor(private readonly socket: WebSocket) {}

  /** Resolves on `session:ready`. */
  static open(url: string, token: string, timeoutMs = 20_000): Promise<Wire> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`, {
        perMessageDeflate: false,
        handshakeTimeout: timeoutMs,
      });
      const wire = new Wire(socket);
      const timer = setTimeout(() => fail(new Error('no session within its time')), timeoutMs);
      const fail = (error: Error): void => {
        clearTimeout(timer);
        socket.terminate();
        reject(error);
      };
      socket.once('error', fail).once('close', () => fail(new Error('closed before its session')));
      socket.on('message', (data: Buffer) => {
        const frame = data.toString();
        if (frame.startsWith('0')) socket.send(`40${JSON.stringify({ token })}`);
        else if (frame.startsWith('44')) fail(new Error(`refused: ${frame.slice(2)}`));
        else if (frame.startsWith('42["session:ready"')) {
          clearTimeout(timer);
          wire.begin();
          resolve(wire);
        }
      });
    });
  }

  /** `payload` is JSON. */
  call(event: string, payload: string, answered: Answered): void {
    const id = this.nextId++;
    this.waiting.set(id, answered);
    this.socket.send(`42${id}["${event}",${payload}]`);
  }

  async ask<T>(event: string, payload: unknown): Promise<T> {
    const [frame, at] = await new Promise<[string | undefined, number]>((resolve) =>
      this.call(event, JSON.stringify(payload), (text, from) => resolve([text, from])),
    );
    const [answer] = JSON.parse(frame?.slice(at) ?? '[{"ok":false}]') as [{ ok: boolean; data: T; error?: unknown }];
    if (!answer.ok) throw new Error(`${event}: ${JSON.stringify(answer.error)}`);
    return answer.data;
  }

  close(): void {
    this.socket.close();
  }

  /** Cuts the connection without closing it. */
  drop(): void {
    this.socket.terminate();
  }

  private begin(): void {
    this.socket.removeAllListeners();
    this.socket.on('error', () => undefined);
    this.socket.on('message', (data: Buffer) => this.take(data.toString()));
    this.socket.once('close', () => {
      for (const answered of this.waiting.values()) answered(undefined, 0);
      this.waiting.clear();
      this.onClose();
    });
  }

  private take(frame: string): void {
    if (frame === '2') return this.socket.send('3');
    if (frame.startsWith('42')) return this.onEvent(frame);
    if (!frame.startsWith('43')) return;
    const at = frame.indexOf('[');
    const id = Number(frame.slice(2, at));
    const answered = this.waiting.get(id);
    this.waiting.delete(id);
    answered?.(frame, at);
  }
}
