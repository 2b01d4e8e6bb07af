/**
 * Commands of the harness to its load generators, and their answers. Sent as structured clones over the process channel.
 */

/** A call that one client repeats. */
export interface Calls {
  /** The client's index in its generator. */
  readonly client: number;
  /** A socket event, or `GET` and a path. */
  readonly event: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** The pace of a phase: a number of outstanding calls per entry, or a rate over all entries. */
export type Pace = { readonly outstanding: number } | { readonly perSecond: number };

export interface Connecting {
  readonly urls: readonly string[];
  readonly tokens: readonly string[];
  /** Concurrent handshakes. */
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
  /** Calls refused, or not answered within 10 s. */
  readonly failed: number;
  /** Received `message:new`, and other events, caused by other clients. */
  readonly received: number;
  readonly answerMs: Float64Array;
  readonly receivedMs: Float64Array;
}
