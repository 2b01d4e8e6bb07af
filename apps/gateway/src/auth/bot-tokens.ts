import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { ChatError } from '@parley/contracts';
import type { Session } from '../calls/client.js';
import { PARTS, type GatewayParts } from '../parts.js';

const TRUST_MS = 60_000;
const MOST_KNOWN = 10_000;
/** Tokens that auth is asked about at a time: nobody who makes tokens up may keep it busy. */
const MOST_ASKED = 100;
const form = /^parley_bot_[\w-]{43}$/;

/** Bots' tokens, asked of auth and trusted for a minute; whether the session was revoked since is for whoever asks to check. */
@Injectable()
export class BotTokens {
  /** By the token's hash, the oldest first. */
  private readonly known = new Map<string, { readonly session: Session; readonly at: number }>();
  private readonly asked = new Map<string, Promise<Session>>();

  constructor(@Inject(PARTS) private readonly parts: Pick<GatewayParts, 'broker'>) {}

  static isOne(token: string): boolean {
    return token.startsWith('parley_bot_');
  }

  /** Rejects with `unauthenticated` or `unavailable`. */
  async find(token: string): Promise<Session> {
    if (!form.test(token)) throw new ChatError('unauthenticated');
    const hash = createHash('sha256').update(token).digest('base64');
    const known = this.known.get(hash);
    if (known && Date.now() - known.at < TRUST_MS) return known.session;
    return this.asked.get(hash) ?? this.ask(hash, token);
  }

  private async ask(hash: string, token: string): Promise<Session> {
    if (this.asked.size >= MOST_ASKED) throw new ChatError('unavailable', 'too many tokens are being checked');
    const at = Date.now();
    const answer = this.parts.broker
      .request('auth.bot.v1', { token }, { deadlineMs: 3_000 })
      .then((ids): Session => ({ ...ids, kind: 'bot' }));
    this.asked.set(hash, answer);
    try {
      const session = await answer;
      this.known.delete(hash);
      this.known.set(hash, { session, at });
      if (this.known.size > MOST_KNOWN) this.known.delete(this.known.keys().next().value!);
      return session;
    } finally {
      this.asked.delete(hash);
    }
  }
}
