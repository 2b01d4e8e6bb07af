import { Inject, Injectable, type OnModuleDestroy, type Type } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import { ChatError, Id, User } from '@parley/contracts';
import type { Request } from 'express';
import passport from 'passport';
import { Strategy } from 'passport-jwt';
import { z } from 'zod';
import { BotTokens } from './bot-tokens.js';
import type { Session } from '../calls/client.js';
import { Revocations } from './revocations.js';
import { SigningKeys } from './signing-keys.js';

const Header = z.object({ alg: z.literal('ES256'), typ: z.literal('at+jwt'), kid: z.string().min(1).max(200) });
const Claims = z.object({ sub: Id, sid: Id, kind: User.shape.kind, exp: z.number() });
/** One token after `Bearer`, and nothing else: passport-jwt's own extractor ignores what follows. */
const bearerToken = ({ headers }: Pick<Request, 'headers'>): string | null =>
  /^Bearer ([\w.~+/=-]{1,4096})$/i.exec(headers.authorization ?? '')?.[1] ?? null;
type KeyCallback = (error: unknown, key?: string) => void;

/**
 * The one way to check an access token, for HTTP and sockets: ES256 with a key that auth publishes, type, issuer, audience, expiry,
 * claims, and that the session was not revoked. A bot's token is looked up instead. Passport keeps strategies per process under their names, so each gateway has a name of its own.
 */
export function tokenStrategy(name: string): Type<OnModuleDestroy> {
  @Injectable()
  class TokenStrategy extends PassportStrategy(Strategy, name) implements OnModuleDestroy {
    constructor(
      @Inject(SigningKeys) keys: SigningKeys,
      @Inject(Revocations) private readonly revocations: Revocations,
      @Inject(BotTokens) private readonly bots: BotTokens,
    ) {
      super({
        jwtFromRequest: bearerToken,
        algorithms: ['ES256'],
        issuer: 'parley',
        audience: 'parley',
        // Looked at below.
        ignoreExpiration: true,
        secretOrKeyProvider: (_request: unknown, token: string, done: KeyCallback) => {
          // jsonwebtoken takes a KeyObject; its types in passport-jwt are older than that.
          void keyFor(keys, token).then((key) => done(null, key as never), done);
        },
      });
    }

    override authenticate(request: Request, options?: object): void {
      const token = bearerToken(request);
      if (token === null || !BotTokens.isOne(token)) return super.authenticate(request, options);
      this.bots
        .find(token)
        .then((session) => this.alive(session))
        .then(
          (session) => this.success(session),
          (error: Error) => this.error(error),
        );
    }

    async validate(payload: unknown): Promise<Session> {
      const claims = Claims.safeParse(payload);
      if (!claims.success) throw new ChatError('unauthenticated');
      const { sub, sid, kind, exp } = claims.data;
      await this.revocations.ready();
      if (this.revocations.isOver(exp)) throw new ChatError('unauthenticated', 'the token is over');
      return this.alive({ userId: sub, sessionId: sid, kind });
    }

    private async alive(session: Session): Promise<Session> {
      await this.revocations.ready();
      if (this.revocations.has(session.sessionId)) throw new ChatError('unauthenticated', 'the session has ended');
      return session;
    }

    onModuleDestroy(): void {
      passport.unuse(name);
    }
  }
  return TokenStrategy;
}

async function keyFor(keys: SigningKeys, token: string) {
  const header = Header.safeParse(headerOf(token));
  if (!header.success) throw new ChatError('unauthenticated');
  return keys.find(header.data.kid);
}

function headerOf(token: string): unknown {
  try {
    return JSON.parse(Buffer.from(token.split('.', 1)[0]!, 'base64url').toString());
  } catch {
    return undefined;
  }
}

/** What passport reports of a token that did not pass, as a caller may see it. */
export const refusalOf = (error: unknown, info: unknown): unknown =>
  error ??
  (info instanceof ChatError || (info instanceof Error && info.name === 'Unavailable')
    ? info
    : new ChatError('unauthenticated'));

/** Checks a token outside an HTTP request. Rejects with `unauthenticated` or `unavailable`. */
export function verifyToken(name: string, token: unknown): Promise<Session> {
  return new Promise((resolve, reject) => {
    if (typeof token !== 'string') return reject(new ChatError('unauthenticated'));
    const request = { headers: { authorization: `Bearer ${token}` } };
    const done = (error: unknown, session: Session | false | null, info: unknown) =>
      session ? resolve(session) : reject(refusalOf(error, info));
    passport.authenticate(name, { session: false }, done)(request as never, {} as never, reject);
  });
}
