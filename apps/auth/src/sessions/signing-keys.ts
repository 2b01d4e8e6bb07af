import { sql, type SqlEntityManager } from '@mikro-orm/postgresql';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { fileToken, newId, type RequestPayload, type User } from '@parley/contracts';
import { ColumnCipher } from '@parley/service-kit';
import { Database, SigningKeyEntity } from '@parley/store';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, SignJWT, type JWK } from 'jose';
import { AuthSettings } from '../settings.js';

/** Long enough for a player to begin; it asks for a new link when it needs more after that. */
const FILE_TOKEN_MS = 5 * 60_000;

interface CurrentKey {
  readonly kid: string;
  readonly key: Awaited<ReturnType<typeof importJWK>>;
}

/** The advisory lock under which a key is made: any number, the same in every replica. */
const LOCK = 7_215_539_012;
/** The interval at which a replica looks for a newer key. */
const RELOAD_MS = 60_000;
/**
 * A retired key stays published for this extra time after its tokens' lifetime: another replica may have used it until
 * it looked for a newer one.
 */
const RETIRED_SLACK_MS = 10 * RELOAD_MS;

/**
 * The keys that sign access tokens and links to files (ES256), shared by all replicas through the database. The first replica that finds
 * no key, or finds the current one too old, makes one; the others wait for it. Private keys leave the database only
 * into the memory of these processes, and never into a log. With a `SECRET_KEY` they are stored encrypted.
 */
@Injectable()
export class SigningKeys implements OnApplicationBootstrap {
  private current: CurrentKey | undefined;
  private loadedAt = 0;
  private loading: Promise<CurrentKey> | undefined;
  private readonly cipher: ColumnCipher;

  constructor(
    private readonly database: Database,
    private readonly settings: AuthSettings,
  ) {
    this.cipher = new ColumnCipher('auth.signing_key.private_jwk', settings.secretKeys);
  }

  /**
   * Encrypts stored keys under the present `SECRET_KEY`, and makes the first key. Throws a `StartError` when a stored
   * key cannot be decrypted.
   */
  async onApplicationBootstrap(): Promise<void> {
    await this.database.entities(async (em) => {
      await lock(em);
      for (const key of await em.find(SigningKeyEntity, {}, { populate: ['privateJwk'] })) {
        const { encrypted } = key.privateJwk;
        const plain = this.decrypt(key);
        if (typeof encrypted === 'string' ? this.cipher.isOutdated(encrypted) : this.cipher.prefix !== undefined)
          key.privateJwk = this.encrypt(key.kid, plain);
      }
    });
    await this.currentKey();
  }

  /**
   * A new access token, valid from `at`, and when it expires. `at` must be the database's time: a process whose clock
   * is wrong would issue tokens that have expired, or that outlive the list of ended sessions.
   */
  async sign(
    user: Pick<User, 'id' | 'kind'>,
    sessionId: string,
    at: Date,
  ): Promise<{ accessToken: string; accessTokenExpiresAt: string }> {
    const expiresAt = secondsOf(at) + Math.floor(this.settings.accessTokenMs / 1000);
    const claims = { sid: sessionId, kind: user.kind, jti: newId() };
    const accessToken = await this.signClaims(user.id, claims, { typ: 'at+jwt', audience: 'parley' }, at, expiresAt);
    return { accessToken, accessTokenExpiresAt: new Date(expiresAt * 1000).toISOString() };
  }

  /** A token that gives the bytes of one attachment to whoever has it, from `at` for five minutes. No access token. */
  async signFile(
    { userId, sessionId, kind, attachmentId }: RequestPayload<'auth.file-token.v1'>,
    at: Date,
  ): Promise<{ token: string; expiresAt: string }> {
    // Gateways know of an ended session for as long as an access token lives.
    const expiresAt = secondsOf(at) + Math.floor(Math.min(FILE_TOKEN_MS, this.settings.accessTokenMs) / 1000);
    const claims = { sid: sessionId, kind, file: attachmentId };
    const token = await this.signClaims(userId, claims, fileToken, at, expiresAt);
    return { token, expiresAt: new Date(expiresAt * 1000).toISOString() };
  }

  private async signClaims(
    subject: string,
    claims: Record<string, unknown>,
    { typ, audience }: { readonly typ: string; readonly audience: string },
    at: Date,
    expiresAt: number,
  ): Promise<string> {
    const { kid, key } = await this.currentKey();
    return new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', typ, kid })
      .setSubject(subject)
      .setIssuer('parley')
      .setAudience(audience)
      .setIssuedAt(secondsOf(at))
      .setExpirationTime(expiresAt)
      .sign(key);
  }

  /**
   * The public keys that may have signed a valid token, newest first. Read each time, because another replica may have
   * made one.
   */
  async published(): Promise<Record<string, unknown>[]> {
    await this.currentKey();
    const since = olderThan(this.settings.accessTokenMs + RETIRED_SLACK_MS);
    const keys = await this.database.entities((em) =>
      em.find(
        SigningKeyEntity,
        { $or: [{ retiredAt: null }, { retiredAt: { $gt: since } }] },
        { orderBy: [{ createdAt: 'desc' }, { kid: 'asc' }] },
      ),
    );
    return keys.map(({ publicJwk }) => publicJwk);
  }

  /** Makes a new key and retires the current one. */
  async rotate(): Promise<void> {
    await this.database.entities(async (em) => {
      await lock(em);
      await this.replace(em);
    });
    await this.reload();
  }

  private async currentKey(): Promise<CurrentKey> {
    const { current } = this;
    if (!current) return this.reload();
    // While the database is unavailable the loaded key stays in use.
    return Date.now() - this.loadedAt < RELOAD_MS ? current : this.reload().catch(() => current);
  }

  private reload(): Promise<CurrentKey> {
    this.loading ??= this.load().finally(() => (this.loading = undefined));
    return this.loading;
  }

  private async load(): Promise<CurrentKey> {
    const stored = await this.database.entities(async (em) => {
      const fresh = await this.findFresh(em);
      if (fresh) return fresh;
      await lock(em);
      return (await this.findFresh(em)) ?? this.replace(em);
    });
    this.current = { kid: stored.kid, key: await importJWK(this.decrypt(stored), 'ES256') };
    this.loadedAt = Date.now();
    return this.current;
  }

  /** The current key, unless it is too old. */
  private findFresh(em: SqlEntityManager): Promise<SigningKeyEntity | null> {
    return em.findOne(
      SigningKeyEntity,
      { retiredAt: null, createdAt: { $gt: olderThan(this.settings.signingKeyMs) } },
      { populate: ['privateJwk'], orderBy: [{ createdAt: 'desc' }, { kid: 'asc' }] },
    );
  }

  private async replace(em: SqlEntityManager): Promise<SigningKeyEntity> {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    const publicJwk = await exportJWK(publicKey);
    const kid = await calculateJwkThumbprint(publicJwk);
    await em.nativeUpdate(SigningKeyEntity, { retiredAt: null }, { retiredAt: sql.now() });
    const key = em.create(SigningKeyEntity, {
      kid,
      privateJwk: this.encrypt(kid, { ...(await exportJWK(privateKey)), kid }),
      publicJwk: { ...publicJwk, kid, alg: 'ES256', use: 'sig' },
    });
    await em.flush();
    return key;
  }

  private encrypt(kid: string, jwk: JWK): Record<string, unknown> {
    return this.cipher.prefix === undefined ? jwk : { encrypted: this.cipher.encrypt(JSON.stringify(jwk), kid) };
  }

  private decrypt({ kid, privateJwk }: Pick<SigningKeyEntity, 'kid' | 'privateJwk'>): JWK {
    const { encrypted } = privateJwk;
    if (typeof encrypted !== 'string') return privateJwk;
    return JSON.parse(this.cipher.decrypt(encrypted, kid)) as JWK;
  }
}

const secondsOf = (at: Date): number => Math.floor(at.getTime() / 1000);
const olderThan = (ms: number) => sql<Date>`now() - ${ms} * interval '1 millisecond'`;
const lock = (em: SqlEntityManager) => em.execute('select pg_advisory_xact_lock(?)', [LOCK]);
