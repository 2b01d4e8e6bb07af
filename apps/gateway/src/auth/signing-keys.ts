import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { ChatError, type RequestAnswer } from '@parley/contracts';
import { PARTS, type GatewayParts } from '../parts.js';

type Jwks = RequestAnswer<'auth.keys.v1'>;

const REFETCH_MS = 3_000;
const STALE_MS = 10 * 60_000;

/** The public keys of access tokens, asked of auth and kept. */
@Injectable()
export class SigningKeys {
  private jwks: Jwks = { keys: [] };
  private keys = new Map<string, KeyObject>();
  private fetchedAt = -Infinity;
  private fetching: Promise<void> | undefined;

  constructor(@Inject(PARTS) private readonly parts: Pick<GatewayParts, 'broker'>) {}

  get loaded(): boolean {
    return this.keys.size > 0;
  }

  /** The key that a token names. A name that is not known makes us ask again, at most every three seconds. Rejects with `unauthenticated` or `unavailable`. */
  async find(kid: string): Promise<KeyObject> {
    const age = Date.now() - this.fetchedAt;
    if ((!this.keys.has(kid) && age > REFETCH_MS) || age > STALE_MS) await this.refresh();
    const key = this.keys.get(kid);
    if (!key) throw new ChatError('unauthenticated');
    return key;
  }

  /** The key set as published. Rejects with `unavailable` while it was never had. */
  async published(): Promise<Jwks> {
    if (Date.now() - this.fetchedAt > REFETCH_MS) await this.refresh();
    return this.jwks;
  }

  /** Asks once for all that wait. While auth is away, the keys that are known serve on. */
  async refresh(): Promise<void> {
    this.fetching ??= this.fetch().finally(() => (this.fetching = undefined));
    try {
      await this.fetching;
    } catch (error) {
      if (!this.loaded) throw error;
    }
  }

  private async fetch(): Promise<void> {
    const jwks = await this.parts.broker.request('auth.keys.v1', {}, { deadlineMs: 3_000 });
    this.keys = new Map(
      jwks.keys.flatMap((jwk) => (usable(jwk) ? [[jwk.kid, createPublicKey({ key: jwk, format: 'jwk' })]] : [])),
    );
    this.jwks = jwks;
    this.fetchedAt = Date.now();
  }
}

const usable = (jwk: Record<string, unknown>): jwk is JsonWebKey & { kid: string } =>
  typeof jwk['kid'] === 'string' && jwk['kty'] === 'EC' && jwk['crv'] === 'P-256';
