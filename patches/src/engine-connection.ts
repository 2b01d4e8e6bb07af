import type { Socket } from 'socket.io';

/** The Engine.IO connection below a Socket.IO socket. */
export type EngineConnection = Socket['conn'];

interface Packet {
  readonly data?: string | Buffer;
}
/** `writeBuffer` is private in Engine.IO; `transport.socket` is the `ws` socket, which long polling has not. */
interface Internals {
  readonly writeBuffer: readonly Packet[];
  readonly transport: { readonly socket?: { readonly bufferedAmount: number; terminate(): void } };
}
const internalsOf = (connection: EngineConnection): Internals => connection as unknown as Internals;

/**
 * The amount of data that was written to a client and has not left this process yet: packets that Engine.IO holds back,
 * and bytes that `ws` or the kernel's buffer did not take. Strings count by their length, not in bytes.
 */
export function queuedBytes(connection: EngineConnection): number {
  const { writeBuffer, transport } = internalsOf(connection);
  return writeBuffer.reduce((sum, { data }) => sum + (data?.length ?? 0), transport.socket?.bufferedAmount ?? 0);
}

/**
 * Closes a connection without the close handshake of WebSocket, which would wait behind everything that the client does
 * not read.
 */
export function terminate(connection: EngineConnection): void {
  const stream = internalsOf(connection).transport.socket;
  connection.close(true);
  stream?.terminate();
}
