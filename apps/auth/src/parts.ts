import type { Broker } from '@parley/broker';
import type { Logger } from '@parley/service-kit';
import type { Database } from '@parley/store';

/** What the service stands on. It neither opens nor closes any of it. */
export interface AuthParts {
  readonly broker: Broker;
  /** Under a role that may write schema `auth`. */
  readonly database: Database;
  readonly logger: Logger;
  /** The values of {@link authSettings}; those that are absent have their defaults. */
  readonly settings?: Partial<Settings>;
  /** The longest that a stop waits for work under way. */
  readonly graceMs?: number;
}

/** Times in milliseconds. */
export interface Settings {
  readonly accessTokenMs: number;
  readonly sessionMs: number;
  readonly signingKeyMs: number;
  readonly passwordConcurrency: number;
  readonly passwordQueue: number;
  /** Whether people may come in as guests. */
  readonly guests: boolean;
  /** How often expired sessions are looked for, and old rows removed. */
  readonly sweepMs: number;
}

export const defaultSettings: Settings = Object.freeze({
  accessTokenMs: 15 * 60_000,
  sessionMs: 30 * 86_400_000,
  signingKeyMs: 90 * 86_400_000,
  passwordConcurrency: 2,
  passwordQueue: 200,
  guests: true,
  sweepMs: 30_000,
});

/** What the module gives its classes. */
export const PARTS = Symbol('parts');
export const SETTINGS = Symbol('settings');
