/** The order of closing: dependents before their dependencies. */
const phases = ['gateway', 'services', 'broker', 'memory', 'database', 'health'] as const;
type Phase = (typeof phases)[number];

/** The opened resources, closed at the stop or after a failed start. */
export class Closers {
  private readonly closers = new Map<Phase, (() => Promise<void>)[]>();

  add(phase: Phase, close: () => Promise<void>): void {
    this.closers.set(phase, [...(this.closers.get(phase) ?? []), close]);
  }

  /** Adds a resource, and returns it. */
  open<T extends { close(): Promise<void> }>(phase: Phase, resource: T): T {
    this.add(phase, () => resource.close());
    return resource;
  }

  /**
   * Closes everything, phase by phase. A failure does not keep the rest from being closed; the first one is thrown at
   * the end.
   */
  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (const phase of phases) {
      const results = await Promise.allSettled((this.closers.get(phase) ?? []).map(async (close) => close()));
      for (const result of results) if (result.status === 'rejected') failures.push(result.reason);
    }
    if (failures.length > 0) throw failures[0];
  }
}
