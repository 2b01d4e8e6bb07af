/** Remembers the last 20,000 to 40,000 ids, in two generations. */
export class Seen {
  private young = new Set<string>();
  private old = new Set<string>();
  constructor(private readonly generation = 20_000) {}

  /** True the first time. */
  first(id: string): boolean {
    if (this.young.has(id) || this.old.has(id)) return false;
    if (this.young.size >= this.generation) {
      this.old = this.young;
      this.young = new Set();
    }
    this.young.add(id);
    return true;
  }
}
