/** A set whose items expire at their deadline, with one timer for all: it looks every `everyMs` milliseconds, so an item may expire that much late. */
export class ExpiringSet<T extends { readonly deadline: number }> {
  private readonly items = new Set<T>();
  private timer: NodeJS.Timeout | undefined;

  /** @param onExpired Called with each item that expires, after its removal. */
  constructor(
    private readonly onExpired: (item: T) => void,
    private readonly everyMs = 50,
  ) {}

  get size(): number {
    return this.items.size;
  }
  add(item: T): void {
    this.items.add(item);
    this.timer ??= setInterval(() => this.expire(), this.everyMs);
  }
  delete(item: T): boolean {
    return this.items.delete(item);
  }
  /** A copy, in the order in which the items were added. */
  values(): readonly T[] {
    return [...this.items];
  }

  private expire(): void {
    const now = Date.now();
    for (const item of this.items) {
      if (item.deadline > now) continue;
      this.items.delete(item);
      this.onExpired(item);
    }
    if (this.items.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }
}
