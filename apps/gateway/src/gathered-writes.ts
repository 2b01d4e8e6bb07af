import type { Duplex } from 'node:stream';

/**
 * Makes one write of what is written to a socket within a turn of the event loop. Frames of a WebSocket are written each by itself, and a system call for each costs more than the frame: many
 * frames for one socket in one turn are the rule where messages come in batches. Nothing waits longer than until the turn's end, and the order stays.
 */
export class GatheredWrites {
  private readonly held = new Set<Duplex>();

  /** From now on, for this socket. Relies on every frame being written between `cork()` and `uncork()`, as `ws` does. */
  gather(socket: Duplex): void {
    const cork = socket.cork.bind(socket);
    socket.cork = () => {
      if (!this.held.has(socket)) {
        if (this.held.size === 0) setImmediate(() => this.release());
        this.held.add(socket);
        cork();
      }
      cork();
    };
  }

  private release(): void {
    for (const socket of this.held) socket.uncork();
    this.held.clear();
  }
}
