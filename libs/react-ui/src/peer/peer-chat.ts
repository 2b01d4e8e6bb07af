import type { ParleyClient } from '@parley/client';
import { toast } from '../shared/toasts.tsx';
import { currentStrings, type Strings } from '../strings/strings.tsx';
import { PeerFiles, type Transfer } from './peer-files.ts';
import { PeerStorage, type KeptMessage } from './peer-storage.ts';

/** A message of a direct connection. Nothing stores it. */
export interface PeerMessage extends KeptMessage {
  readonly id: number;
  /** A file instead of a text. */
  readonly file?: Transfer;
}

/** Why a direct connection ended. */
export type PeerProblem = keyof Strings['peer']['problems'];

/** The state of a direct connection. */
export interface PeerState {
  /** `calling`: the user called the partner. `ringing`: the partner calls. */
  readonly phase: 'idle' | 'calling' | 'ringing' | 'connecting' | 'open';
  readonly messages: readonly PeerMessage[];
  /** Whether this browser keeps the messages of the pair. Undefined until it is known. */
  readonly isKept?: boolean | undefined;
  /** Whether the partner has closed their panel, and does not see what comes. */
  readonly isPartnerAway?: boolean;
  /** The reason why the connection ended, unless the user ended it. */
  readonly problem?: PeerProblem | undefined;
}

type Signal =
  | { readonly kind: 'offer' | 'answer'; readonly call: string; readonly sdp: string }
  | { readonly kind: 'ice'; readonly call: string; readonly candidate: RTCIceCandidateInit }
  | { readonly kind: 'bye'; readonly call: string };

const MAX_MESSAGES = 500;
const MAX_CANDIDATES = 64;
const MAX_CHARACTERS = 16_000;
/** Whoever sends more in a second is no person. */
const MAX_MESSAGES_PER_SECOND = 50;
/** Both sides open the channel of files under this number. */
const FILES_CHANNEL = 100;
const RING_TIMEOUT_MS = 45_000;
const idle: PeerState = { phase: 'idle', messages: [] };

/** Checks a signal: the other side may send anything. */
function signalOf(data: unknown): Signal | undefined {
  if (typeof data !== 'object' || data === null) return undefined;
  const { kind, call, sdp, candidate } = data as Record<string, unknown>;
  if (typeof call !== 'string') return undefined;
  if ((kind === 'offer' || kind === 'answer') && typeof sdp === 'string') return { kind, call, sdp };
  if (kind === 'ice' && typeof candidate === 'object' && candidate !== null) return { kind, call, candidate };
  return kind === 'bye' ? { kind, call } : undefined;
}

/**
 * A connection from this browser to another one, in one direct conversation. The server forwards the signals that set
 * it up and never sees the messages, which stay in this browser if the user wants that. Without STUN and TURN servers
 * (`ICE_SERVERS`) it works where the browsers reach each other directly: in one network, or with public addresses.
 */
class PeerChat {
  state: PeerState = idle;
  private readonly listeners = new Set<() => void>();
  private connection: RTCPeerConnection | undefined;
  private channel: RTCDataChannel | undefined;
  /** Names the call, for both sides. */
  call: string | undefined;
  private partnerId: string | undefined;
  private offeredSdp: string | undefined;
  private earlyCandidates: RTCIceCandidateInit[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private count = 0;
  private files: PeerFiles | undefined;
  private isPanelOpen = false;
  /** The user whose messages are kept. */
  private keeper: { readonly userId: string; readonly partnerId: string } | undefined;
  private writing: Promise<unknown> = Promise.resolve();
  private isWriteQueued = false;
  private received = { since: 0, count: 0 };

  constructor(
    private readonly client: ParleyClient,
    private readonly conversationId: string,
    private readonly storage: PeerStorage,
  ) {}

  subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  };

  /** Calls the partner. Ends at once when they have no connection. */
  async start(partnerId: string): Promise<void> {
    this.partnerId = partnerId;
    this.call = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('');
    const connection = this.connect();
    this.useChannel(connection.createDataChannel('parley'));
    await connection.setLocalDescription();
    this.update({ phase: 'calling', problem: undefined });
    this.timer = setTimeout(() => this.end('unanswered'), RING_TIMEOUT_MS);
    if (!(await this.signal({ kind: 'offer', call: this.call, sdp: connection.localDescription!.sdp })))
      this.end('absent');
  }

  async accept(): Promise<void> {
    if (this.state.phase !== 'ringing' || this.offeredSdp === undefined) return;
    const connection = this.connect();
    connection.addEventListener('datachannel', ({ channel }) => this.useChannel(channel));
    this.update({ phase: 'connecting' });
    await connection.setRemoteDescription({ type: 'offer', sdp: this.offeredSdp });
    await this.addEarlyCandidates();
    await connection.setLocalDescription();
    await this.signal({ kind: 'answer', call: this.call!, sdp: connection.localDescription!.sdp });
  }

  hangUp(): void {
    if (this.call !== undefined && this.partnerId !== undefined) void this.signal({ kind: 'bye', call: this.call });
    this.end();
  }

  /** Ends the connection and forgets its messages. */
  forget(): void {
    this.close();
    this.keeper = undefined;
    this.update({ ...idle, problem: undefined, isKept: undefined });
  }

  /** The panel is shown, or closed. The partner learns it. */
  setPanel(open: boolean): void {
    this.isPanelOpen = open;
    this.files?.showPanel(open);
    if (!open && this.state.phase === 'open') toast(currentStrings().peer.staysOpen);
  }

  /** Loads what was kept of the pair. */
  async load(userId: string, partnerId: string): Promise<void> {
    if (this.state.isKept !== undefined) return;
    const kept = await this.storage.read(userId, partnerId);
    if (this.state.isKept !== undefined) return;
    if (kept) this.keeper = { userId, partnerId };
    const messages = (kept ?? []).map((message) => ({ ...message, id: ++this.count }));
    this.update({ isKept: kept !== undefined, messages: [...messages, ...this.state.messages].slice(-MAX_MESSAGES) });
  }

  /** Keeps the messages of the pair in this browser from now on, or deletes those that it kept. */
  async keep(userId: string, partnerId: string, wanted: boolean): Promise<void> {
    this.keeper = wanted ? { userId, partnerId } : undefined;
    this.update({ isKept: wanted });
    await this.writing;
    if (!wanted) return this.storage.remove(userId, partnerId);
    if (await this.storage.write(userId, partnerId, this.texts)) return undefined;
    this.keeper = undefined;
    this.update({ isKept: false });
    toast(currentStrings().peer.cannotKeep);
    return undefined;
  }

  offerFile(file: File): void {
    const refusal = this.files?.offer(file);
    if (refusal === 'large') toast(currentStrings().peer.fileTooLarge);
    if (refusal === 'many') toast(currentStrings().peer.tooManyFiles);
  }

  acceptFile(id: string): void {
    if (this.files?.isReceiving) toast(currentStrings().peer.oneFile);
    else this.files?.accept(id);
  }

  /** Declines an offered file, or ends its transfer. */
  endFile(id: string): void {
    this.files?.end(id);
  }

  send(body: string): void {
    if (this.channel?.readyState !== 'open' || body === '') return;
    this.channel.send(body.slice(0, MAX_CHARACTERS));
    this.addMessage(body.slice(0, MAX_CHARACTERS), true);
  }

  async receive(from: string, data: unknown): Promise<void> {
    const signal = signalOf(data);
    if (!signal) return;
    if (signal.kind === 'offer') {
      // When both call at once, the call of the user with the smaller id continues.
      if (this.state.phase === 'calling' && this.client.getState().user!.id < from) return;
      if (this.state.phase === 'open' || this.state.phase === 'connecting') return;
      this.close();
      Object.assign(this, { call: signal.call, partnerId: from, offeredSdp: signal.sdp });
      this.timer = setTimeout(() => this.end('missed'), RING_TIMEOUT_MS);
      this.update({ phase: 'ringing', problem: undefined });
    } else if (signal.call !== this.call || from !== this.partnerId) return;
    else if (signal.kind === 'bye') this.end('hungUp');
    else if (signal.kind === 'answer' && this.connection?.signalingState === 'have-local-offer') {
      this.update({ phase: 'connecting' });
      await this.connection.setRemoteDescription({ type: 'answer', sdp: signal.sdp });
      await this.addEarlyCandidates();
    } else if (signal.kind === 'ice') {
      if (this.connection?.remoteDescription) await this.connection.addIceCandidate(signal.candidate);
      else if (this.earlyCandidates.length < MAX_CANDIDATES) this.earlyCandidates.push(signal.candidate);
    }
  }

  private connect(): RTCPeerConnection {
    const iceServers = [...(this.client.getState().iceServers ?? [])] as RTCIceServer[];
    const connection = new RTCPeerConnection({ iceServers });
    this.connection = connection;
    this.useFiles(connection.createDataChannel('parley files', { negotiated: true, id: FILES_CHANNEL }));
    connection.addEventListener(
      'icecandidate',
      ({ candidate }) =>
        candidate && void this.signal({ kind: 'ice', call: this.call!, candidate: candidate.toJSON() }),
    );
    connection.addEventListener('connectionstatechange', () => {
      if (connection === this.connection && connection.connectionState === 'failed') this.end('unreachable');
    });
    return connection;
  }

  private useChannel(channel: RTCDataChannel): void {
    this.channel = channel;
    channel.addEventListener('open', () => {
      clearTimeout(this.timer);
      this.update({ phase: 'open' });
    });
    channel.addEventListener(
      'message',
      ({ data }) => typeof data === 'string' && this.receiveMessage(data.slice(0, MAX_CHARACTERS)),
    );
    channel.addEventListener('close', () => channel === this.channel && this.end('ended'));
  }

  private useFiles(channel: RTCDataChannel): void {
    const files = new PeerFiles(channel, {
      changed: (transfer) => this.fileChanged(transfer),
      panel: (open) => this.update({ isPartnerAway: !open }),
    });
    this.files = files;
    channel.addEventListener('open', () => files.showPanel(this.isPanelOpen));
  }

  private receiveMessage(body: string): void {
    if (this.isTooMuch()) return;
    this.addMessage(body, false);
    if (!this.isPanelOpen) toast(currentStrings().peer.messageCame);
  }

  /** Counts what the other side sends, and hangs up when it is too much. */
  private isTooMuch(): boolean {
    const now = performance.now();
    if (now - this.received.since > 1_000) this.received = { since: now, count: 0 };
    if (++this.received.count <= MAX_MESSAGES_PER_SECOND) return false;
    this.hangUp();
    this.update({ problem: 'tooMuch' });
    return true;
  }

  private fileChanged(file: Transfer): void {
    const { messages } = this.state;
    const at = messages.findIndex((message) => message.file?.id === file.id && message.own === file.own);
    if (at >= 0) return this.update({ messages: messages.with(at, { ...messages[at]!, file }) });
    if (file.state !== 'offered' || (!file.own && this.isTooMuch())) return;
    this.addMessage('', file.own, file);
    if (!file.own && !this.isPanelOpen) toast(currentStrings().peer.fileOffered);
  }

  private async addEarlyCandidates(): Promise<void> {
    for (const candidate of this.earlyCandidates.splice(0)) await this.connection?.addIceCandidate(candidate);
  }

  private signal(data: Signal): Promise<boolean> {
    return this.client.signal(this.partnerId!, this.conversationId, data).catch(() => false);
  }

  private addMessage(body: string, own: boolean, file?: Transfer): void {
    const message = { id: ++this.count, own, body, at: new Date().toISOString(), ...(file && { file }) };
    this.update({ messages: [...this.state.messages, message].slice(-MAX_MESSAGES) });
    if (!file) this.write();
  }

  /** What can be kept: files are not. */
  private get texts(): readonly PeerMessage[] {
    return this.state.messages.filter(({ file }) => !file);
  }

  /** Writes what is to be kept, once for all messages that come meanwhile. */
  private write(): void {
    const { keeper } = this;
    if (!keeper || this.isWriteQueued) return;
    this.isWriteQueued = true;
    this.writing = this.writing.then(async () => {
      this.isWriteQueued = false;
      if (this.keeper === keeper) await this.storage.write(keeper.userId, keeper.partnerId, this.texts);
    });
  }

  private end(problem?: PeerProblem): void {
    this.close();
    this.update({ phase: 'idle', problem, isPartnerAway: false });
  }

  private close(): void {
    clearTimeout(this.timer);
    const { channel, connection } = this;
    this.channel = this.connection = this.call = this.offeredSdp = this.files = undefined;
    this.earlyCandidates = [];
    channel?.close();
    connection?.close();
  }

  private update(part: Partial<PeerState>): void {
    this.state = { ...this.state, ...part };
    for (const listener of this.listeners) listener();
  }
}

export type { PeerChat };

/** `call` names the call, in all tabs of the user. */
type RingListener = (conversationId: string, call: string) => void;

/** The peer connections of the signed-in user in this page, one for each direct conversation. */
class PeerChats {
  private readonly chats = new Map<string, PeerChat>();
  private readonly ringListeners = new Set<RingListener>();
  private readonly storage = new PeerStorage();

  constructor(private readonly client: ParleyClient) {
    client.on('peer:signal', ({ from, conversationId, data }) => {
      const chat = this.of(conversationId);
      const before = chat.state.phase;
      void chat
        .receive(from, data)
        .catch(() => chat.hangUp())
        .then(() => {
          if (before !== 'ringing' && chat.state.phase === 'ringing')
            for (const listener of this.ringListeners) listener(conversationId, chat.call ?? '');
        });
    });
    client.on('connection', ({ state }) => {
      if (state !== 'signed-out') return;
      const userId = client.getState().user?.id;
      if (userId !== undefined) void this.storage.erase(userId);
      for (const chat of this.chats.values()) chat.forget();
      this.chats.clear();
    });
    // The partner need not wait until the connection is missed.
    addEventListener('pagehide', () => {
      for (const chat of this.chats.values()) if (chat.state.phase !== 'idle') chat.hangUp();
    });
  }

  of(conversationId: string): PeerChat {
    const chat = this.chats.get(conversationId) ?? new PeerChat(this.client, conversationId, this.storage);
    this.chats.set(conversationId, chat);
    return chat;
  }

  /** Calls `listener` when somebody calls for a connection. Returns a function that removes it. */
  onRing(listener: RingListener): () => void {
    this.ringListeners.add(listener);
    return () => void this.ringListeners.delete(listener);
  }
}

const chatsByClient = new WeakMap<ParleyClient, PeerChats>();
/** The direct connections of a client. Each client has one instance. */
export function peerChatsOf(client: ParleyClient): PeerChats {
  const chats = chatsByClient.get(client) ?? new PeerChats(client);
  chatsByClient.set(client, chats);
  return chats;
}
