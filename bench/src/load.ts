/** Clients in pairs, and what they measure. */
import { io, type Socket } from 'socket.io-client';

export interface User {
  readonly id: string;
  readonly token: string;
}

interface Sender {
  readonly socket: Socket;
  readonly conversationId: string;
}

/** How a phase sends: each sender keeps so many unanswered, or all together so many a second. */
export type Pace = { readonly outstanding: number } | { readonly perSecond: number };

export interface Measured {
  readonly seconds: number;
  readonly acknowledged: number;
  /** Sends that were refused or not answered within 10 s. */
  readonly failed: number;
  /** Milliseconds, sorted. */
  readonly ackMs: Float64Array;
  readonly receivedMs: Float64Array;
}

export const quantile = (sorted: Float64Array, q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;

const body = 'The quick brown fox jumps over the lazy dog, and then it rests.';

/** Users in direct conversations by pairs, each with one WebSocket; everybody sends, everybody receives. */
export class Pairs {
  private readonly sent = new Map<string, { readonly socket: Socket; readonly at: number }>();
  private recording = false;
  private stopped = true;
  private ackMs: number[] = [];
  private receivedMs: number[] = [];
  private failed = 0;
  private counter = 0;
  private inFlight = 0;

  private constructor(private readonly sockets: readonly Socket[], private readonly senders: readonly Sender[]) {}

  static async open(url: string | readonly string[], users: readonly User[]): Promise<Pairs> {
    const urls = typeof url === 'string' ? [url] : url;
    const sockets: Socket[] = [];
    // Not all at once: that would measure a connect storm.
    for (let at = 0; at < users.length; at += 20) {
      sockets.push(...(await Promise.all(users.slice(at, at + 20).map((user, index) => connect(urls[(at + index) % urls.length]!, user)))));
    }
    const senders: Sender[] = [];
    for (let at = 0; at + 1 < users.length; at += 2) {
      const answer = (await sockets[at]!.timeout(10_000).emitWithAck('conversation:create', { kind: 'direct', memberIds: [users[at + 1]!.id] })) as {
        ok: boolean; data: { conversation: { id: string } };
      };
      if (!answer.ok) throw new Error(`conversation:create: ${JSON.stringify(answer)}`);
      const conversationId = answer.data.conversation.id;
      senders.push({ socket: sockets[at]!, conversationId }, { socket: sockets[at + 1]!, conversationId });
    }
    const pairs = new Pairs(sockets, senders);
    for (const socket of sockets) socket.on('message:new', (event: { message: { clientId: string } }) => pairs.received(socket, event.message.clientId));
    return pairs;
  }

  /** Sends at a pace: `warmUpSeconds` unmeasured, then `seconds` measured, between `begin` and `end`. Resolves when the last answer is in. */
  async run(pace: Pace, warmUpSeconds: number, seconds: number, begin: () => void, end: () => void): Promise<Measured> {
    Object.assign(this, { ackMs: [], receivedMs: [], failed: 0, stopped: false });
    const sending = 'outstanding' in pace ? this.keepOutstanding(pace.outstanding) : this.keepRate(pace.perSecond);
    await pause(warmUpSeconds * 1000);
    begin();
    const start = performance.now();
    this.recording = true;
    await pause(seconds * 1000);
    this.recording = false;
    const took = (performance.now() - start) / 1000;
    const { ackMs, receivedMs, failed } = this;
    end();
    this.stopped = true;
    await sending;
    for (let wait = 0; this.inFlight > 0 && wait < 200; wait++) await pause(50);
    this.sent.clear();
    return { seconds: took, acknowledged: ackMs.length, failed, ackMs: new Float64Array(ackMs).sort(), receivedMs: new Float64Array(receivedMs).sort() };
  }

  close(): void {
    for (const socket of this.sockets) socket.disconnect();
  }

  private async keepOutstanding(outstanding: number): Promise<void> {
    const loop = async (sender: Sender): Promise<void> => {
      while (!this.stopped) await this.send(sender);
    };
    await Promise.all(this.senders.flatMap((sender) => Array.from({ length: outstanding }, () => loop(sender))));
  }

  private async keepRate(perSecond: number): Promise<void> {
    const start = performance.now();
    for (let sent = 0; !this.stopped; ) {
      const due = ((performance.now() - start) / 1000) * perSecond;
      for (; sent < due; sent++) void this.send(this.senders[(sent * 7919) % this.senders.length]!);
      await pause(2);
    }
  }

  private async send({ socket, conversationId }: Sender): Promise<void> {
    const clientId = `b${(this.counter += 1)}`;
    const start = performance.now();
    this.sent.set(clientId, { socket, at: start });
    this.inFlight += 1;
    const answer = (await socket.timeout(10_000).emitWithAck('message:send', { conversationId, clientId, body }).catch(() => ({ ok: false }))) as { ok: boolean };
    this.inFlight -= 1;
    if (!this.recording) return;
    if (answer.ok) this.ackMs.push(performance.now() - start);
    else this.failed += 1;
  }

  /** Once per message: the sender's own copy is not what is measured. */
  private received(socket: Socket, clientId: string): void {
    const sent = this.sent.get(clientId);
    if (sent === undefined || sent.socket === socket) return;
    this.sent.delete(clientId);
    if (this.recording) this.receivedMs.push(performance.now() - sent.at);
  }
}

async function connect(url: string, { token }: User): Promise<Socket> {
  const socket = io(url, { auth: { token }, transports: ['websocket'], forceNew: true, reconnection: false });
  await new Promise<unknown>((resolve, reject) => socket.once('session:ready', resolve).once('connect_error', reject));
  return socket;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
