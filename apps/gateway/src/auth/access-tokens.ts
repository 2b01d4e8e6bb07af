import type { KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ChatError, fileToken, Id, User } from '@parley/contracts';
import jwt from 'jsonwebtoken';
import { z } from 'zod';
import { BotTokens } from './bot-tokens.js';
import { Revocations } from './revocations.js';
import type { Session } from './session.js';
import { VerificationKeys } from './verification-keys.js';

const Header = z.object({ alg: z.literal('ES256'), typ: z.string(), kid: z.string().min(1).max(200) });
const Claims = z.object({ sub: Id, sid: Id, kind: User.shape.kind, exp: z.number() });
const FileClaims = z.object({ file: Id });
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
 * by the same {@link verification} and leaves the rest to {@link keyOf} and {@link sessionOf}. Links to files carry
 * tokens of their own, which {@link verifyLink} checks. Every method rejects
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
    return this.sessionOf(claimsOf(token, key, verification));
  }

  /** The session for which the token of a link to this attachment was signed. */
  async verifyLink(token: unknown, attachmentId: string): Promise<Session> {
    if (typeof token !== 'string' || !form.test(token)) throw new ChatError('unauthenticated');
    const key = await this.keyOf(token, fileToken.typ);
    const claims = claimsOf(token, key, { ...verification, audience: fileToken.audience });
    const file = FileClaims.safeParse(claims);
    if (!file.success || file.data.file !== attachmentId)
      throw new ChatError('unauthenticated', 'the link belongs to another file');
    return this.sessionOf(claims);
  }

  /** The public key that a token of this type names. */
  async keyOf(token: string, typ = 'at+jwt'): Promise<KeyObject> {
    const header = Header.safeParse(headerOf(token));
    if (!header.success || header.data.typ !== typ) throw new ChatError('unauthenticated');
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

function claimsOf(token: string, key: KeyObject, options: jwt.VerifyOptions): unknown {
  try {
    return jwt.verify(token, key, options);
  } catch (error) {
    throw new ChatError('unauthenticated', undefined, { cause: error });
  }
}
