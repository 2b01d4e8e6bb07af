import type { Socket } from 'socket.io';

/**
 * Drops the first HTTP request and the handshake of a socket. Both would stay in memory as long as the socket lives,
 * with the client's token. Nothing may read them afterwards.
 */
export function releaseHandshake(socket: Pick<Socket, 'conn' | 'handshake'>): void {
  Object.assign(socket.conn, { request: undefined });
  Object.assign(socket, { handshake: undefined });
}
