/**
 * The local socket through which programs of the same user work with an embedded database that another process has open.
 */
import { chmod, rm, type FileHandle } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import type { Logger } from '@parley/service-kit';
import { frame, framesOf, socketPath } from './channels.js';
import type { PgliteEngine, Turn } from './engine.js';

const MAX_CONNECTIONS = 8;
/** The longest that a transaction of another program keeps the services waiting. */
const MAX_TURN_MS = 10_000;

/**
 * Serves an embedded database to programs of the same user: messages of Postgres' protocol, each up to a Sync, are
 * answered up to ReadyForQuery.
 */
export class AdminSocket {
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly engine: PgliteEngine,
    private readonly server: Server,
    private readonly logger: Logger,
    private readonly folderHandle: FileHandle | undefined,
  ) {
    server.maxConnections = MAX_CONNECTIONS;
    server.on('connection', (socket) => void this.serve(socket));
    server.unref();
  }

  /** Listens in a folder whose lock this process holds, so that a socket in it is one of a killed process. */
  static async listen(engine: PgliteEngine, folder: string, logger: Logger): Promise<AdminSocket> {
    const { path, folderHandle } = await socketPath(folder);
    await rm(path, { force: true });
    const server = createServer();
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve));
    await chmod(path, 0o600);
    return new AdminSocket(engine, server, logger, folderHandle);
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
    await this.folderHandle?.close();
  }

  private async serve(socket: Socket): Promise<void> {
    this.sockets.add(socket);
    let turn: Turn | undefined;
    let limit: NodeJS.Timeout | undefined;
    try {
      for await (const request of framesOf(socket)) {
        turn ??= await this.engine.turn();
        limit ??= setTimeout(() => socket.destroy(new Error('its transaction took too long')), MAX_TURN_MS);
        const answer = await turn.send(request);
        socket.write(frame(answer));
        // The last byte of ReadyForQuery: idle, or in a transaction.
        if (answer.at(-1) !== IDLE) continue;
        clearTimeout(limit);
        turn.release();
        turn = limit = undefined;
      }
    } catch (error) {
      this.logger.warn({ err: error }, 'a connection to the admin socket was ended');
    } finally {
      clearTimeout(limit);
      // A broken database has nothing to roll back.
      await turn?.rollBack().catch(() => undefined);
      turn?.release();
      socket.destroy();
      this.sockets.delete(socket);
    }
  }
}
const IDLE = 'I'.codePointAt(0);
