import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Broker } from '@parley/broker';
import { ChatError, type RequestAnswer } from '@parley/contracts';

type Jwks = RequestAnswer<'auth.keys.v1'>;

const DEADLINE_MS = 3_000;
/** The least time between two requests for the keys. */
const REFETCH_MS = 3_000;
const MAX_AGE_MS = 10 * 60_000;

/** The public keys of access tokens, fetched from auth and cached. */
@Injectable()
export class VerificationKeys {
  private jwks: Jwks = { keys: [] };
  private keys = new Map<string, KeyObject>();
  private fetchedAt = -Infinity;
  private fetching: Promise<void> | undefined;

  constructor(private readonly broker: Broker) {}

  get loaded(): boolean {
    return this.keys.size > 0;
  }

  /**
   * The key with this id. An unknown id fetches the keys again, at most every three seconds. Rejects with
   * `unauthenticated` or `unavailable`.
   */
  async find(kid: string): Promise<KeyObject> {
    const age = Date.now() - this.fetchedAt;
    if ((!this.keys.has(kid) && age > REFETCH_MS) || age > MAX_AGE_MS) await this.refresh();
    const key = this.keys.get(kid);
    if (!key) throw new ChatError('unauthenticated');
    return key;
  }

  /** The key set as auth publishes it. Rejects with `unavailable` until it was fetched once. */
  async published(): Promise<Jwks> {
    if (Date.now() - this.fetchedAt > REFETCH_MS) await this.refresh();
    return this.jwks;
  }

  /** Fetches the keys, once for all callers that wait. While auth is unavailable the cached keys stay in use. */
  async refresh(): Promise<void> {
    this.fetching ??= this.fetch().finally(() => (this.fetching = undefined));
    try {
      await this.fetching;
    } catch (error) {
      if (!this.loaded) throw error;
    }
  }

  private async fetch(): Promise<void> {
    const jwks = await this.broker.request('auth.keys.v1', {}, { deadlineMs: DEADLINE_MS });
    this.keys = new Map(
      jwks.keys.flatMap((jwk) => (isUsable(jwk) ? [[jwk.kid, createPublicKey({ key: jwk, format: 'jwk' })]] : [])),
    );
    this.jwks = jwks;
    this.fetchedAt = Date.now();
  }
}

const isUsable = (jwk: Record<string, unknown>): jwk is JsonWebKey & { kid: string } =>
  typeof jwk['kid'] === 'string' && jwk['kty'] === 'EC' && jwk['crv'] === 'P-256';
