/**
 * Which revisions (`rev`) of one conversation have been applied. Revisions count 1, 2, 3 … without gaps, so a gap
 * between two applied ones is a missed event.
 */
export class RevisionTracker {
  private readonly ahead = new Set<number>();
  private announced = 0;

  /** `applied`: every revision up to this one has been applied. */
  constructor(private applied: number) {}

  /** Every revision up to this one has been applied: the cursor that `sync` is called with. */
  get cursor(): number {
    return this.applied;
  }

  /** The highest applied revision. */
  get highest(): number {
    return Math.max(this.applied, ...this.ahead);
  }

  /** Whether a revision is known to exist that has not been applied. */
  get hasGap(): boolean {
    return this.ahead.size > 0 || this.announced > this.applied;
  }

  has(rev: number): boolean {
    return rev <= this.applied || this.ahead.has(rev);
  }

  /** Marks one revision as applied. */
  add(rev: number): void {
    if (rev > this.applied) this.ahead.add(rev);
    this.addUpTo(this.applied);
  }

  /** Marks every revision up to `rev` as applied. */
  addUpTo(rev: number): void {
    this.applied = Math.max(this.applied, rev);
    while (this.ahead.delete(this.applied + 1)) this.applied += 1;
    for (const applied of this.ahead) if (applied <= this.applied) this.ahead.delete(applied);
  }

  /** Notes that `rev` exists, although its event has not been applied. */
  announce(rev: number): void {
    this.announced = Math.max(this.announced, rev);
  }
}
