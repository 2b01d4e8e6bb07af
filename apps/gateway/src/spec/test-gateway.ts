import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createInProcessBroker, type Broker, type Delivery, type InstanceListener, type Serving } from '@parley/broker';
import {
  newId,
  requests,
  type PushFrame,
  type RequestName,
  type RequestPayload,
  type Service,
  type ServerEvent,
  type User,
} from '@parley/contracts';
import {
  createMemoryLimiters,
  createMemoryRegistry,
  createMemoryTraces,
  type Registry,
  type Traces,
} from '@parley/realtime';
import { createLogger, Health, loadConfig } from '@parley/service-kit';
import { eventually } from '@parley/testing';
import { SignJWT } from 'jose';
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import { gatewayConfig } from '../config.js';
import { startGateway, type Gateway, type GatewayDependencies } from '../start.js';

export interface Person {
  readonly user: User;
  readonly sessionId: string;
}
export type Ready = ServerEvent<'session:ready'>;
export interface Device extends Person {
  readonly socket: Socket;
  readonly ready: Ready;
}
type Handle<N extends RequestName> = (payload: RequestPayload<N>, delivery: Delivery) => unknown;
type Handles = { [N in RequestName]?: Handle<N> };
const pick = (handles: Handles, service: Service): Handles =>
  Object.fromEntries(Object.entries(handles).filter(([name]) => requests[name as RequestName].service === service));

type SharedDependencies = Partial<Pick<GatewayDependencies, 'broker' | 'registry' | 'limiters'>>;

interface TokenChanges {
  readonly header?: Record<string, unknown>;
  readonly claims?: Record<string, unknown>;
  readonly key?: KeyObject | Uint8Array;
}

/** A gateway with the in-process broker, and small stand-ins for the services that answer through it. */
export class TestGateway {
  readonly people = new Map<string, User>();
  readonly revoked: string[] = [];
  readonly keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  readonly kid = newId();
  /** Milliseconds that auth's clock is ahead of the gateway's. */
  authAheadMs = 0;
  private readonly sockets: Socket[] = [];
  private readonly servings: Serving[] = [];

  private constructor(
    readonly broker: Broker,
    readonly registry: Registry,
    readonly traces: Traces,
    readonly health: Health,
    readonly logged: string[],
  ) {}
  server!: Gateway;
  /** The gateway as the broker sees it. */
  listener!: InstanceListener;

  /** `environment` is the configuration as an operator writes it. Dependencies are in memory unless given. */
  static async start(
    environment: Record<string, string> = {},
    before: (gateway: TestGateway) => unknown = (gateway) => gateway.serveBasics(),
    shared: SharedDependencies = {},
  ): Promise<TestGateway> {
    const logged: string[] = [];
    const logger = createLogger('gateway', 'warn', { write: (line: string) => void logged.push(line) });
    const {
      broker = createInProcessBroker({ service: 'gateway', logger }),
      registry = createMemoryRegistry(),
      limiters = createMemoryLimiters(),
    } = shared;
    await broker.start();
    const traces = createMemoryTraces();
    const gateway = new TestGateway(broker, registry, traces, new Health('gateway'), logged);
    await before(gateway);
    const config = loadConfig(gatewayConfig, {
      PORT: '0',
      HOST: '127.0.0.1',
      SHUTDOWN_GRACE_MS: '2000',
      ...environment,
    });
    const listen = broker.listen.bind(broker);
    broker.listen = (listener) => listen((gateway.listener = listener));
    gateway.server = await startGateway({
      mode: 'cluster',
      config,
      broker,
      registry: gateway.registry,
      limiters,
      traces,
      logger,
      health: gateway.health,
    });
    gateway.health.open();
    return gateway;
  }

  /** Serves the requests to auth and history that a gateway needs to accept connections. */
  async serveBasics(more: Handles = {}): Promise<void> {
    const jwk = { ...this.keys.publicKey.export({ format: 'jwk' }), kid: this.kid, alg: 'ES256', use: 'sig' };
    await this.serve('auth', {
      'auth.keys.v1': () => ({ keys: [jwk] }),
      'auth.revocations.v1': () => ({ sessionIds: this.revoked, at: Date.now() + this.authAheadMs }),
      'users.known.v1': ({ userIds }) => ({ users: userIds.flatMap((id) => this.people.get(id) ?? []) }),
      ...pick(more, 'auth'),
    });
    await this.serve('history', { 'history.epoch.v1': () => ({ epoch: 'e1' }), ...pick(more, 'history') });
    for (const service of ['messages', 'presence'] as const) await this.serve(service, pick(more, service));
  }

  async serve(service: Service, handlers: Handles): Promise<Serving> {
    const requests = Object.entries(handlers).map(([name, handle]) => {
      const answer = async (delivery: Delivery) => (handle as Handle<RequestName>)(delivery.payload as never, delivery);
      return [name, answer] as const;
    });
    const serving = await this.broker.serve(service, { requests: new Map(requests), events: new Map() });
    this.servings.push(serving);
    return serving;
  }

  person(kind: User['kind'] = 'person'): Person {
    const id = newId();
    const user: User = {
      id,
      username: `u-${id.slice(-8)}`,
      displayName: 'Somebody',
      kind,
      createdAt: new Date().toISOString(),
    };
    this.people.set(id, user);
    return { user, sessionId: newId() };
  }

  token(person: Person, { header = {}, claims = {}, key = this.keys.privateKey }: TokenChanges = {}): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const payload = {
      sub: person.user.id,
      sid: person.sessionId,
      kind: person.user.kind,
      iss: 'parley',
      aud: 'parley',
      iat: now,
      exp: now + 900,
      ...claims,
    };
    const cleaned = Object.fromEntries(Object.entries(payload).filter(([, value]) => value !== undefined));
    return new SignJWT(cleaned).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: this.kid, ...header }).sign(key);
  }

  /** A socket that begins to connect. */
  dial(auth: Record<string, unknown>, options: Partial<ManagerOptions & SocketOptions> = {}): Socket {
    const socket = io(this.server.url, {
      auth,
      transports: ['websocket'],
      forceNew: true,
      reconnectionDelay: 50,
      reconnectionDelayMax: 100,
      ...options,
    });
    this.sockets.push(socket);
    return socket;
  }

  /** A device that has received `session:ready`. */
  async connect(
    person: Person = this.person(),
    options: Partial<ManagerOptions & SocketOptions> = {},
    token?: string,
  ): Promise<Device> {
    const socket = this.dial({ token: token ?? (await this.token(person)) }, options);
    const ready = await new Promise<Ready>((resolve, reject) => {
      socket.once('session:ready', resolve);
      socket.once('connect_error', reject);
    });
    return { ...person, socket, ready };
  }

  push(frame: PushFrame): Promise<void> {
    return this.broker.push(this.broker.instance, frame);
  }

  fetch(path: string, init: RequestInit & { token?: string; json?: unknown } = {}): Promise<Response> {
    const { token, json, headers, ...rest } = init;
    return fetch(`${this.server.url}${path}`, {
      ...rest,
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      headers: {
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(headers as Record<string, string>),
      },
    });
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.disconnect();
    await this.server.stop();
    for (const serving of this.servings) await serving.stop(100);
    await this.broker.close();
    await this.registry.close();
    await this.health.close();
  }
}

/** Collects the payloads of an event that arrive at a socket from now on. */
export function heard<T>(socket: Socket, event: string): T[] {
  const payloads: T[] = [];
  socket.on(event, (payload: T) => void payloads.push(payload));
  return payloads;
}

/** All acknowledgements of one event, at least one. */
export async function acknowledgements(
  socket: Socket,
  ...event: readonly unknown[]
): Promise<{ ok: boolean; data?: unknown; error?: { code: string } & Record<string, unknown> }[]> {
  const answers: never[] = [];
  (socket.emit as (...args: unknown[]) => void)(...event, (answer: never) => void answers.push(answer));
  await eventually(() => answers.length > 0);
  return answers;
}

export const answerTo = async (socket: Socket, ...event: readonly unknown[]) =>
  (await acknowledgements(socket, ...event))[0]!;
