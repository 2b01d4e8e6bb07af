/** A webhook whose attempts failed this often in a row is not attempted for a while. */
const FAILURES = 5;
/** States are forgotten, oldest first, when more are remembered. */
const MAX_REMEMBERED = 10_000;

interface State {
  readonly failures: number;
  /** By `performance.now()`. */
  readonly openUntil: number;
}

/**
 * Keeps webhooks that fail from taking the place of those that work. After {@link FAILURES} failed attempts in a row the
 * circuit of a webhook is open: nothing is attempted for `probeMs`. Then one attempt at a time shows whether it works
 * again: a success closes the circuit, a failure opens it once more. Counts the attempts of this process.
 */
export class CircuitBreaker {
  private readonly failing = new Map<string, State>();

  constructor(private readonly probeMs: number) {}

  /** How many attempts of each webhook must not be made now, out of `max` parallel ones. Working webhooks are absent. */
  withheld(max: number): Map<string, number> {
    const now = performance.now();
    return new Map(
      [...this.failing]
        .filter(([, { failures }]) => failures >= FAILURES)
        .map(([id, { openUntil }]) => [id, openUntil > now ? max : max - 1]),
    );
  }

  succeeded(webhookId: string): void {
    this.failing.delete(webhookId);
  }

  failed(webhookId: string): void {
    const failures = (this.failing.get(webhookId)?.failures ?? 0) + 1;
    this.failing.delete(webhookId);
    this.failing.set(webhookId, { failures, openUntil: performance.now() + this.probeMs });
    if (this.failing.size > MAX_REMEMBERED) this.failing.delete(this.failing.keys().next().value!);
  }
}
