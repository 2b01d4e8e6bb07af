import { createInProcessBroker, type InProcessBroker } from '@parley/broker';
import { newId, type CallInput, type PushFrame, type Receipt, type RequestAnswer, type RequestName, type RequestPayload } from '@parley/contracts';
import { createMemoryRegistry, type Registry } from '@parley/realtime';
import type { Running } from '@parley/service-kit';
import type { Database } from '@parley/store';
import { startHistory } from '../start.js';
import { quiet } from '@parley/store/testing';

type Users = Extract<PushFrame, { kind: 'users' }>;
type Asked = Extract<RequestName, `conversation.${string}` | 'sync.v1' | 'unread.list.v1' | 'message.receipts.v1' | `receipt.${string}`>;

/** The history service behind an in-process broker, with a gateway's ear. */
export class Service {
  readonly frames: Users[] = [];
  readonly published: Receipt[] = [];

  private constructor(
    readonly broker: InProcessBroker,
    private readonly registry: Registry,
    private readonly running: Running,
  ) {}

  static async start(database: Database): Promise<Service> {
    const broker = createInProcessBroker({ service: 'spec', logger: quiet });
    const registry = createMemoryRegistry();
    await broker.start();
    const service = new Service(broker, registry, await startHistory({ broker, database, registry, logger: quiet }));
    await broker.listen({
      events: ['receipt.updated.v1'],
      onPush: (frame) => void (frame.kind === 'users' && service.frames.push(frame)),
      onEvent: (_name, event) => void service.published.push((event as { receipt: Receipt }).receipt),
      onGap: () => undefined,
    });
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

  ask<N extends Asked>(name: N, userId: string, input: RequestPayload<N>['input'], connectionId?: string): Promise<RequestAnswer<N>> {
    const caller = { requestId: newId(), userId, sessionId: newId(), kind: 'person' as const, ...(connectionId === undefined ? {} : { connectionId }) };
    return this.broker.request(name, { caller, input } as RequestPayload<N>);
  }

  async receipt(kind: 'delivered' | 'read', userId: string, conversationId: string, seq: number, connectionId?: string): Promise<Receipt> {
    const input: CallInput<'receipt.read'> = { conversationId, seq };
    return (await this.ask(`receipt.${kind}.v1`, userId, input, connectionId)).receipt;
  }

  heard(userId: string, event: 'receipt:updated' | 'unread:changed'): { payload: Receipt; except: string | undefined }[] {
    return this.frames.filter((frame) => frame.users.includes(userId) && frame.event === event).map(({ payload, except }) => ({ payload: payload as Receipt, except }));
  }
}

export const codeOf = (promise: Promise<unknown>): Promise<string> => promise.then(() => 'answered', (error: Error & { code?: string }) => error.code ?? error.message);
export const range = (count: number): number[] => Array.from({ length: count }, (_, at) => at);

/** Numbers from 0 to 1, the same for the same seed (mulberry32, Tommy Ettinger, public domain). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
