import type { Socket } from 'socket.io';

/** What a socket may leave unread before it is cut off. */
export const OUTGOING_BYTES = 1024 * 1024;

interface Packet {
  readonly data?: string | Buffer;
}
/** The parts of an engine.io connection that hold what was written and not yet taken by the network. */
interface Outgoing {
  readonly writeBuffer: readonly Packet[];
  readonly transport: { readonly socket?: { readonly bufferedAmount: number; terminate(): void } };
}

const sizeOf = ({ data }: Packet) => data?.length ?? 0;

function waiting({ writeBuffer, transport }: Outgoing): number {
  return writeBuffer.reduce((sum, packet) => sum + sizeOf(packet), transport.socket?.bufferedAmount ?? 0);
}

/**
 * Cuts a socket off whose client reads too slowly to keep up: it reconnects and syncs. Counts what is written, and measures what really waits only when
 * the count passes `limit`, so the cost per packet is an addition.
 */
export function limitOutgoing(socket: Socket, onCut: () => void, limit: number = OUTGOING_BYTES): void {
  const { conn } = socket;
  const outgoing = conn as unknown as Outgoing;
  let counted = 0;
  let cut = false;
  conn.on('packetCreate', (packet: Packet) => {
    counted += sizeOf(packet);
    if (cut || counted <= limit) return;
    counted = waiting(outgoing);
    if (counted <= limit) return;
    cut = true;
    onCut();
    // Not within the write that we are in. A close handshake would wait behind what is not read.
    setImmediate(() => {
      const stream = outgoing.transport.socket;
      conn.close(true);
      stream?.terminate();
    });
  });
}
