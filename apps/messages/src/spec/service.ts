import { createInProcessBroker, type Broker, type Handler, type InProcessBroker } from '@parley/broker';
import { Audience } from '@parley/chat';
import {
  domainEvents,
  newId,
  type CallInput,
  type CallOutput,
  type DomainEvent,
  type DomainEventName,
  type Message,
  type PushFrame,
  type RequestAnswer,
  type RequestName,
  type RequestPayload,
  type ServerEvent,
  type ServerEventName,
  type User,
} from '@parley/contracts';
import { createMemoryRegistry, createMemoryTraces, Push, type Registry, type Traces } from '@parley/realtime';
import type { Running } from '@parley/service-kit';
import type { Database } from '@parley/store';
import type { MessagesParts } from '../app.module.js';
import { ConversationCache } from '../commands/conversation-rows.js';
import { CommandRunner, EventPublisher } from '../commands/runner.js';
import { BotOwners } from '../people/bot-owners.js';
import { FastPath } from '../sending/fast-path.js';
import { RuleEvaluator } from '../sending/rules/evaluation.js';
import { sendRules } from '../sending/rules/index.js';
import type { SendRule } from '../sending/rules/rule.js';
import { MessageSender } from '../sending/send.js';
import { startMessages } from '../start.js';
import { quiet } from '@parley/store/testing';

type Input<N extends RequestName> = RequestPayload<N> extends { input: infer I } ? I : never;
type Users = Extract<PushFrame, { kind: 'users' }>;
/** A live event that was pushed to a user. */
export type PushedEvent<E extends ServerEventName = ServerEventName> = {
  [K in E]: { readonly event: K; readonly id: string | undefined; readonly payload: ServerEvent<K> };
}[E];
type PublishedEvent = { [N in DomainEventName]: { readonly name: N; readonly event: DomainEvent<N> } }[DomainEventName];

/** The messages service on an in-process broker. A listener replaces gateways, and fixed answers replace auth. */
export class Service {
  readonly events: PublishedEvent[] = [];
  readonly frames: Users[] = [];
  /** Users that do not exist. */
  readonly unknown = new Set<string>();
  /** Users that are guests. */
  readonly guests = new Set<string>();
  /** User ids by username. */
  readonly usernames = new Map<string, string>();

  private constructor(
    readonly broker: InProcessBroker,
    readonly registry: Registry,
    readonly traces: Traces,
    private readonly running: Running,
  ) {}

  /** `through` wraps the service's broker, to make it fail. */
  static async start(
    database: Database,
    {
      through,
      auth = true,
      ...parts
    }: Pick<MessagesParts, 'settings' | 'rules'> & { auth?: boolean; through?: (broker: Broker) => Broker } = {},
  ): Promise<Service> {
    const broker = createInProcessBroker({ service: 'spec', logger: quiet });
    const registry = createMemoryRegistry();
    const traces = createMemoryTraces();
    await broker.start();
    const running = await startMessages({
      broker: through?.(broker) ?? broker,
      database,
      registry,
      traces,
      logger: quiet,
      ...parts,
    });
    const service = new Service(broker, registry, traces, running);
    await broker.listen({
      events: Object.keys(domainEvents) as DomainEventName[],
      onPush: (frame) => void (frame.kind === 'users' && service.frames.push(frame)),
      onEvent: (name, event) => void service.events.push({ name, event } as PublishedEvent),
      onGap: () => undefined,
    });
    if (auth) await broker.serve('auth', { requests: service.auth(), events: new Map() });
    return service;
  }

  async stop(): Promise<void> {
    await this.running.stop();
    await this.registry.close();
    await this.broker.close();
  }

  /** Any call, as the service's types have it. */
  call<N extends RequestName>(
    name: N,
    userId: string,
    input: Input<N>,
    { requestId = newId(), connectionId }: { requestId?: string; connectionId?: string } = {},
  ): Promise<RequestAnswer<N>> {
    const caller = { ...this.caller(userId, requestId), ...(connectionId === undefined ? {} : { connectionId }) };
    return this.broker.request(name, { caller, input } as RequestPayload<N>);
  }

  /** Connects a user at this gateway. */
  async connect(userId = newId()): Promise<string> {
    await this.registry.add({ connectionId: newId(), userId, gatewayId: this.broker.instance });
    return userId;
  }

  send(
    userId: string,
    input: Partial<CallInput<'message.send'>> & { conversationId: string },
    requestId = newId(),
  ): Promise<CallOutput<'message.send'>> {
    const payload = {
      caller: this.caller(userId, requestId),
      input: { clientId: newId(), type: 'text' as const, body: 'hello', ...input },
    };
    return this.broker.request('message.send.v1', payload);
  }

  create(
    userId: string,
    input: CallInput<'conversation.create'>,
    requestId = newId(),
    kind: 'person' | 'guest' = 'person',
  ): Promise<CallOutput<'conversation.create'>> {
    return this.broker.request('conversation.create.v1', {
      caller: { ...this.caller(userId, requestId), kind },
      input,
    });
  }

  /** Any call, with an untyped input. */
  ask<N extends RequestName>(name: N, userId: string, input: object, requestId = newId()): Promise<RequestAnswer<N>> {
    const kind: User['kind'] = this.guests.has(userId) ? 'guest' : 'person';
    return this.broker.request(name, {
      caller: { ...this.caller(userId, requestId), kind },
      input,
    } as RequestPayload<N>);
  }

  async group(creator: string, ...memberIds: string[]): Promise<string> {
    return (await this.create(creator, { kind: 'group', title: 'a group', memberIds })).conversation.id;
  }

  /** The live events of a user, or those of one kind, in the order of their pushes. */
  pushed<E extends ServerEventName = ServerEventName>(userId: string, event?: E): PushedEvent<E>[] {
    return this.frames
      .filter((frame) => frame.users.includes(userId) && (event === undefined || frame.event === event))
      .map(({ id, payload, event: name }) => ({ id, payload, event: name }) as PushedEvent<E>);
  }

  /** The domain events of one kind, in the order of their publication. */
  published<N extends DomainEventName>(name: N): DomainEvent<N>[] {
    return this.events.flatMap((published) => (published.name === name ? [published.event as DomainEvent<N>] : []));
  }

  created(): Message[] {
    return this.published('message.created.v1').flatMap(({ messages }) => messages);
  }
  updated(): Message[] {
    return this.published('message.updated.v1').map(({ message }) => message);
  }

  private caller(userId: string, requestId: string): RequestPayload<'message.send.v1'>['caller'] {
    return { requestId, userId, sessionId: newId(), kind: 'person' };
  }

  private auth(): Map<string, Handler> {
    return new Map<string, Handler>([
      [
        'users.known.v1',
        async ({ payload }) => ({
          users: (payload as { userIds: string[] }).userIds
            .filter((id) => !this.unknown.has(id))
            .map((id) => somebody(id, 'somebody', this.guests.has(id) ? 'guest' : 'person')),
        }),
      ],
      [
        'users.named.v1',
        async ({ payload }) => ({
          users: (payload as { usernames: string[] }).usernames
            .filter((name) => this.usernames.has(name))
            .map((name) => somebody(this.usernames.get(name)!, name)),
        }),
      ],
    ]);
  }
}

/** A runner beside the service's own, for deliveries that a spec creates. */
export function newRunner({ broker, registry }: Service, database: Database): CommandRunner {
  const publisher = new EventPublisher(broker, new Push({ broker, registry, logger: quiet }));
  return new CommandRunner(database, new Audience(), new ConversationCache(), publisher);
}

/** A sender with a cache of its own, as in a replica that has just started. */
export function newSender(service: Service, database: Database, rules: readonly SendRule[] = sendRules): MessageSender {
  const audience = new Audience();
  const cache = new ConversationCache();
  const evaluated = new RuleEvaluator(rules, quiet);
  const fastPath = new FastPath(database, audience, cache, evaluated);
  return new MessageSender(
    database,
    audience,
    cache,
    service.broker,
    service.traces,
    evaluated,
    fastPath,
    new BotOwners(database),
    quiet,
  );
}

const somebody = (id: string, username = 'somebody', kind: User['kind'] = 'person'): User => ({
  id,
  username,
  displayName: 'Somebody',
  kind,
  createdAt: new Date().toISOString(),
});
