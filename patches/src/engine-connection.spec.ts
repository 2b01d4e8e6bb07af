import { once } from 'node:events';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { queuedBytes, terminate } from './engine-connection.js';
import { SocketServer } from './spec/socket-server.js';

const MEBIBYTE = 1024 * 1024;
let server: SocketServer;
beforeEach(async () => {
  server = await SocketServer.start();
});
afterEach(() => server.stop());

/** Makes a client stop reading from the network. */
const pause = (client: { readonly io: { readonly engine: unknown } }): void =>
  (client.io.engine as { transport: { ws: { pause(): void } } }).transport.ws.pause();

it('counts what a client does not read', async () => {
  const { client, socket } = await server.connect();
  expect(queuedBytes(socket.conn)).toBe(0);
  pause(client);
  for (let count = 0; count < 32; count++) socket.emit('large', 'x'.repeat(MEBIBYTE));
  expect(queuedBytes(socket.conn)).toBeGreaterThan(MEBIBYTE);
  terminate(socket.conn);
});

it('counts packets that Engine.IO holds until the transport is writable', async () => {
  const { socket } = await server.connect();
  socket.conn.transport.writable = false;
  socket.emit('held', 'x'.repeat(1000));
  expect(queuedBytes(socket.conn)).toBeGreaterThanOrEqual(1000);
});

it('announces every packet with its data, as packetCreate', async () => {
  const { socket } = await server.connect();
  const packets: { data?: string }[] = [];
  socket.conn.on('packetCreate', (packet: { data?: string }) => void packets.push(packet));
  socket.emit('hello', 'world');
  expect(packets).toMatchObject([{ data: '2["hello","world"]' }]);
});

it('terminates a connection whose client reads nothing', async () => {
  const { client, socket } = await server.connect();
  pause(client);
  for (let count = 0; count < 32; count++) socket.emit('large', 'x'.repeat(MEBIBYTE));
  const gone = once(socket, 'disconnect');
  terminate(socket.conn);
  await gone;
  await vi.waitFor(async () => expect(await openConnections()).toBe(0));
});

it('terminates a connection over long polling, which has no ws socket', async () => {
  const response = await fetch(`http://127.0.0.1:${server.port}/socket.io/?EIO=4&transport=polling`);
  const { sid } = JSON.parse((await response.text()).slice(1)) as { sid: string };
  const url = `http://127.0.0.1:${server.port}/socket.io/?EIO=4&transport=polling&sid=${sid}`;
  const connected = once(server.sockets, 'connection');
  await fetch(url, { method: 'POST', body: '40', headers: { 'content-type': 'text/plain' } });
  const [socket] = (await connected) as [{ conn: Parameters<typeof terminate>[0] }];
  const closed = once(socket.conn, 'close');
  terminate(socket.conn);
  await closed;
  expect((await fetch(url)).status).toBe(400);
});

function openConnections(): Promise<number> {
  return new Promise((resolve, reject) =>
    server.http.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );
}
