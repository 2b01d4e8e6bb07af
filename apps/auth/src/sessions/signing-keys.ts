import { Inject, Injectable } from '@nestjs/common';
import { newId, type User } from '@parley/contracts';
import type { Sql } from '@parley/store';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, SignJWT, type JWK } from 'jose';
import { PARTS, SETTINGS, type AuthParts, type Settings } from '../parts.js';

type Key = Awaited<ReturnType<typeof importJWK>>;
interface KeyRow extends Record<string, unknown> {
  kid: string;
  private_jwk: JWK;
  created_at: Date;
}

/** Any number, the same in every replica. */
const LOCK = 7_215_539_012;
/** How long a replica signs with the key it knows before it looks again. */
const RELOAD_MS = 60_000;
/** A retired key is published until no token that it signed can be alive: another replica may have used it until it looked again. */
const SLACK_MS = 10 * RELOAD_MS;

/**
 * The keys that sign access tokens (ES256), shared by all replicas through the database: the first replica that finds none, or finds the present one too
 * old, makes one; the others wait for it. Private keys leave the database only into these processes' memory, and never into a log.
 */
@Injectable()
export class SigningKeys {
  private current: { kid: string; key: Key } | undefined;
  private loadedAt = 0;
  private loading: Promise<{ kid: string; key: Key }> | undefined;

  constructor(
    @Inject(PARTS) private readonly parts: AuthParts,
    @Inject(SETTINGS) private readonly settings: Settings,
  ) {}

  /** A new access token, good from `at`, and when it expires. `at` is not this process's time: one whose clock is wrong would give out tokens that are over, or that outlive what is remembered of ended sessions. */
  async sign(
    user: Pick<User, 'id' | 'kind'>,
    sessionId: string,
    at: Date,
  ): Promise<{ accessToken: string; accessTokenExpiresAt: string }> {
    const { kid, key } = await this.ready();
    const issued = Math.floor(at.getTime() / 1000);
    const expires = issued + Math.floor(this.settings.accessTokenMs / 1000);
    const accessToken = await new SignJWT({ sid: sessionId, kind: user.kind })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid })
      .setSubject(user.id)
      .setIssuer('parley')
      .setAudience('parley')
      .setIssuedAt(issued)
      .setExpirationTime(expires)
      .setJti(newId())
      .sign(key);
    return { accessToken, accessTokenExpiresAt: new Date(expires * 1000).toISOString() };
  }

  /** The public keys with which a token that is alive may have been signed. Read afresh: another replica may have made one. */
  async published(): Promise<Record<string, unknown>[]> {
    await this.ready();
    const rows = await this.parts.database.query<{ public_jwk: Record<string, unknown> }>(
      `select public_jwk from auth.signing_key
        where retired_at is null or retired_at > now() - $1 * interval '1 millisecond' order by created_at desc, kid`,
      [this.settings.accessTokenMs + SLACK_MS],
    );
    return rows.map((row) => row.public_jwk);
  }

  /** Makes a new key and retires the present one. */
  async rotate(): Promise<void> {
    await this.parts.database.transaction(async (sql) => {
      await lock(sql);
      await this.replace(sql);
    });
    await this.reload();
  }

  private async ready(): Promise<{ kid: string; key: Key }> {
    const { current } = this;
    if (!current) return this.reload();
    // While the database is away, the key that is known serves on.
    return Date.now() - this.loadedAt < RELOAD_MS ? current : this.reload().catch(() => current);
  }

  private reload(): Promise<{ kid: string; key: Key }> {
    this.loading ??= this.load().finally(() => (this.loading = undefined));
    return this.loading;
  }

  private async load(): Promise<{ kid: string; key: Key }> {
    const row =
      (await this.fresh(this.parts.database)) ??
      (await this.parts.database.transaction(async (sql) => {
        await lock(sql);
        return (await this.fresh(sql)) ?? (await this.replace(sql));
      }));
    this.current = { kid: row.kid, key: await importJWK(row.private_jwk, 'ES256') };
    this.loadedAt = Date.now();
    return this.current;
  }

  /** The present key, unless its time is over. */
  private async fresh(sql: Sql): Promise<KeyRow | undefined> {
    const [row] = await sql.query<KeyRow>(
      `select kid, private_jwk, created_at from auth.signing_key
        where retired_at is null and created_at > now() - $1 * interval '1 millisecond' order by created_at desc, kid limit 1`,
      [this.settings.signingKeyMs],
    );
    return row;
  }

  private async replace(sql: Sql): Promise<KeyRow> {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    const publicJwk = await exportJWK(publicKey);
    const kid = await calculateJwkThumbprint(publicJwk);
    await sql.query(`update auth.signing_key set retired_at = now() where retired_at is null`);
    const [row] = await sql.query<KeyRow>(
      `insert into auth.signing_key (kid, private_jwk, public_jwk) values ($1, $2, $3) returning kid, private_jwk, created_at`,
      [kid, { ...(await exportJWK(privateKey)), kid }, { ...publicJwk, kid, alg: 'ES256', use: 'sig' }],
    );
    return row!;
  }
}

const lock = (sql: Sql) => sql.query('select pg_advisory_xact_lock($1)', [LOCK]);
