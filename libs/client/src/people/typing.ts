/** Reports are repeated, because the server forgets who is typing after 6 s. */
const REPEAT_MS = 3_000;
/** The user counts as having stopped after this time without a key. */
const IDLE_MS = 5_000;

/** Reports that the user is typing: every 3 s at most, however often {@link type} is called, and when they stop. */
export class TypingReporter {
  private readonly active = new Map<string, { reportedAt: number; timer: ReturnType<typeof setTimeout> }>();

  constructor(private readonly report: (conversationId: string, active: boolean) => void) {}

  type(conversationId: string, active: boolean): void {
    const before = this.active.get(conversationId);
    clearTimeout(before?.timer);
    if (!active) {
      if (this.active.delete(conversationId)) this.report(conversationId, false);
      return;
    }
    const now = Date.now();
    const isDue = !before || now - before.reportedAt >= REPEAT_MS;
    this.active.set(conversationId, {
      reportedAt: isDue ? now : before.reportedAt,
      timer: setTimeout(() => this.type(conversationId, false), IDLE_MS),
    });
    if (isDue) this.report(conversationId, true);
  }

  /** Call after sending a message. Recipients end the typing without a report. */
  sent(conversationId: string): void {
    clearTimeout(this.active.get(conversationId)?.timer);
    this.active.delete(conversationId);
  }

  clear(): void {
    for (const { timer } of this.active.values()) clearTimeout(timer);
    this.active.clear();
  }
}
