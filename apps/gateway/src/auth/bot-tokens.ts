import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Broker } from '@parley/broker';
import { ChatError } from '@parley/contracts';
import type { Session } from './session.js';

const TRUST_MS = 60_000;
const DEADLINE_MS = 3_000;
const MAX_CACHED = 10_000;
/** Maximum number of tokens that auth is asked about at a time, so that invented tokens cannot keep it busy. */
const MAX_PENDING = 100;
const form = /^parley_bot_[\w-]{43}$/;

/**
 * Asks auth for the sessions of bots' tokens, and caches each answer for a minute. The caller checks whether the
 * session has ended since.
 */
@Injectable()
export class BotTokens {
  /** The sessions of tokens, by the token's hash, oldest first. */
  private readonly cache = new Map<string, { readonly session: Session; readonly at: number }>();
  private readonly pending = new Map<string, Promise<Session>>();

  constructor(private readonly broker: Broker) {}

  static isBotToken(token: string): boolean {
    return token.startsWith('parley_bot_');
  }

  /** Rejects with `unauthenticated` or `unavailable`. */
  async find(token: string): Promise<Session> {
    if (!form.test(token)) throw new ChatError('unauthenticated');
    const hash = createHash('sha256').update(token).digest('base64');
    const cached = this.cache.get(hash);
    if (cached && Date.now() - cached.at < TRUST_MS) return cached.session;
    return this.pending.get(hash) ?? this.lookUp(hash, token);
  }

  private async lookUp(hash: string, token: string): Promise<Session> {
    if (this.pending.size >= MAX_PENDING) throw new ChatError('unavailable', 'too many tokens are being checked');
    const at = Date.now();
    const answer = this.broker
      .request('auth.bot.v1', { token }, { deadlineMs: DEADLINE_MS })
      .then((ids): Session => ({ ...ids, kind: 'bot' }));
    this.pending.set(hash, answer);
    try {
      const session = await answer;
      this.cache.delete(hash);
      this.cache.set(hash, { session, at });
      if (this.cache.size > MAX_CACHED) this.cache.delete(this.cache.keys().next().value!);
      return session;
    } finally {
      this.pending.delete(hash);
    }
  }
}
