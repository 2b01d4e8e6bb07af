import type { ParleyClient } from '@parley/client';

export interface PeerMessage {
  readonly id: number;
  readonly own: boolean;
  readonly body: string;
  readonly at: string;
}

export interface PeerState {
  /** `calling`: the other one was asked. `ringing`: they ask. */
  readonly phase: 'idle' | 'calling' | 'ringing' | 'connecting' | 'open';
  readonly messages: readonly PeerMessage[];
  /** Why it ended, when it did by itself. */
  readonly problem?: string | undefined;
}

type Signal =
  | { readonly kind: 'offer' | 'answer'; readonly call: string; readonly sdp: string }
  | { readonly kind: 'ice'; readonly call: string; readonly candidate: RTCIceCandidateInit }
  | { readonly kind: 'bye'; readonly call: string };

const MOST_MESSAGES = 500;
const MOST_CANDIDATES = 64;
const LONGEST = 16_000;
const RING_MS = 45_000;
const idle: PeerState = { phase: 'idle', messages: [] };

/** What others signal is whatever they like. */
function signalOf(data: unknown): Signal | undefined {
  if (typeof data !== 'object' || data === null) return undefined;
  const { kind, call, sdp, candidate } = data as Record<string, unknown>;
  if (typeof call !== 'string') return undefined;
  if ((kind === 'offer' || kind === 'answer') && typeof sdp === 'string') return { kind, call, sdp };
  if (kind === 'ice' && typeof candidate === 'object' && candidate !== null) return { kind, call, candidate };
  return kind === 'bye' ? { kind, call } : undefined;
}

/**
 * A connection from this browser to another one's, in one direct conversation. The server passes on how they find each other, and never sees what they say; nothing is kept.
 * No server outside is asked for the way: it works where the two reach each other, in one network or with public addresses.
 */
class PeerChat {
  state: PeerState = idle;
  private readonly listeners = new Set<() => void>();
  private connection: RTCPeerConnection | undefined;
  private channel: RTCDataChannel | undefined;
  private call: string | undefined;
  private partnerId: string | undefined;
  private offered: string | undefined;
  private early: RTCIceCandidateInit[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private count = 0;

  constructor(
    private readonly client: ParleyClient,
    private readonly conversationId: string,
  ) {}

  subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  };

  /** Asks the other one. Rejects when they have no connection. */
  async start(partnerId: string): Promise<void> {
    this.partnerId = partnerId;
    this.call = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('');
    const connection = this.connect();
    this.attach(connection.createDataChannel('parley'));
    await connection.setLocalDescription();
    this.show({ phase: 'calling', problem: undefined });
    this.timer = setTimeout(() => this.end('Nobody answered.'), RING_MS);
    if (!(await this.signal({ kind: 'offer', call: this.call, sdp: connection.localDescription!.sdp })))
      this.end('They are not here right now.');
  }

  async accept(): Promise<void> {
    if (this.state.phase !== 'ringing' || this.offered === undefined) return;
    const connection = this.connect();
    connection.addEventListener('datachannel', ({ channel }) => this.attach(channel));
    this.show({ phase: 'connecting' });
    await connection.setRemoteDescription({ type: 'offer', sdp: this.offered });
    await this.addEarly();
    await connection.setLocalDescription();
    await this.signal({ kind: 'answer', call: this.call!, sdp: connection.localDescription!.sdp });
  }

  hangUp(): void {
    if (this.call !== undefined && this.partnerId !== undefined) void this.signal({ kind: 'bye', call: this.call });
    this.end();
  }

  send(body: string): void {
    if (this.channel?.readyState !== 'open' || body === '') return;
    this.channel.send(body.slice(0, LONGEST));
    this.add(body.slice(0, LONGEST), true);
  }

  async hear(from: string, data: unknown): Promise<void> {
    const signal = signalOf(data);
    if (!signal) return;
    if (signal.kind === 'offer') {
      // Both called at once: the one with the smaller id goes on.
      if (this.state.phase === 'calling' && this.client.getState().user!.id < from) return;
      if (this.state.phase === 'open' || this.state.phase === 'connecting') return;
      this.close();
      Object.assign(this, { call: signal.call, partnerId: from, offered: signal.sdp });
      this.timer = setTimeout(() => this.end('You missed a call.'), RING_MS);
      this.show({ phase: 'ringing', problem: undefined });
    } else if (signal.call !== this.call || from !== this.partnerId) return;
    else if (signal.kind === 'bye') this.end('The other side hung up.');
    else if (signal.kind === 'answer' && this.connection?.signalingState === 'have-local-offer') {
      this.show({ phase: 'connecting' });
      await this.connection.setRemoteDescription({ type: 'answer', sdp: signal.sdp });
      await this.addEarly();
    } else if (signal.kind === 'ice') {
      if (this.connection?.remoteDescription) await this.connection.addIceCandidate(signal.candidate);
      else if (this.early.length < MOST_CANDIDATES) this.early.push(signal.candidate);
    }
  }

  private connect(): RTCPeerConnection {
    const connection = new RTCPeerConnection({ iceServers: [] });
    this.connection = connection;
    connection.addEventListener(
      'icecandidate',
      ({ candidate }) =>
        candidate && void this.signal({ kind: 'ice', call: this.call!, candidate: candidate.toJSON() }),
    );
    connection.addEventListener('connectionstatechange', () => {
      if (connection === this.connection && connection.connectionState === 'failed')
        this.end('The two of you could not be connected.');
    });
    return connection;
  }

  private attach(channel: RTCDataChannel): void {
    this.channel = channel;
    channel.addEventListener('open', () => {
      clearTimeout(this.timer);
      this.show({ phase: 'open' });
    });
    channel.addEventListener(
      'message',
      ({ data }) => typeof data === 'string' && this.add(data.slice(0, LONGEST), false),
    );
    channel.addEventListener('close', () => channel === this.channel && this.end('The connection has ended.'));
  }

  private async addEarly(): Promise<void> {
    for (const candidate of this.early.splice(0)) await this.connection?.addIceCandidate(candidate);
  }

  private signal(data: Signal): Promise<boolean> {
    return this.client.signal(this.partnerId!, this.conversationId, data).catch(() => false);
  }

  private add(body: string, own: boolean): void {
    this.show({
      messages: [...this.state.messages, { id: ++this.count, own, body, at: new Date().toISOString() }].slice(
        -MOST_MESSAGES,
      ),
    });
  }

  private end(problem?: string): void {
    this.close();
    this.show({ phase: 'idle', problem });
  }

  private close(): void {
    clearTimeout(this.timer);
    const { channel, connection } = this;
    this.channel = this.connection = this.call = this.offered = undefined;
    this.early = [];
    channel?.close();
    connection?.close();
  }

  private show(part: Partial<PeerState>): void {
    this.state = { ...this.state, ...part };
    for (const listener of this.listeners) listener();
  }
}

export type { PeerChat };

/** The peer connections of this page, one for each direct conversation. */
class Peers {
  private readonly chats = new Map<string, PeerChat>();
  private readonly ringers = new Set<(conversationId: string) => void>();

  constructor(private readonly client: ParleyClient) {
    client.on('peer:signal', ({ from, conversationId, data }) => {
      const chat = this.of(conversationId);
      const before = chat.state.phase;
      void chat
        .hear(from, data)
        .catch(() => chat.hangUp())
        .then(() => {
          if (before !== 'ringing' && chat.state.phase === 'ringing')
            for (const ring of this.ringers) ring(conversationId);
        });
    });
  }

  of(conversationId: string): PeerChat {
    const chat = this.chats.get(conversationId) ?? new PeerChat(this.client, conversationId);
    this.chats.set(conversationId, chat);
    return chat;
  }

  /** Calls `listener` when somebody asks for a connection. Answers how to stop. */
  onRing(listener: (conversationId: string) => void): () => void {
    this.ringers.add(listener);
    return () => void this.ringers.delete(listener);
  }
}

const all = new WeakMap<ParleyClient, Peers>();
export function peersOf(client: ParleyClient): Peers {
  const peers = all.get(client) ?? new Peers(client);
  all.set(client, peers);
  return peers;
}
