import { Inject, Injectable } from '@nestjs/common';
import {
  calls,
  ChatError,
  parseInput,
  type Call,
  type CallInput,
  type CallName,
  type CallOutput,
  type RequestName,
} from '@parley/contracts';
import { inSpans, type Trace } from '@parley/service-kit';
import { callerOf, type Client } from './client.js';
import { EdgeCalls, type EdgeCallName } from './edge-calls.js';
import { Limits } from './limits.js';
import { Metrics } from '../metrics.js';
import { PARTS, type GatewayParts } from '../parts.js';

/** A request that had to wait at the edge still gets this long. */
const LEAST_MS = 100;
/** How long one who is over the limit waits to learn that it was a resend. */
const PARDON_MS = 2_000;
const table: Readonly<Record<CallName, Call>> = calls;

/**
 * Makes a call, for sockets and HTTP alike: checks the input, then the rates, then asks the service that answers it. Calls of one
 * connection reach the broker in the order in which they came. Rejects with what the caller may see, or with a defect. The deadline of the
 * configuration counts from the call's arrival.
 */
@Injectable()
export class Dispatcher {
  constructor(
    @Inject(PARTS) private readonly parts: GatewayParts,
    @Inject(Limits) private readonly limits: Limits,
    @Inject(EdgeCalls) private readonly edge: EdgeCalls,
    @Inject(Metrics) private readonly metrics: Metrics,
  ) {}

  execute(name: CallName, raw: unknown, client: Client, requestId: string, trace: Trace): Promise<unknown> {
    const transport = client.connection ? 'socket' : 'http';
    const ended = this.metrics.called(name, transport);
    const answer = inSpans(
      `${transport} ${name}`,
      'server',
      [{ ...trace, ...(client.session && { userId: client.session.userId }) }],
      () => this.admitted(name, raw, client, requestId),
    );
    answer.then(
      () => ended('ok'),
      (error: unknown) =>
        ended(error instanceof ChatError ? error.code : error instanceof Error ? error.name : 'internal'),
    );
    return answer;
  }

  private async admitted(name: CallName, raw: unknown, client: Client, requestId: string): Promise<unknown> {
    const until = Date.now() + this.parts.config.CALL_DEADLINE_MS;
    const input = parseInput(table[name].input, raw);
    const admission = this.limits
      .admit(name, input, client)
      .catch((error: unknown) => this.pardon(error, name, input, client));
    await (client.connection ? client.connection.inTurn(admission) : admission);
    return this.limits.counted(name, input, client, () => this.route(name, input, client, requestId, until));
  }

  /** A resend is answered whatever limit came since (PROTOCOL section 3). Only who is over the limit pays for the look-up. */
  private async pardon(error: unknown, name: CallName, input: unknown, client: Client): Promise<void> {
    if (name !== 'message.send' || !(error instanceof ChatError) || error.code !== 'rate_limited') throw error;
    const { conversationId, clientId } = input as CallInput<'message.send'>;
    const known = this.parts.broker.request(
      'history.sent.v1',
      { conversationId, senderId: client.session!.userId, clientId },
      { deadlineMs: PARDON_MS },
    );
    const { sent } = await known.catch(() => ({ sent: false }));
    if (!sent) throw error;
  }

  private route(name: CallName, input: unknown, client: Client, requestId: string, until: number): Promise<unknown> {
    if (table[name].via === 'edge') return this.edge.answer(name as EdgeCallName, input, client);
    if (name === 'conversation.create') return this.createConversation(input, client, requestId, until);
    if (table[name].view) return this.changed(name, input, client, requestId, until);
    return this.ask(name, input, client, requestId, until);
  }

  private ask(name: CallName, input: unknown, client: Client, requestId: string, until: number): Promise<unknown> {
    const payload = { caller: callerOf(client, requestId), input };
    const deadlineMs = Math.max(LEAST_MS, until - Date.now());
    return this.parts.broker.request(`${name}.v1` as RequestName, payload as never, { deadlineMs });
  }

  /** The writer cannot see the reader's cursors: of a conversation that exists already, the reading service has the caller's view. */
  private async createConversation(input: unknown, client: Client, requestId: string, until: number): Promise<unknown> {
    const answer = (await this.ask(
      'conversation.create',
      input,
      client,
      requestId,
      until,
    )) as CallOutput<'conversation.create'>;
    if (answer.created) return answer;
    return { ...(await this.view(answer.conversation.id, client, requestId, until)), created: false };
  }

  private async changed(
    name: CallName,
    input: unknown,
    client: Client,
    requestId: string,
    until: number,
  ): Promise<unknown> {
    const { conversation } = (await this.ask(
      name,
      input,
      client,
      requestId,
      until,
    )) as CallOutput<'conversation.update'>;
    return this.view(conversation.id, client, requestId, until);
  }

  private async view(
    conversationId: string,
    client: Client,
    requestId: string,
    until: number,
  ): Promise<CallOutput<'conversation.get'>> {
    return (await this.ask(
      'conversation.get',
      { conversationId },
      client,
      requestId,
      until,
    )) as CallOutput<'conversation.get'>;
  }
}
