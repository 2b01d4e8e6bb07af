import { Injectable } from '@nestjs/common';
import { Broker } from '@parley/broker';
import {
  calls,
  ChatError,
  isWithinBytes,
  parseInput,
  type Call,
  type CallInput,
  type CallName,
  type Caller,
  type RequestName,
} from '@parley/contracts';
import { inSpans, type Trace } from '@parley/service-kit';
import { GatewayConfig } from '../config.js';
import { Metrics } from '../metrics.js';
import type { Client } from './client.js';
import { EdgeCalls, type EdgeCallName } from './edge-calls.js';
import { RateExceeded, RateLimits } from './rate-limits.js';

/** A request that had to wait in the gateway still gets this long. */
const MIN_DEADLINE_MS = 100;
const RESEND_LOOKUP_MS = 2_000;
const table: Readonly<Record<CallName, Call>> = calls;

/** One call under way: `deadline` in milliseconds since 1970. */
interface CallContext {
  readonly name: CallName;
  readonly client: Client;
  readonly requestId: string;
  readonly deadline: number;
}

/**
 * Makes a call, for sockets and HTTP alike: checks the input, then the rates, then sends it to its service. Calls of
 * one connection reach the broker in the order in which they came. Rejects with an error that the caller may see, or
 * with a defect. The configured deadline counts from the call's arrival.
 */
@Injectable()
export class Dispatcher {
  constructor(
    private readonly broker: Broker,
    private readonly config: GatewayConfig,
    private readonly limits: RateLimits,
    private readonly edgeCalls: EdgeCalls,
    private readonly metrics: Metrics,
  ) {}

  execute(name: CallName, raw: unknown, client: Client, requestId: string, trace: Trace): Promise<unknown> {
    const transport = client.connection ? 'socket' : 'http';
    const stopClock = this.metrics.startCall(name, transport);
    const call = { name, client, requestId, deadline: Date.now() + this.config.CALL_DEADLINE_MS };
    const answer = inSpans(
      `${transport} ${name}`,
      'server',
      [{ ...trace, ...(client.session && { userId: client.session.userId }) }],
      () => this.admit(call, raw),
    );
    answer.then(
      () => stopClock('ok'),
      (error: unknown) =>
        stopClock(error instanceof ChatError ? error.code : error instanceof Error ? error.name : 'internal'),
    );
    return answer;
  }

  private async admit(call: CallContext, raw: unknown): Promise<unknown> {
    const { name, client } = call;
    this.limits.check(client);
    let input: unknown;
    try {
      input = parseInput(table[name].input, raw);
      requireWithinLimits(name, input, this.config);
    } catch (error) {
      await this.limits.admitRequest(client);
      throw error;
    }
    const admission = this.limits
      .admit(name, client, input)
      .catch((error: unknown) => this.admitResend(error, call, input));
    await (client.connection ? client.connection.inTurn(admission) : admission);
    return this.limits.limitParallel(name, input, client, () => this.route(call, input));
  }

  /** A resend is answered even when the sender is over the rate of messages. Only such a sender pays for the look-up. */
  private async admitResend(error: unknown, { name, client }: CallContext, input: unknown): Promise<void> {
    if (name !== 'message.send' || !(error instanceof RateExceeded) || error.rate !== 'messages') throw error;
    const { conversationId, clientId } = input as CallInput<'message.send'>;
    const { sent } = await this.broker
      .request(
        'history.sent.v1',
        { conversationId, senderId: client.session!.userId, clientId },
        { deadlineMs: RESEND_LOOKUP_MS },
      )
      .catch(() => ({ sent: false }));
    if (!sent) throw error;
  }

  private route(call: CallContext, input: unknown): Promise<unknown> {
    const { name, client } = call;
    if (table[name].via === 'edge') return this.edgeCalls.answer(name as EdgeCallName, input, client);
    return this.ask(call, input);
  }

  private ask({ name, client, requestId, deadline }: CallContext, input: unknown): Promise<unknown> {
    const payload = { caller: callerOf(client, requestId), input };
    const deadlineMs = Math.max(MIN_DEADLINE_MS, deadline - Date.now());
    return this.broker.request(`${name}.v1` as RequestName, payload as never, { deadlineMs });
  }
}

/** The `Caller` that services receive. */
const callerOf = ({ address, session, connection }: Client, requestId: string): Caller => ({
  requestId,
  address,
  ...session,
  ...(connection && { connectionId: connection.id }),
});

/**
 * Refuses valid input that is beyond the limits of this deployment, with the codes of input that is beyond those of
 * every deployment.
 */
function requireWithinLimits(name: CallName, input: unknown, config: GatewayConfig): void {
  const { body, limit, ids, userIds } = input as {
    readonly body?: string;
    readonly limit?: number;
    readonly ids?: readonly string[];
    readonly userIds?: readonly string[];
  };
  if (body !== undefined && !isWithinBytes(body, config.LIMIT_BODY_BYTES))
    throw refusal('too_large', 'body', `must be at most ${config.LIMIT_BODY_BYTES} bytes`);
  if (limit !== undefined && limit > config.LIMIT_PAGE_SIZE)
    throw refusal('invalid', 'limit', `must be at most ${config.LIMIT_PAGE_SIZE}`);
  if (ids !== undefined && ids.length > config.LIMIT_PAGE_SIZE)
    throw refusal('invalid', 'ids', `must be at most ${config.LIMIT_PAGE_SIZE}`);
  if (name === 'presence.get' && userIds !== undefined && userIds.length > config.LIMIT_PRESENCE_WATCHES)
    throw refusal('invalid', 'userIds', `must be at most ${config.LIMIT_PRESENCE_WATCHES}`);
}

const refusal = (code: 'invalid' | 'too_large', path: string, message: string): ChatError =>
  new ChatError(code, `${path}: ${message}`, { details: [{ path, message }] });
