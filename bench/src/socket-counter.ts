/**
 * Loaded into a measured process by `--import`. Counts the system calls by which it writes to sockets and reads from
 * them, by peer, and writes the counts to `<SOCKET_COUNTS>/<pid>` as JSON on every SIGUSR2.
 *
 * Relies on every write of a `net.Socket` passing `_writeGeneric`, gathered ones too, and every read passing `push`.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';

/** System calls of one process with one peer. */
export interface SocketCalls {
  writes: number;
  reads: number;
}

const peers: Record<string, string> = {};
for (const name of ['AMQP', 'DATABASE', 'REDIS']) {
  const url = process.env[`${name}_URL`];
  if (url !== undefined) peers[new URL(url).port] = name.toLowerCase();
}
const counts: Record<string, SocketCalls> = {};
const count = ({ remotePort }: Socket, direction: keyof SocketCalls): void => {
  // A pipe has no port.
  if (remotePort !== undefined)
    (counts[peers[String(remotePort)] ?? 'clients'] ??= { writes: 0, reads: 0 })[direction] += 1;
};

interface Internals {
  _writeGeneric(this: Socket, writev: boolean, data: unknown, encoding: string, done: unknown): void;
  push(this: Socket, chunk: unknown, encoding?: BufferEncoding): boolean;
}
const internals = Socket.prototype as unknown as Internals;
const { _writeGeneric: writeGeneric, push } = internals;
internals._writeGeneric = function (...args) {
  if (!this.connecting) count(this, 'writes');
  writeGeneric.apply(this, args);
};
internals.push = function (...args) {
  if (args[0] !== null) count(this, 'reads');
  return push.apply(this, args);
};

const folder = process.env['SOCKET_COUNTS'];
if (folder !== undefined)
  process.on('SIGUSR2', () => {
    const file = join(folder, String(process.pid));
    writeFileSync(`${file}.new`, JSON.stringify(counts));
    renameSync(`${file}.new`, file);
  });
