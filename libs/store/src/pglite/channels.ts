/**
 * How requests reach PGlite: in a thread of this process, or over the socket of another process that has the database open.
 */
import { readFileSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { connect, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';

/** Messages of Postgres' protocol, or an operation of PGlite. */
export type EngineRequest = Uint8Array | 'dump' | 'close';
/**
 * The answer to an {@link EngineRequest}: bytes of Postgres’ protocol or of a dump, or the error after which PGlite
 * cannot be used any more.
 */
export type EngineAnswer =
  | Uint8Array
  | { readonly failed: { readonly name: string; readonly message: string; readonly code?: string } };

/**
 * Where PGlite keeps the database: in a folder, or without one in memory. `template`: a result of `PgliteEngine.dump`.
 * Or the socket of a process that has it open.
 */
export interface EngineOptions {
  readonly dataDir?: string;
  readonly template?: Blob;
  readonly socket?: string;
}

/** Carries requests to PGlite, which are answered in their order. */
export interface Channel {
  post(request: EngineRequest): void;
  /** Whether it keeps this process alive. */
  ref(): void;
  unref(): void;
  end(): Promise<void>;
}
/** Told about the answers of a {@link Channel}. The first one reports that the database is open. */
export interface ChannelListener {
  answered(answer: EngineAnswer): void;
  ended(reason: Error): void;
}

/** The name of the socket in a data folder. */
export const SOCKET_FILE = 'admin.sock';
/** The longest path of a socket that all systems take. */
const MAX_PATH_BYTES = 103;
const MAX_FRAME_BYTES = 64 * 1024 * 1024;
const LENGTH_BYTES = 4;

/** The path of the socket. A path that is too long is shortened on Linux, through the open folder. */
export async function socketPath(folder: string): Promise<{ path: string; folderHandle?: FileHandle }> {
  const path = join(folder, SOCKET_FILE);
  if (Buffer.byteLength(path) <= MAX_PATH_BYTES) return { path };
  if (process.platform !== 'linux')
    throw new Error(`the path ${path} is too long for a socket (${MAX_PATH_BYTES} bytes)`);
  const folderHandle = await open(folder, 'r');
  return { path: `/proc/self/fd/${folderHandle.fd}/${SOCKET_FILE}`, folderHandle };
}

/** Each message on the socket, in both directions, follows its length. */
export function frame(bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(LENGTH_BYTES);
  head.writeUInt32BE(bytes.length);
  return Buffer.concat([head, bytes]);
}

/** The messages that arrive on a socket, until it ends. Throws when one is too long. */
export async function* framesOf(socket: Socket): AsyncGenerator<Uint8Array> {
  let buffer = Buffer.alloc(0);
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    buffer = Buffer.concat([buffer, chunk]);
    while (buffer.length >= LENGTH_BYTES) {
      const length = buffer.readUInt32BE();
      if (length > MAX_FRAME_BYTES) throw new Error(`a message of ${length} bytes is too long`);
      if (buffer.length < LENGTH_BYTES + length) break;
      // A copy, because its memory is moved to a thread.
      yield new Uint8Array(buffer.subarray(LENGTH_BYTES, LENGTH_BYTES + length));
      buffer = buffer.subarray(LENGTH_BYTES + length);
    }
  }
}

declare const WebAssembly: { readonly Module: new (bytes: Uint8Array) => object };

let compiled: { readonly pgliteWasmModule: object; readonly initdbWasmModule: object } | undefined;
/**
 * PGlite's code, which all threads of this process share and which outlives them. Compiled by each thread for itself, it
 * took most of the time of opening, and a thread that ended while its code was still being optimised may have ended the
 * process (nodejs/node#64500).
 */
function code(): NonNullable<typeof compiled> {
  const folder = dirname(createRequire(import.meta.url).resolve('@electric-sql/pglite'));
  const compile = (name: string): object => new WebAssembly.Module(readFileSync(join(folder, name)));
  return (compiled ??= { pgliteWasmModule: compile('pglite.wasm'), initdbWasmModule: compile('initdb.wasm') });
}

/** PGlite in a thread of its own. */
function threadChannel({ dataDir, template }: EngineOptions, { answered, ended }: ChannelListener): Channel {
  const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
  // Without this process's flags, because some are not allowed for workers.
  const worker = new Worker(new URL(file, import.meta.url), {
    workerData: { dataDir, loadDataDir: template, ...code() },
    execArgv: [],
  });
  worker.on('message', answered);
  worker.on('error', ended);
  worker.on('exit', () => ended(new Error('its thread ended')));
  return {
    post: (request) => worker.postMessage(request, typeof request === 'string' ? [] : [request.buffer as ArrayBuffer]),
    ref: () => worker.ref(),
    unref: () => worker.unref(),
    end: async () => void (await worker.terminate()),
  };
}

/** Connects to the `AdminSocket` of a data folder. */
function socketChannel(folder: string, { answered, ended }: ChannelListener): Channel {
  let socket: Socket | undefined;
  const run = async (): Promise<void> => {
    const { path, folderHandle } = await socketPath(folder);
    try {
      const opened = connect(path);
      socket = opened;
      await new Promise<void>((resolve, reject) => opened.once('error', reject).once('connect', resolve));
      answered(new Uint8Array());
      for await (const answer of framesOf(opened)) answered(answer);
    } finally {
      await folderHandle?.close();
    }
  };
  void run().then(
    () => ended(new Error('the process that has the database open ended the connection')),
    (error: unknown) => ended(error as Error),
  );
  return {
    post(request) {
      // Its process closes the database, and dumps it.
      if (typeof request === 'string') setImmediate(() => answered(new Uint8Array()));
      else socket?.write(frame(request));
    },
    ref: () => void socket?.ref(),
    unref: () => void socket?.unref(),
    end: async () => void socket?.destroy(),
  };
}

/** Opens PGlite, or connects to one that is open. */
export const openChannel = (options: EngineOptions, listener: ChannelListener): Channel =>
  options.socket === undefined ? threadChannel(options, listener) : socketChannel(options.socket, listener);
