/**
 * One write per socket and turn of the event loop: the system call costs more than a frame, and several frames in one
 * turn are common because messages come in batches.
 */
import type { Duplex, Writable } from 'node:stream';
import type { ChannelModel } from 'amqplib';
import type { Server } from 'socket.io';
import type { EngineConnection } from './engine-connection.js';

/**
 * Connections of clients. Engine.IO sends the first packet of a turn by itself and the others when it has left, and `ws`
 * writes each frame by itself. Nothing waits beyond the end of the turn, and the order stays.
 */
export class GatheredWrites {
  private readonly flushes = new Set<() => void>();
  private readonly corked = new Set<Duplex>();
  private scheduled = false;

  /** Applies to every later connection of this server. */
  static of(server: Server): void {
    const writes = new GatheredWrites();
    server.httpServer.prependListener('upgrade', (_request, socket) => writes.gatherFrames(socket));
    server.engine.on('connection', (connection: EngineConnection) => writes.gatherPackets(connection));
  }

  /** Relies on Engine.IO sending packets, on `ready` too, by the method `flush`. */
  gatherPackets(connection: EngineConnection): void {
    const internals = connection as unknown as { flush(): void };
    const flush = internals.flush.bind(connection);
    internals.flush = () => {
      this.flushes.add(flush);
      this.schedule();
    };
  }

  /** Relies on `ws` writing every frame between `cork()` and `uncork()`. */
  gatherFrames(socket: Duplex): void {
    const cork = socket.cork.bind(socket);
    socket.cork = () => {
      if (!this.corked.has(socket)) {
        this.corked.add(socket);
        this.schedule();
        cork();
      }
      cork();
    };
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => this.release());
  }

  private release(): void {
    const flushes = [...this.flushes];
    this.flushes.clear();
    for (const flush of flushes) flush();
    const sockets = [...this.corked];
    this.corked.clear();
    this.scheduled = false;
    // Long polling is ready for the next packets as soon as these are written.
    if (this.flushes.size > 0) this.schedule();
    for (const socket of sockets) socket.uncork();
  }
}

/**
 * A connection to RabbitMQ. amqplib writes each frame by itself, and the system calls are a third of the time of a busy
 * process. The order stays. Relies on amqplib writing its frames to `connection.stream`.
 */
export function gatherAmqpWrites(model: ChannelModel): void {
  const { stream } = model.connection as unknown as { readonly stream: Writable };
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
  stream.write = (...args: unknown[]) => {
    if (stream.writableCorked === 0) {
      stream.cork();
      process.nextTick(() => stream.uncork());
    }
    return write(...args);
  };
}
