/** Time within which a client must connect to the namespace. Socket.IO then closes sessions that have not. */
export const CONNECT_TIMEOUT_MS = 10_000;
const MAX_PER_ADDRESS = 100;
const MAX_SESSIONS = 10_000;

interface Session {
  readonly key: string;
  readonly openedAt: number;
}

/**
 * Bounds the Engine.IO sessions that have not asked for a connection: they cost memory, and no rate of users or handshakes
 * sees them. A session counts until its client asks, or until the time to do so is over; closing it earlier does not
 * help, so the bound is also a rate.
 */
export class UnconnectedSessions {
  /** In the order of opening, by the session. */
  private readonly sessions = new Map<object, Session>();
  private readonly counts = new Map<string, number>();
  private readonly maxPerAddress: number;

  /** `addressScale` multiplies the number per address. `now` is in milliseconds. */
  constructor(
    addressScale = 1,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.maxPerAddress = MAX_PER_ADDRESS * addressScale;
  }

  /** What has too many sessions for one more from an address (see `addressKey`); undefined if there is room. */
  excess(key: string): 'address' | 'gateway' | undefined {
    this.expire();
    if ((this.counts.get(key) ?? 0) >= this.maxPerAddress) return 'address';
    return this.sessions.size >= MAX_SESSIONS ? 'gateway' : undefined;
  }

  opened(session: object, key: string): void {
    this.sessions.set(session, { key, openedAt: this.now() });
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
  }

  /** The client has asked for a connection: from now on the rates of handshakes count. */
  asked(session: object): void {
    const found = this.sessions.get(session);
    if (!found) return;
    this.sessions.delete(session);
    const count = this.counts.get(found.key)! - 1;
    if (count === 0) this.counts.delete(found.key);
    else this.counts.set(found.key, count);
  }

  private expire(): void {
    const until = this.now() - CONNECT_TIMEOUT_MS;
    for (const [session, { openedAt }] of this.sessions) {
      if (openedAt > until) return;
      this.asked(session);
    }
  }
}
