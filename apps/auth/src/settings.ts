import type { SecretKeys } from '@parley/service-kit';

/** The settings of the auth service; times in milliseconds. A class, so that Nest injects it by type. */
export abstract class AuthSettings {
  /** Encrypt the signing keys in the database. */
  abstract readonly secretKeys: SecretKeys;
  abstract readonly accessTokenMs: number;
  abstract readonly sessionMs: number;
  abstract readonly signingKeyMs: number;
  abstract readonly passwordConcurrency: number;
  abstract readonly passwordQueue: number;
  /** Whether guests may log in. */
  abstract readonly guests: boolean;
  /** The pause between two sweeps of expired sessions and old rows. */
  abstract readonly sweepMs: number;
  /** Maximum time that a stop waits for work under way. */
  abstract readonly graceMs: number;
}

export const defaultSettings = Object.freeze({
  secretKeys: {},
  accessTokenMs: 15 * 60_000,
  sessionMs: 30 * 86_400_000,
  signingKeyMs: 90 * 86_400_000,
  passwordConcurrency: 2,
  passwordQueue: 200,
  guests: true,
  sweepMs: 30_000,
  graceMs: 5_000,
}) satisfies AuthSettings;
