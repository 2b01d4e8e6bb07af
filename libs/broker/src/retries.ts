/** How events are tried again while a dependency is away. */
export interface Retries {
  /** How long each waits before it is tried again, in milliseconds; the last one repeats. On RabbitMQ each delay has a queue. */
  readonly delaysMs: readonly number[];
  /** How often; then it is a dead letter. */
  readonly limit: number;
}

/** About four hours of an absent dependency. */
export const defaultRetries: Retries = { delaysMs: [1_000, 5_000, 30_000], limit: 500 };
