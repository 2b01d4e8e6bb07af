/** The server's time, because a device's own clock may be wrong. Before the first answer it is the device's. */
export class ServerClock {
  private offsetMs: number | undefined;

  /** The server said that it is this time. `roundTripMs`: how long the question and its answer took. */
  set(serverTime: string, roundTripMs = 0): void {
    const offsetMs = Date.parse(serverTime) + roundTripMs / 2 - monotonicMs();
    if (Number.isFinite(offsetMs)) this.offsetMs = offsetMs;
  }

  /** Milliseconds since 1970. */
  readonly now = (): number => (this.offsetMs === undefined ? Date.now() : Math.round(monotonicMs() + this.offsetMs));
}

/** Milliseconds since some moment. Not moved when somebody sets the device's clock. */
export const monotonicMs = (): number => performance.now();
