import type { Duplex } from 'node:stream';

/**
 * Combines everything that is written to a socket within one turn of the event loop into one write. `ws` writes each frame by itself, and the system call costs more than the frame; several frames for
 * one socket in one turn are common because messages come in batches. Nothing waits beyond the end of the turn, and the order stays.
 */
export class GatheredWrites {
  private readonly corked = new Set<Duplex>();

  /** Applies to this socket from now on. Relies on `ws` writing every frame between `cork()` and `uncork()`. */
  gather(socket: Duplex): void {
    const cork = socket.cork.bind(socket);
    socket.cork = () => {
      if (!this.corked.has(socket)) {
        if (this.corked.size === 0) setImmediate(() => this.release());
        this.corked.add(socket);
        cork();
      }
      cork();
    };
  }

  private release(): void {
    for (const socket of this.corked) socket.uncork();
    this.corked.clear();
  }
}
