import { Duplex, type Writable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { connect, type ChannelModel } from 'amqplib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { gatherAmqpWrites, GatheredWrites } from './gathered-writes.js';
import { AmqpServer } from './spec/amqp-server.js';
import { SocketServer } from './spec/socket-server.js';

/** A socket that records its writes. */
function socket(): { duplex: Duplex; calls: string[] } {
  const calls: string[] = [];
  const duplex = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      calls.push(chunk.toString());
      done();
    },
    writev: (chunks, done) => {
      calls.push(chunks.map(({ chunk }) => String(chunk)).join(''));
      done();
    },
  });
  return { duplex, calls };
}
/** Writes a frame as `ws` does. */
const frame = (duplex: Duplex, text: string, written?: () => void): void => {
  duplex.cork();
  duplex.write('<');
  duplex.write(`${text}>`, written);
  duplex.uncork();
};

describe('frames of one turn', () => {
  it('become one write for each socket, in order, and their callbacks are called', async () => {
    const writes = new GatheredWrites();
    const [one, other] = [socket(), socket()];
    for (const { duplex } of [one, other]) writes.gatherFrames(duplex);
    const written: string[] = [];
    frame(one.duplex, 'a', () => written.push('a'));
    frame(other.duplex, 'x');
    frame(one.duplex, 'b', () => written.push('b'));
    expect(one.calls).toEqual([]);
    await setImmediate();
    expect([one.calls, other.calls, written]).toEqual([['<a><b>'], ['<x>'], ['a', 'b']]);
    frame(one.duplex, 'c');
    await setImmediate();
    expect(one.calls).toEqual(['<a><b>', '<c>']);
  });

  it('are written before their socket ends', async () => {
    const writes = new GatheredWrites();
    const { duplex, calls } = socket();
    writes.gatherFrames(duplex);
    frame(duplex, 'a');
    duplex.end();
    await setImmediate();
    expect(calls).toEqual(['<a>']);
  });
});

describe('Socket.IO over ws', () => {
  let server: SocketServer;
  beforeEach(async () => {
    server = await SocketServer.start();
  });
  afterEach(() => server.stop());

  /** How many writes reach the network stream when three events are emitted in one turn. */
  async function writesOfThreeEvents(): Promise<number> {
    const streams: Duplex[] = [];
    server.http.prependListener('upgrade', (_request, stream) => void streams.push(stream));
    const { client, socket } = await server.connect();
    await setImmediate();
    let calls = 0;
    const stream = streams[0]!;
    for (const name of ['_write', '_writev'] as const) {
      const write = stream[name]!.bind(stream) as (...args: unknown[]) => void;
      Object.assign(stream, { [name]: (...args: unknown[]) => (calls++, write(...args)) });
    }
    const heard = new Promise((resolve) => client.once('third', resolve));
    for (const event of ['first', 'second', 'third']) socket.emit(event, event);
    await heard;
    return calls;
  }

  it('writes all packets of one turn at once', async () => {
    GatheredWrites.of(server.sockets);
    expect(await writesOfThreeEvents()).toBe(1);
  });

  it('writes every packet by itself without the patch', async () => {
    expect(await writesOfThreeEvents()).toBe(3);
  });

  it('writes what was emitted directly before the connection is closed', async () => {
    GatheredWrites.of(server.sockets);
    const { client, socket } = await server.connect();
    const heard: unknown[] = [];
    client.on('event', (value) => heard.push(value));
    const closed = new Promise((resolve) => client.once('disconnect', resolve));
    for (const value of [1, 2, 3]) socket.emit('event', value);
    socket.conn.close();
    await closed;
    expect(heard).toEqual([1, 2, 3]);
  });
});

describe('amqplib over a socket', () => {
  let server: AmqpServer;
  beforeEach(async () => {
    server = await AmqpServer.start();
  });
  afterEach(() => server.stop());

  /** The writes that reach the network when three messages are published in one turn, as byte counts. */
  async function writesOfThreeMessages(patch?: (model: ChannelModel) => void): Promise<number[]> {
    const model = await connect(server.url);
    patch?.(model);
    const channel = await model.createChannel();
    await setImmediate();
    const { stream } = model.connection as unknown as { readonly stream: Writable };
    const sizes: number[] = [];
    const { _write, _writev } = stream;
    Object.assign(stream, {
      _write: (chunk: Buffer, ...rest: [BufferEncoding, () => void]) => (
        sizes.push(chunk.length),
        _write.call(stream, chunk, ...rest)
      ),
      _writev: (chunks: readonly { chunk: Buffer }[], done: () => void) => (
        sizes.push(chunks.reduce((sum, { chunk }) => sum + chunk.length, 0)),
        _writev!.call(stream, chunks as Parameters<NonNullable<Writable['_writev']>>[0], done)
      ),
    });
    for (let count = 0; count < 3; count++) channel.publish('', 'queue', Buffer.from('message'));
    await setImmediate();
    await setImmediate();
    await model.close();
    return sizes.slice(0, -1);
  }

  it('writes the messages of one turn at once', async () => {
    const [bytes, ...more] = await writesOfThreeMessages(gatherAmqpWrites);
    const alone = await writesOfThreeMessages();
    expect(more).toEqual([]);
    expect(bytes).toBe(alone.reduce((sum, size) => sum + size, 0));
  });

  it('writes every message by itself without the patch', async () => {
    expect(await writesOfThreeMessages()).toHaveLength(3);
  });
});
