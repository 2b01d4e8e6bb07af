import { createRequire } from 'node:module';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';

interface Definitions {
  readonly [method: string]: number;
}
interface Encoder {
  encodeMethod(method: number, channel: number, fields: object): Buffer;
}
const require = createRequire(import.meta.url);
/** amqplib's own codec, which it does not export. */
const codec = require(join(dirname(require.resolve('amqplib')), 'lib', 'defs.js')) as Definitions & Encoder;

const tuning = { channelMax: 10, frameMax: 131_072, heartbeat: 0 };
const greeting = {
  versionMajor: 0,
  versionMinor: 9,
  serverProperties: {},
  mechanisms: Buffer.from('PLAIN'),
  locales: Buffer.from('en_US'),
};

/** An AMQP server that lets everybody connect and open channels, and ignores everything else. */
export class AmqpServer {
  private readonly sockets = new Set<Socket>();

  private constructor(private readonly server: Server) {
    server.on('connection', (socket) => this.greet(socket));
  }

  static async start(): Promise<AmqpServer> {
    const server = new AmqpServer(createServer().listen(0, '127.0.0.1'));
    await once(server.server, 'listening');
    return server;
  }

  get url(): string {
    return `amqp://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private greet(socket: Socket): void {
    this.sockets.add(socket);
    let unread = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      unread = Buffer.concat([unread, data]);
      if (unread.subarray(0, 4).toString() === 'AMQP') {
        unread = unread.subarray(8);
        socket.write(codec.encodeMethod(codec['ConnectionStart']!, 0, greeting));
      }
      for (let size; unread.length >= 7 && unread.length >= (size = unread.readUInt32BE(3) + 8);) {
        this.answer(socket, unread.subarray(0, size));
        unread = unread.subarray(size);
      }
    });
  }

  private answer(socket: Socket, frame: Buffer): void {
    if (frame[0] !== 1) return;
    const channel = frame.readUInt16BE(1);
    const answers = new Map([
      [codec['ConnectionStartOk'], () => codec.encodeMethod(codec['ConnectionTune']!, 0, tuning)],
      [codec['ConnectionOpen'], () => codec.encodeMethod(codec['ConnectionOpenOk']!, 0, {})],
      [codec['ConnectionClose'], () => codec.encodeMethod(codec['ConnectionCloseOk']!, 0, {})],
      [codec['ChannelOpen'], () => codec.encodeMethod(codec['ChannelOpenOk']!, channel, {})],
    ]);
    const answer = answers.get(frame.readUInt32BE(7));
    if (answer) socket.write(answer());
  }
}
