/** Typed events. A listener that throws is reported and keeps nobody else from hearing. */
export class Emitter<Events extends object> {
  private readonly listeners = new Map<keyof Events, Set<(payload: never) => void>>();

  /** Answers how to stop listening. */
  on<N extends keyof Events>(name: N, listener: (payload: Events[N]) => void): () => void {
    const all = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, all);
    all.add(listener);
    return () => void all.delete(listener);
  }

  heard(name: keyof Events): boolean {
    return (this.listeners.get(name)?.size ?? 0) > 0;
  }

  emit<N extends keyof Events>(name: N, payload: Events[N]): void {
    for (const listener of this.listeners.get(name) ?? []) report(() => listener(payload as never));
  }
}

/** Runs somebody else's code: what it throws is theirs, and surfaces as an uncaught error. */
export function report(run: () => void): void {
  try {
    run();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
