import type { Frame, ParleyClient } from '@parley/client';

export interface LoggedFrame extends Frame {
  readonly id: number;
}

const MAX_FRAMES = 500;
const NOTIFY_INTERVAL_MS = 100;

/** The newest 500 frames of the protocol since the page was loaded, or since the user before signed out. */
export class FrameLog {
  frames: readonly LoggedFrame[] = [];
  private count = 0;
  private incoming: LoggedFrame[] = [];
  private readonly listeners = new Set<() => void>();

  constructor(client: Pick<ParleyClient, 'on'>) {
    client.on('frame', (frame) => {
      if (this.incoming.length === 0) setTimeout(() => this.publish(), NOTIFY_INTERVAL_MS);
      this.incoming.push({ ...frame, id: ++this.count });
      if (this.incoming.length > MAX_FRAMES) this.incoming.shift();
    });
    client.on('connection', ({ state }) => {
      if (state === 'signed-out') this.clear();
    });
  }

  subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  };

  clear(): void {
    this.frames = this.incoming = [];
    this.publish();
  }

  private publish(): void {
    this.frames = [...this.frames, ...this.incoming].slice(-MAX_FRAMES);
    this.incoming = [];
    for (const listener of this.listeners) listener();
  }
}

const logs = new WeakMap<ParleyClient, FrameLog>();
export function frameLogOf(client: ParleyClient): FrameLog {
  const log = logs.get(client) ?? new FrameLog(client);
  logs.set(client, log);
  return log;
}
