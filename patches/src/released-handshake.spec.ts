import { once } from 'node:events';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { releaseHandshake } from './released-handshake.js';
import { SocketServer } from './spec/socket-server.js';

let server: SocketServer;
beforeEach(async () => {
  server = await SocketServer.start();
});
afterEach(() => server.stop());

it('drops the request and the token, which Socket.IO keeps on these two properties', async () => {
  const { socket } = await server.connect();
  expect(socket.conn.request.url).toContain('/socket.io/');
  expect(socket.handshake.auth).toEqual({ token: 'secret' });
  releaseHandshake(socket);
  expect([socket.conn.request, socket.handshake]).toEqual([undefined, undefined]);
});

it('leaves a socket that sends, receives, acknowledges and disconnects', async () => {
  const { client, socket } = await server.connect();
  releaseHandshake(socket);
  socket.on('echo', (text: string, acknowledge: (text: string) => void) => acknowledge(text));
  expect(await client.emitWithAck('echo', 'one')).toBe('one');
  const heard = new Promise((resolve) => client.once('event', resolve));
  socket.emit('event', 'two');
  expect(await heard).toBe('two');
  const gone = once(socket, 'disconnect');
  client.disconnect();
  expect((await gone)[0]).toBe('client namespace disconnect');
});
