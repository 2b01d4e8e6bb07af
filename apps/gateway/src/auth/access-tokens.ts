import type { KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ChatError, Id, User } from '@parley/contracts';
import jwt from 'jsonwebtoken';
import { z } from 'zod';
import { BotTokens } from './bot-tokens.js';
import { Revocations } from './revocations.js';
import type { Session } from './session.js';
import { VerificationKeys } from './verification-keys.js';

const Header = z.object({ alg: z.literal('ES256'), typ: z.literal('at+jwt'), kid: z.string().min(1).max(200) });
const Claims = z.object({ sub: Id, sid: Id, kind: User.shape.kind, exp: z.number() });
const form = /^[\w.~+/=-]{1,4096}$/;

/**
 * The signature and addressee that an access token must have. {@link AccessTokens.sessionOf} checks the expiry by
 * auth's clock.
 */
export const verification = {
  algorithms: ['ES256'],
  issuer: 'parley',
  audience: 'parley',
  ignoreExpiration: true,
} satisfies jwt.VerifyOptions;

/**
 * Decides whether an access token is valid: ES256 with a key that auth publishes, type, issuer, audience, expiry,
 * claims, and that the session has not ended. Sockets call {@link verify}; on HTTP, `JwtStrategy` checks the signature
 * by the same {@link verification} and leaves the rest to {@link keyOf} and {@link sessionOf}. Every method rejects
 * with `unauthenticated` or `unavailable`.
 */
@Injectable()
export class AccessTokens {
  constructor(
    private readonly keys: VerificationKeys,
    private readonly revocations: Revocations,
    private readonly bots: BotTokens,
  ) {}

  /** The session of a person's, a guest's or a bot's token. */
  async verify(token: unknown): Promise<Session> {
    if (typeof token !== 'string' || !form.test(token)) throw new ChatError('unauthenticated');
    if (BotTokens.isBotToken(token)) return this.notEnded(await this.bots.find(token));
    const key = await this.keyOf(token);
    return this.sessionOf(claimsOf(token, key));
  }

  /** The public key that the token names. */
  async keyOf(token: string): Promise<KeyObject> {
    const header = Header.safeParse(headerOf(token));
    if (!header.success) throw new ChatError('unauthenticated');
    return this.keys.find(header.data.kid);
  }

  /** The session that the claims of a correctly signed token name. */
  async sessionOf(payload: unknown): Promise<Session> {
    const claims = Claims.safeParse(payload);
    if (!claims.success) throw new ChatError('unauthenticated');
    const { sub, sid, kind, exp } = claims.data;
    await this.revocations.ready();
    if (this.revocations.hasExpired(exp)) throw new ChatError('unauthenticated', 'the token has expired');
    return this.notEnded({ userId: sub, sessionId: sid, kind });
  }

  private async notEnded(session: Session): Promise<Session> {
    await this.revocations.ready();
    if (this.revocations.has(session.sessionId)) throw new ChatError('unauthenticated', 'the session has ended');
    return session;
  }
}

function headerOf(token: string): unknown {
  try {
    return JSON.parse(Buffer.from(token.split('.', 1)[0]!, 'base64url').toString());
  } catch {
    return undefined;
  }
}

function claimsOf(token: string, key: KeyObject): unknown {
  try {
    return jwt.verify(token, key, verification);
  } catch (error) {
    throw new ChatError('unauthenticated', undefined, { cause: error });
  }
}
