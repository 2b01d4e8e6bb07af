/** The thread of PGlite, started by `engine.ts`. Answers each request once, in their order. The first answer reports that the database is open. */
import { parentPort, workerData } from 'node:worker_threads';
import { PGlite, type PGliteOptions } from '@electric-sql/pglite';
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm';
import type { EngineAnswer, EngineRequest } from './engine.ts';

const port = parentPort!;
const failed = (error: unknown): EngineAnswer => {
  const { name, message, code } = error as NodeJS.ErrnoException;
  return { failed: { name, message, ...(code !== undefined && { code }) } };
};

async function answer(engine: PGlite, request: EngineRequest): Promise<EngineAnswer> {
  if (request === 'dump') return new Uint8Array(await (await engine.dumpDataDir('none')).arrayBuffer());
  if (request !== 'close') return engine.execProtocolRawSync(request);
  await engine.close();
  return new Uint8Array();
}

const send = (reply: EngineAnswer): void =>
  port.postMessage(reply, 'failed' in reply ? [] : [reply.buffer as ArrayBuffer]);

try {
  const engine = await PGlite.create({ ...(workerData as PGliteOptions), extensions: { pg_trgm } });
  let turn: Promise<void> = Promise.resolve();
  port.on('message', (request: EngineRequest) => {
    turn = turn.then(() => answer(engine, request)).then(send, (error: unknown) => send(failed(error)));
  });
  send(new Uint8Array());
} catch (error) {
  send(failed(error));
  port.close();
}
