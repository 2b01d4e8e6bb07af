import type { Writable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { connect, type ChannelModel } from 'amqplib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { coalesceWrites } from './coalesced-amqp-writes.js';
import { AmqpServer } from './spec/amqp-server.js';

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
    const [bytes, ...more] = await writesOfThreeMessages(coalesceWrites);
    const alone = await writesOfThreeMessages();
    expect(more).toEqual([]);
    expect(bytes).toBe(alone.reduce((sum, size) => sum + size, 0));
  });

  it('writes every message by itself without the patch', async () => {
    expect(await writesOfThreeMessages()).toHaveLength(3);
  });
});
