/** Things that end at a time, and one timer for all of them: it looks every `everyMs`, so an end may come that much late. */
export class Deadlines<T extends { readonly deadline: number }> {
  private readonly items = new Set<T>();
  private timer: NodeJS.Timeout | undefined;
  constructor(
    private readonly expired: (item: T) => void,
    private readonly everyMs = 50,
  ) {}

  get size(): number {
    return this.items.size;
  }
  add(item: T): void {
    this.items.add(item);
    this.timer ??= setInterval(() => this.sweep(), this.everyMs);
  }
  delete(item: T): boolean {
    return this.items.delete(item);
  }
  /** All, in the order in which they were added. */
  values(): readonly T[] {
    return [...this.items];
  }

  private sweep(): void {
    const now = Date.now();
    for (const item of this.items) {
      if (item.deadline > now) continue;
      this.items.delete(item);
      this.expired(item);
    }
    if (this.items.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }
}

/** Resolves when `work` has ended, or after `ms`, whatever comes first. Rejects only when `work` does. */
export async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  await Promise.race([work, limit]).finally(() => clearTimeout(timer));
}
