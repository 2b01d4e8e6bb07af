/** The thread that PGlite runs in, started by `pglite-engine.ts`: each order is answered once, in the order of asking; the first answer says that the database is open. */
import { parentPort, workerData } from 'node:worker_threads';
import { PGlite, type PGliteOptions } from '@electric-sql/pglite';
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm';
import type { Answer, Order } from './engine.ts';

const port = parentPort!;
const failed = (error: unknown): Answer => {
  const { name, message, code } = error as NodeJS.ErrnoException;
  return { failed: { name, message, ...(code !== undefined && { code }) } };
};

async function answer(engine: PGlite, order: Order): Promise<Answer> {
  if (order === 'dump') return new Uint8Array(await (await engine.dumpDataDir('none')).arrayBuffer());
  if (order !== 'close') return engine.execProtocolRawSync(order);
  await engine.close();
  return new Uint8Array();
}

const say = (one: Answer): void => port.postMessage(one, 'failed' in one ? [] : [one.buffer as ArrayBuffer]);

try {
  const engine = await PGlite.create({ ...(workerData as PGliteOptions), extensions: { pg_trgm } });
  let turn: Promise<void> = Promise.resolve();
  port.on('message', (order: Order) => {
    turn = turn.then(() => answer(engine, order)).then(say, (error: unknown) => say(failed(error)));
  });
  say(new Uint8Array());
} catch (error) {
  say(failed(error));
  port.close();
}
