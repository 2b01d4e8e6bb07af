import type { Frame, ParleyClient } from '@parley/client';

export interface LoggedFrame extends Frame {
  readonly id: number;
}

const KEPT = 500;

/** The last 500 protocol frames, from the moment the page was loaded. */
export class FrameLog {
  frames: readonly LoggedFrame[] = [];
  private count = 0;
  private gathering: LoggedFrame[] = [];
  private readonly listeners = new Set<() => void>();

  constructor(client: Pick<ParleyClient, 'on'>) {
    client.on('frame', (frame) => {
      if (this.gathering.length === 0) setTimeout(() => this.show(), 100);
      this.gathering.push({ ...frame, id: ++this.count });
      if (this.gathering.length > KEPT) this.gathering.shift();
    });
  }

  subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  };

  clear(): void {
    this.frames = this.gathering = [];
    this.show();
  }

  private show(): void {
    this.frames = [...this.frames, ...this.gathering].slice(-KEPT);
    this.gathering = [];
    for (const listener of this.listeners) listener();
  }
}

const logs = new WeakMap<ParleyClient, FrameLog>();
export function frameLogOf(client: ParleyClient): FrameLog {
  const log = logs.get(client) ?? new FrameLog(client);
  logs.set(client, log);
  return log;
}
