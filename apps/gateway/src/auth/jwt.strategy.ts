import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import type { Request } from 'express';
import { Strategy, type SecretOrKeyProvider } from 'passport-jwt';
import { AccessTokens, verification } from './access-tokens.js';
import { BotTokens } from './bot-tokens.js';
import type { Session } from './session.js';

/** The one token after `Bearer`. passport-jwt's own extractor ignores any text after it. */
const bearerToken = ({ headers }: Pick<Request, 'headers'>): string | null =>
  /^Bearer ([\w.~+/=-]{1,4096})$/i.exec(headers.authorization ?? '')?.[1] ?? null;

/** Authenticates HTTP requests by their bearer token. {@link AccessTokens} decides which tokens are valid. */
@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy) {
  constructor(private readonly tokens: AccessTokens) {
    const keyProvider: SecretOrKeyProvider = (_request, token: string, done) => {
      // jsonwebtoken takes a KeyObject; the types of passport-jwt are older than that.
      void tokens.keyOf(token).then((key) => done(null, key as never), done);
    };
    super({ ...verification, jwtFromRequest: bearerToken, secretOrKeyProvider: keyProvider });
  }

  validate(payload: unknown): Promise<Session> {
    return this.tokens.sessionOf(payload);
  }

  /**
   * Passport copies a strategy for each request only if it finds it by its name. This one it is given as an object (ADR
   * 28), and it has just set this request's callbacks on it, which the next request replaces while this one waits: each
   * request goes on with a copy of its own.
   */
  override authenticate(request: Request, options?: object): void {
    const own = Object.assign(Object.create(JwtStrategy.prototype) as this, this);
    const token = bearerToken(request);
    // A bot's token is not a JWT.
    if (token === null || !BotTokens.isBotToken(token)) return super.authenticate.call(own, request, options);
    this.tokens.verify(token).then(
      (session) => own.success(session),
      (error: Error) => own.error(error),
    );
  }
}
