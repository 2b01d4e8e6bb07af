import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from './eventually.js';
import { TcpProxy } from './tcp-proxy.js';

describe('TcpProxy', () => {
  let echo: Server;
  let proxy: TcpProxy;
  const received: string[] = [];

  const open = async (): Promise<Socket> => {
    const socket = connect(proxy.port, '127.0.0.1').on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  };
  // Not `once`, which would reject with the reset that the test waits for.
  const closed = (socket: Socket): Promise<unknown> => new Promise((resolve) => socket.once('close', resolve));
  const echoed = async (socket: Socket, text: string): Promise<string> => {
    socket.write(text);
    const [chunk] = await once(socket, 'data');
    return String(chunk);
  };

  beforeEach(async () => {
    received.length = 0;
    echo = createServer((socket) =>
      socket
        .on('error', () => undefined)
        .on('data', (chunk) => {
          received.push(String(chunk));
          socket.write(chunk);
        }),
    );
    await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
    proxy = await TcpProxy.to(`amqp://user:pw@127.0.0.1:${(echo.address() as { port: number }).port}/vhost`);
  });
  afterEach(async () => {
    await proxy.close();
    await new Promise((resolve) => echo.close(resolve));
  });

  it('forwards bytes both ways', async () => {
    expect(await echoed(await open(), 'hello')).toBe('hello');
  });

  it('changes only the address of a URL', () => {
    expect(proxy.url('amqp://user:pw@elsewhere:5672/vhost')).toBe(`amqp://user:pw@127.0.0.1:${proxy.port}/vhost`);
  });

  it('delays bytes both ways', async () => {
    const socket = await open();
    await echoed(socket, 'warm');
    proxy.latency(40);
    const start = performance.now();
    await echoed(socket, 'slow');
    expect(performance.now() - start).toBeGreaterThan(75);
  });

  it('resets all connections', async () => {
    const socket = await open();
    await echoed(socket, 'up');
    expect(proxy.cut()).toBe(1);
    await closed(socket);
    await eventually(() => proxy.connections === 0);
    expect(await echoed(await open(), 'again')).toBe('again');
  });

  it('refuses connections until it is healed', async () => {
    proxy.refuse();
    await closed(connect(proxy.port, '127.0.0.1').on('error', () => undefined));
    proxy.heal();
    expect(await echoed(await open(), 'back')).toBe('back');
  });

  it('drops one direction silently: the server receives, the client does not', async () => {
    const socket = await open();
    await echoed(socket, 'before');
    proxy.swallow('down');
    socket.write('lost answer');
    await eventually(() => received.includes('lost answer'));
    expect(socket.destroyed).toBe(false);
    expect(socket.bytesRead).toBe('before'.length);
    proxy.heal();
    await closed(socket);
  });
});
