/** The server forgets who types after 6 s. */
const REPEAT_MS = 3_000;
const SILENCE_MS = 5_000;

/** Tells that the user types: at most every 3 s, however often it is called, and that they stopped when it was not called for a while. */
export class Typing {
  private readonly active = new Map<string, { toldAt: number; timer: ReturnType<typeof setTimeout> }>();

  constructor(private readonly tell: (conversationId: string, active: boolean) => void) {}

  type(conversationId: string, active: boolean): void {
    const known = this.active.get(conversationId);
    clearTimeout(known?.timer);
    if (!active) {
      if (this.active.delete(conversationId)) this.tell(conversationId, false);
      return;
    }
    const now = Date.now();
    const due = !known || now - known.toldAt >= REPEAT_MS;
    this.active.set(conversationId, {
      toldAt: due ? now : known.toldAt,
      timer: setTimeout(() => this.type(conversationId, false), SILENCE_MS),
    });
    if (due) this.tell(conversationId, true);
  }

  /** Sending a message says it all. */
  sent(conversationId: string): void {
    clearTimeout(this.active.get(conversationId)?.timer);
    this.active.delete(conversationId);
  }

  clear(): void {
    for (const { timer } of this.active.values()) clearTimeout(timer);
    this.active.clear();
  }
}
