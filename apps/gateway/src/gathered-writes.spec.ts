import { Duplex } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { GatheredWrites } from './gathered-writes.js';

/** A socket that notes what is written to it, and in how many calls. */
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
/** As `ws` writes a frame. */
const frame = (duplex: Duplex, text: string, written?: () => void): void => {
  duplex.cork();
  duplex.write('<');
  duplex.write(`${text}>`, written);
  duplex.uncork();
};

describe('frames of one turn', () => {
  it('are one write for each socket, in order, and their callbacks are called', async () => {
    const writes = new GatheredWrites();
    const [one, other] = [socket(), socket()];
    for (const { duplex } of [one, other]) writes.gather(duplex);
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

  it('are written before the end of their socket', async () => {
    const writes = new GatheredWrites();
    const { duplex, calls } = socket();
    writes.gather(duplex);
    frame(duplex, 'a');
    duplex.end();
    await setImmediate();
    expect(calls).toEqual(['<a>']);
  });
});
