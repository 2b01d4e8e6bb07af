/** In this order things are closed: who uses others goes before them. */
const order = ['edge', 'services', 'broker', 'memory', 'database', 'health'] as const;
type Stage = (typeof order)[number];

/** What was started and must be ended, whether the start succeeded or not. */
export class Closers {
  private readonly stages = new Map<Stage, (() => Promise<void>)[]>();

  add(stage: Stage, close: () => Promise<void>): void {
    this.stages.set(stage, [...(this.stages.get(stage) ?? []), close]);
  }

  open<T extends { close(): Promise<void> }>(stage: Stage, part: T): T {
    this.add(stage, () => part.close());
    return part;
  }

  /** Ends everything, stage by stage; what fails does not keep the rest from being ended. Throws the first failure. */
  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (const stage of order) {
      const outcomes = await Promise.allSettled((this.stages.get(stage) ?? []).map(async (close) => close()));
      failures.push(
        ...outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : [])),
      );
    }
    if (failures.length > 0) throw failures[0];
  }
}
