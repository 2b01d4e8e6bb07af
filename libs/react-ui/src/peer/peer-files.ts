/** Bytes of a file: the receiver holds it in memory until it is saved. */
export const MAX_FILE_BYTES = 100 * 1024 * 1024;
const CHUNK_BYTES = 16 * 1024;
/** A larger message does not come from this code. */
const MAX_MESSAGE_BYTES = 256 * 1024;
const MAX_BUFFERED_BYTES = 1024 * 1024;
const RESUME_BELOW_BYTES = 256 * 1024;
/** A transfer in which nothing moves for this time has failed. */
const STALL_MS = 30_000;
/** Files that wait for an answer, in each direction. */
const MAX_WAITING = 5;
const MAX_ID_CHARACTERS = 64;
const MAX_NAME_CHARACTERS = 200;

/**
 * - `offered`: the receiver has not answered.
 * - `moving`: its bytes are on their way, or about to be.
 * - `declined`, `cancelled`, `failed`: it will not arrive.
 */
export type TransferState = 'offered' | 'moving' | 'done' | 'declined' | 'cancelled' | 'failed';

/** A file on its way from one browser to the other. */
export interface Transfer {
  readonly id: string;
  readonly own: boolean;
  readonly name: string;
  readonly size: number;
  readonly state: TransferState;
  /** How many bytes were sent or received. */
  readonly bytes: number;
  /** What was received, once it is complete. Its type is never one that a browser shows. */
  readonly blob?: Blob;
}

type Control =
  | { readonly kind: 'offer'; readonly id: string; readonly name: string; readonly size: number }
  | { readonly kind: 'accept' | 'decline' | 'begin' | 'end' | 'cancel'; readonly id: string }
  | { readonly kind: 'panel'; readonly open: boolean };

const kinds = ['accept', 'decline', 'begin', 'end', 'cancel'] as const;

/** Checks a message: the other side may send anything. */
function controlOf(text: string): Control | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { kind, id, name, size, open } = value as Record<string, unknown>;
  if (kind === 'panel' && typeof open === 'boolean') return { kind, open };
  if (typeof id !== 'string' || id.length > MAX_ID_CHARACTERS) return undefined;
  if (kind === 'offer' && typeof name === 'string' && Number.isSafeInteger(size) && (size as number) >= 0)
    return { kind, id, name: fileName(name), size: size as number };
  const known = kinds.find((one) => one === kind);
  return known && { kind: known, id };
}

/** A name without folders, control characters and marks that turn its ending around. */
const fileName = (name: string): string =>
  name
    .slice(-1000)
    .split(/[/\\]/)
    .at(-1)!
    .replaceAll(/[\p{Cc}\p{Cf}]/gu, '')
    .trim()
    .slice(-MAX_NAME_CHARACTERS) || 'file';

/** The functions that {@link PeerFiles} calls. */
export interface PeerFilesHooks {
  /** A transfer began or changed. */
  readonly changed: (transfer: Transfer) => void;
  /** The other side opened or closed its panel. */
  readonly panel: (open: boolean) => void;
}

/**
 * Files over a data channel: each is offered, and sent when the other side accepts it, in parts that wait for the
 * channel's buffer. Whatever the other side sends, this side holds at most one file of the size that it accepted, and
 * {@link MAX_WAITING} offers.
 */
export class PeerFiles {
  private readonly transfers = new Map<string, Transfer>();
  private readonly outgoing = new Map<string, File>();
  private sending: Promise<void> = Promise.resolve();
  private receiving: { readonly id: string; readonly parts: ArrayBuffer[]; bytes: number } | undefined;
  private stall: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly channel: RTCDataChannel,
    private readonly hooks: PeerFilesHooks,
  ) {
    channel.binaryType = 'arraybuffer';
    channel.bufferedAmountLowThreshold = RESUME_BELOW_BYTES;
    channel.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      if (typeof data === 'string') this.control(data);
      else if (data instanceof ArrayBuffer) this.receive(data);
    });
    channel.addEventListener('close', () => this.close());
  }

  /** Offers a file. Returns why that is not possible. */
  offer(file: File): 'large' | 'many' | undefined {
    if (file.size > MAX_FILE_BYTES) return 'large';
    if (this.waiting(true) >= MAX_WAITING) return 'many';
    const id = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('');
    const name = fileName(file.name);
    this.outgoing.set(id, file);
    this.set({ id, own: true, name, size: file.size, state: 'offered', bytes: 0 });
    this.send({ kind: 'offer', id, name, size: file.size });
    return undefined;
  }

  /** Accepts an offered file. One at a time is received. */
  accept(id: string): void {
    const transfer = this.transfers.get(id);
    if (!transfer || transfer.own || transfer.state !== 'offered' || this.isReceiving) return;
    this.set({ ...transfer, state: 'moving' });
    this.receiving = { id, parts: [], bytes: 0 };
    this.watch();
    this.send({ kind: 'accept', id });
  }

  /** Declines an offer, or ends a transfer. */
  end(id: string): void {
    const transfer = this.transfers.get(id);
    if (!transfer || !isRunning(transfer)) return;
    const declines = !transfer.own && transfer.state === 'offered';
    this.send({ kind: declines ? 'decline' : 'cancel', id });
    this.finish(id, declines ? 'declined' : 'cancelled');
  }

  /** Tells the other side whether this one looks at its messages. */
  showPanel(open: boolean): void {
    this.send({ kind: 'panel', open });
  }

  get isReceiving(): boolean {
    return this.receiving !== undefined;
  }

  private control(text: string): void {
    if (text.length > MAX_MESSAGE_BYTES) return;
    const control = controlOf(text);
    if (!control) return;
    if (control.kind === 'panel') return this.hooks.panel(control.open);
    const { id } = control;
    const transfer = this.transfers.get(id);
    if (control.kind === 'offer') {
      if (transfer) return;
      if (control.size > MAX_FILE_BYTES || this.waiting(false) >= MAX_WAITING)
        return this.send({ kind: 'decline', id });
      return this.set({ id, own: false, name: control.name, size: control.size, state: 'offered', bytes: 0 });
    }
    if (!transfer || !isRunning(transfer)) return undefined;
    if (control.kind === 'accept' && transfer.own && transfer.state === 'offered') return this.start(transfer);
    if (control.kind === 'decline' && transfer.own) return this.finish(id, 'declined');
    if (control.kind === 'cancel') return this.finish(id, 'cancelled');
    if (control.kind === 'end' && this.receiving?.id === id) return this.complete(transfer);
    return undefined;
  }

  private start(transfer: Transfer): void {
    this.set({ ...transfer, state: 'moving' });
    this.sending = this.sending.then(() =>
      this.transmit(transfer.id).catch(() => {
        this.send({ kind: 'cancel', id: transfer.id });
        this.finish(transfer.id, 'failed');
      }),
    );
  }

  private async transmit(id: string): Promise<void> {
    const file = this.outgoing.get(id);
    if (!file) return;
    this.send({ kind: 'begin', id });
    for (let at = 0; at < file.size; at += CHUNK_BYTES) {
      const chunk = await file.slice(at, at + CHUNK_BYTES).arrayBuffer();
      if (this.channel.bufferedAmount > MAX_BUFFERED_BYTES) await this.drained();
      const transfer = this.transfers.get(id);
      if (!transfer || !isRunning(transfer)) return;
      this.channel.send(chunk);
      this.set({ ...transfer, bytes: at + chunk.byteLength });
    }
    this.send({ kind: 'end', id });
    this.finish(id, 'done');
  }

  /** Rejects when the channel closes or the other side takes nothing. */
  private drained(): Promise<void> {
    const { channel } = this;
    return new Promise((resolve, reject) => {
      const settle = (work: () => void) => () => {
        clearTimeout(timer);
        channel.removeEventListener('bufferedamountlow', onLow);
        channel.removeEventListener('close', onEnd);
        work();
      };
      const onLow = settle(resolve);
      const onEnd = settle(() => reject(new Error('the transfer stands still')));
      const timer = setTimeout(onEnd, STALL_MS);
      channel.addEventListener('bufferedamountlow', onLow);
      channel.addEventListener('close', onEnd);
    });
  }

  private receive(data: ArrayBuffer): void {
    const { receiving } = this;
    const transfer = receiving && this.transfers.get(receiving.id);
    if (!receiving || !transfer) return;
    receiving.bytes += data.byteLength;
    if (data.byteLength > MAX_MESSAGE_BYTES || receiving.bytes > transfer.size) {
      this.send({ kind: 'cancel', id: transfer.id });
      return this.finish(transfer.id, 'failed');
    }
    receiving.parts.push(data);
    this.watch();
    this.set({ ...transfer, bytes: receiving.bytes });
  }

  private complete(transfer: Transfer): void {
    const { parts, bytes } = this.receiving!;
    if (bytes !== transfer.size) return this.finish(transfer.id, 'failed');
    this.finish(transfer.id, 'done', new Blob(parts, { type: 'application/octet-stream' }));
  }

  private watch(): void {
    clearTimeout(this.stall);
    this.stall = setTimeout(() => this.receiving && this.end(this.receiving.id), STALL_MS);
  }

  private finish(id: string, state: TransferState, blob?: Blob): void {
    const transfer = this.transfers.get(id);
    this.outgoing.delete(id);
    if (this.receiving?.id === id) {
      this.receiving = undefined;
      clearTimeout(this.stall);
    }
    // Only what runs is remembered: the other side may make up any number of ids.
    this.transfers.delete(id);
    if (transfer && isRunning(transfer)) this.hooks.changed({ ...transfer, state, ...(blob && { blob }) });
  }

  private close(): void {
    for (const id of this.transfers.keys()) this.finish(id, 'failed');
  }

  private set(transfer: Transfer): void {
    this.transfers.set(transfer.id, transfer);
    this.hooks.changed(transfer);
  }

  private waiting(own: boolean): number {
    return [...this.transfers.values()].filter((transfer) => transfer.own === own).length;
  }

  private send(control: Control): void {
    if (this.channel.readyState === 'open') this.channel.send(JSON.stringify(control));
  }
}

const isRunning = ({ state }: Transfer): boolean => state === 'offered' || state === 'moving';
