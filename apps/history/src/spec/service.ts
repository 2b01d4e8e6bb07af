import { createInProcessBroker, type InProcessBroker } from '@parley/broker';
import {
  newId,
  type CallInput,
  type PushFrame,
  type Receipt,
  type RequestAnswer,
  type RequestName,
  type RequestPayload,
  type ServerEvent,
  type ServerEventName,
} from '@parley/contracts';
import { createMemoryRegistry, createMemoryTraces, type Registry, type Traces } from '@parley/realtime';
import type { Running } from '@parley/service-kit';
import type { Database } from '@parley/store';
import { startHistory } from '../start.js';
import { quiet } from '@parley/store/testing';

type Users = Extract<PushFrame, { kind: 'users' }>;
type Asked = Extract<
  RequestName,
  | `conversation.${string}`
  | 'sync.v1'
  | 'unread.list.v1'
  | 'room.get.v1'
  | 'notification.list.v1'
  | `message.${string}`
  | `receipt.${string}`
  | 'drawing.get.v1'
  | 'contact.list.v1'
  | 'block.list.v1'
  | 'peer.signal.v1'
>;

/** The history service on an in-process broker, with a listener in place of gateways. */
export class Service {
  readonly frames: Users[] = [];
  readonly published: Receipt[] = [];
  /** Users that do not exist. */
  readonly unknown = new Set<string>();

  private constructor(
    readonly broker: InProcessBroker,
    private readonly registry: Registry,
    readonly traces: Traces,
    private readonly running: Running,
  ) {}

  static async start(database: Database): Promise<Service> {
    const broker = createInProcessBroker({ service: 'spec', logger: quiet });
    const registry = createMemoryRegistry();
    const traces = createMemoryTraces();
    await broker.start();
    const service = new Service(
      broker,
      registry,
      traces,
      await startHistory({ broker, database, registry, traces, logger: quiet }),
    );
    await broker.listen({
      events: ['receipt.updated.v1'],
      onPush: (frame) => void (frame.kind === 'users' && service.frames.push(frame)),
      onEvent: (_name, event) => void service.published.push((event as { receipt: Receipt }).receipt),
      onGap: () => undefined,
    });
    await broker.serve('auth', {
      requests: new Map([['users.known.v1', async ({ payload }) => service.known(payload as { userIds: string[] })]]),
      events: new Map(),
    });
    return service;
  }

  async stop(): Promise<void> {
    await this.running.stop();
    await this.registry.close();
    await this.broker.close();
  }

  /** Connects a user at this gateway. */
  async connect(userId = newId()): Promise<string> {
    await this.registry.add({ connectionId: newId(), userId, gatewayId: this.broker.instance });
    return userId;
  }

  ask<N extends Asked>(
    name: N,
    userId: string,
    input: RequestPayload<N>['input'],
    connectionId?: string,
  ): Promise<RequestAnswer<N>> {
    const caller = {
      requestId: newId(),
      userId,
      sessionId: newId(),
      kind: 'person' as const,
      ...(connectionId === undefined ? {} : { connectionId }),
    };
    return this.broker.request(name, { caller, input } as RequestPayload<N>);
  }

  async receipt(
    kind: 'delivered' | 'read',
    userId: string,
    conversationId: string,
    seq: number,
    connectionId?: string,
  ): Promise<Receipt> {
    const input: CallInput<'receipt.read'> = { conversationId, seq };
    return (await this.ask(`receipt.${kind}.v1`, userId, input, connectionId)).receipt;
  }

  pushed<E extends ServerEventName>(
    userId: string,
    event: E,
  ): { payload: ServerEvent<E>; except: string | undefined }[] {
    return this.frames
      .filter((frame) => frame.users.includes(userId) && frame.event === event)
      .map(({ payload, except }) => ({ payload: payload as ServerEvent<E>, except }));
  }

  /** All items of a list, read by pages of `limit`. */
  async all<
    N extends Extract<
      Asked,
      | 'conversation.public.v1'
      | 'conversation.list.v1'
      | 'message.pins.v1'
      | 'notification.list.v1'
      | 'message.files.v1'
      | 'message.edits.v1'
      | 'message.search.v1'
      | 'contact.list.v1'
      | 'block.list.v1'
    >,
  >(
    name: N,
    userId: string,
    input: RequestPayload<N>['input'],
    limit = 2,
  ): Promise<RequestAnswer<N>['items'][number][]> {
    const items: RequestAnswer<N>['items'][number][] = [];
    for (let cursor: string | undefined; ;) {
      const page = await this.ask(name, userId, { ...input, limit, ...(cursor === undefined ? {} : { cursor }) });
      items.push(...page.items);
      ({ nextCursor: cursor } = page);
      if (cursor === undefined) return items;
    }
  }

  private known({ userIds }: { userIds: string[] }) {
    const users = userIds.filter((id) => !this.unknown.has(id));
    return {
      users: users.map((id) => ({
        id,
        username: `u-${id.slice(-8)}`,
        displayName: 'Somebody',
        kind: 'person',
        createdAt: new Date().toISOString(),
      })),
    };
  }
}
