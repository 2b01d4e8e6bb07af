/** What the harness tells its load generators to do, and what they answer. Structured clones over the processes' channel. */

/** What one client calls again and again. */
export interface Calls {
  /** Index of the client in its generator. */
  readonly client: number;
  /** A socket event, or `GET` and a path. */
  readonly event: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** How a phase calls: each entry keeps so many unanswered, or all of them together make so many a second. */
export type Pace = { readonly outstanding: number } | { readonly perSecond: number };

export interface Connecting {
  readonly urls: readonly string[];
  readonly tokens: readonly string[];
  /** Handshakes under way at a time. */
  readonly atOnce: number;
}

export type Order =
  | ({ readonly do: 'open' } & Connecting)
  | { readonly do: 'ask'; readonly client: number; readonly event: string; readonly payload: unknown }
  | { readonly do: 'start'; readonly calls: readonly Calls[]; readonly pace: Pace }
  | { readonly do: 'record' }
  | { readonly do: 'rest' }
  | { readonly do: 'halt' }
  | { readonly do: 'drop' };

export interface Opened {
  readonly opened: number;
  readonly failed: number;
}

/** Between `record` and `rest`. Times are in milliseconds. */
export interface Recorded {
  readonly answered: number;
  /** Refused, or not answered within 10 s. */
  readonly failed: number;
  /** `message:new`, and every other event, that others caused. */
  readonly received: number;
  readonly answerMs: Float64Array;
  readonly receivedMs: Float64Array;
}
