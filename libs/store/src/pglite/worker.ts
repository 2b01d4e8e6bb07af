/**
 * The thread of PGlite, started by `channels.ts`. Answers each request once, in their order. The first answer reports
 * that the database is open. After a failure it answers nothing more: where Postgres would restart, PGlite continues in
 * an unknown state.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { PGlite, protocol, type PGliteOptions } from '@electric-sql/pglite';
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm';
import type { EngineAnswer, EngineRequest } from './channels.ts';

const port = parentPort!;
const failed = (error: unknown): EngineAnswer => {
  const { name, message, code, errno } = error as NodeJS.ErrnoException;
  // Errors of PGlite's file system have a number instead of a message.
  return { failed: { name, message: message ?? `${name} ${errno}`, ...(code !== undefined && { code }) } };
};

async function answer(engine: PGlite, request: EngineRequest): Promise<Uint8Array> {
  if (request === 'dump') return new Uint8Array(await (await engine.dumpDataDir('none')).arrayBuffer());
  if (request === 'close') {
    await engine.close();
    return new Uint8Array();
  }
  const bytes = engine.execProtocolRawSync(request);
  if (!isComplete(bytes)) throw panicOf(bytes);
  return bytes;
}

/** Whether the answer ends with ReadyForQuery, as every answer does except after a PANIC or FATAL error. */
const isComplete = (bytes: Uint8Array): boolean => bytes.at(-6) === 0x5a && bytes.at(-2) === 5;

function panicOf(bytes: Uint8Array): Error {
  let panic: Error | undefined;
  new protocol.Parser().parse(bytes, (message) => {
    if (message instanceof protocol.messages.DatabaseError) panic = message;
  });
  return panic ?? new Error('PGlite gave no answer');
}

const send = (reply: EngineAnswer): void =>
  port.postMessage(reply, 'failed' in reply ? [] : [reply.buffer as ArrayBuffer]);
function fail(error: unknown): void {
  send(failed(error));
  port.close();
}

try {
  const engine = await PGlite.create({ ...(workerData as PGliteOptions), extensions: { pg_trgm } });
  let turn: Promise<void> = Promise.resolve();
  let broken = false;
  port.on('message', (request: EngineRequest) => {
    turn = turn
      .then(async () => {
        if (!broken) send(await answer(engine, request));
      })
      .catch((error: unknown) => {
        broken = true;
        fail(error);
      });
  });
  send(new Uint8Array());
} catch (error) {
  fail(error);
}
