import { createInProcessBroker, type Broker, type InProcessBroker } from '@parley/broker';
import { newId, type CallInput, type CallOutput, type Conversation, type Message, type PushFrame, type RequestPayload } from '@parley/contracts';
import { createMemoryRegistry, type Registry } from '@parley/realtime';
import type { Running } from '@parley/service-kit';
import type { Database } from '@parley/store';
import type { Settings } from '../settings.js';
import { startMessages } from '../start.js';
import { quiet } from '@parley/store/testing';

type Users = Extract<PushFrame, { kind: 'users' }>;
/** What one user's connection got. */
export interface Heard {
  readonly event: string;
  readonly id: string | undefined;
  /** Of `message:new` and of `conversation:new`. */
  readonly payload: { message: Message; conversation: Conversation };
}

/** The messages service behind an in-process broker, with a gateway's ear and auth's answers. */
export class Service {
  readonly events: { name: string; event: { message: Message; conversation: Conversation; memberIds: string[] } }[] = [];
  readonly frames: Users[] = [];
  /** Users that auth does not know. */
  readonly unknown = new Set<string>();

  private constructor(
    readonly broker: InProcessBroker,
    readonly registry: Registry,
    private readonly running: Running,
  ) {}

  /** `through` stands between the service and its broker, to break things. */
  static async start(database: Database, options: { auth?: boolean; settings?: Partial<Settings>; through?: (broker: Broker) => Broker } = {}): Promise<Service> {
    const broker = createInProcessBroker({ service: 'spec', logger: quiet });
    const registry = createMemoryRegistry();
    await broker.start();
    const running = await startMessages({ broker: options.through?.(broker) ?? broker, database, registry, logger: quiet, ...(options.settings && { settings: options.settings }) });
    const service = new Service(broker, registry, running);
    await broker.listen({
      events: ['message.created.v1', 'conversation.created.v1'],
      onPush: (frame) => void (frame.kind === 'users' && service.frames.push(frame)),
      onEvent: (name, event) => void service.events.push({ name, event: event as Service['events'][number]['event'] }),
      onGap: () => undefined,
    });
    if (options.auth !== false) await broker.serve('auth', { requests: new Map([['users.known.v1', async ({ payload }) => service.known(payload as { userIds: string[] })]]), events: new Map() });
    return service;
  }

  async stop(): Promise<void> {
    await this.running.stop();
    await this.registry.close();
    await this.broker.close();
  }

  /** A new user with one connection at this gateway. */
  async connect(userId = newId()): Promise<string> {
    await this.registry.add({ connectionId: newId(), userId, gatewayId: this.broker.instance });
    return userId;
  }

  send(userId: string, input: Partial<CallInput<'message.send'>> & { conversationId: string }, requestId = newId()): Promise<CallOutput<'message.send'>> {
    const payload = { caller: this.caller(userId, requestId), input: { clientId: newId(), type: 'text' as const, body: 'hello', ...input } };
    return this.broker.request('message.send.v1', payload);
  }

  create(userId: string, input: CallInput<'conversation.create'>, requestId = newId(), kind: 'person' | 'guest' = 'person'): Promise<CallOutput<'conversation.create'>> {
    return this.broker.request('conversation.create.v1', { caller: { ...this.caller(userId, requestId), kind }, input });
  }

  async group(creator: string, ...memberIds: string[]): Promise<string> {
    return (await this.create(creator, { kind: 'group', title: 'a group', memberIds })).conversation.id;
  }

  heard(userId: string, event?: string): Heard[] {
    return this.frames.filter((frame) => frame.users.includes(userId) && (event === undefined || frame.event === event)).map(({ id, payload, event: name }) => ({ id, payload: payload as Heard['payload'], event: name }));
  }

  created(): Message[] {
    return this.events.filter(({ name }) => name === 'message.created.v1').map(({ event }) => event.message);
  }

  private caller(userId: string, requestId: string): RequestPayload<'message.send.v1'>['caller'] {
    return { requestId, userId, sessionId: newId(), kind: 'person' };
  }

  private known({ userIds }: { userIds: string[] }) {
    const users = userIds.filter((id) => !this.unknown.has(id));
    return { users: users.map((id) => ({ id, username: 'somebody', displayName: 'Somebody', kind: 'person', createdAt: new Date().toISOString() })) };
  }
}
