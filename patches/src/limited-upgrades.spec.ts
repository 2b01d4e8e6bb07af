import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { limitUpgrades } from './limited-upgrades.js';
import { SocketServer } from './spec/socket-server.js';

let server: SocketServer;
beforeEach(async () => {
  server = await SocketServer.start();
  limitUpgrades(server.http, ({ url = '' }) => url.startsWith('/socket.io/'));
});
afterEach(() => server.stop());

it('answers a request that offers another upgrade as an ordinary one', async () => {
  const socket = connect(server.port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 OK[^]*ordinary/);
});

it('lets a wanted upgrade through', async () => {
  const { client } = await server.connect();
  expect(client.connected).toBe(true);
});
