/** The order of what one process sends to an instance: numbers on the wire, so that the listener notices what an overflowing queue dropped. */

const MOST_ROUTES = 10_000;

/** Numbers what is sent over each route (a gateway, or an event's name). A route that was forgotten begins anew under another stream. */
export class Numbering {
  private readonly routes = new Map<string, { stream: string; number: number }>();
  private streams = 0;
  constructor(private readonly instance: string) {}

  next(route: string): { stream: string; number: number } {
    let at = this.routes.get(route);
    if (!at) {
      if (this.routes.size >= MOST_ROUTES) this.routes.delete(this.routes.keys().next().value!);
      this.routes.set(route, (at = { stream: `${this.instance}.${(this.streams++).toString(36)}`, number: 0 }));
    }
    at.number++;
    return at;
  }
}

/** Checks the numbers of what arrives: each once, holes noticed. */
export class Sequence {
  private readonly streams = new Map<string, number>();

  /**
   * `old`: seen before. `gap`: something before it is missing. A stream may be older than the listener, then its first number is taken as it comes,
   * unless the stream is known to begin here (`own`: it is for this listener alone).
   */
  check(stream: string, number: number, own: boolean): 'next' | 'old' | 'gap' {
    const last = this.streams.get(stream) ?? (own ? 0 : undefined);
    if (last !== undefined && number <= last) return 'old';
    if (!this.streams.has(stream) && this.streams.size >= MOST_ROUTES)
      this.streams.delete(this.streams.keys().next().value!);
    this.streams.set(stream, number);
    return last === undefined || number === last + 1 ? 'next' : 'gap';
  }
}
