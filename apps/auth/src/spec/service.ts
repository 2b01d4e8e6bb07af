/** The auth service as specs use it: with an in-process broker, on either engine. */
import { createInProcessBroker, type Broker } from '@parley/broker';
import {
  ChatError,
  newId,
  type Actor,
  type Caller,
  type DomainEvent,
  type DomainEventName,
  type RequestAnswer,
  type RequestName,
  type RequestPayload,
  type Session,
} from '@parley/contracts';
import { createLogger, type Running } from '@parley/service-kit';
import type { Database } from '@parley/store';
import { eventually } from '@parley/testing';
import { createLocalJWKSet, jwtVerify, type JWTVerifyResult } from 'jose';
import { expect } from 'vitest';
import type { AuthSettings } from '../settings.js';
import { startAuth } from '../start.js';

const logger = createLogger('spec', 'silent');
type Input<N extends RequestName> = RequestPayload<N> extends { input: infer I } ? I : never;

let counted = 0;
/** A username that no other test uses. */
export const uniqueName = (start = 'user'): string => `${start}${++counted}_${Math.random().toString(36).slice(2, 8)}`;
export const PASSWORD = 'correct horse battery';

/** The caller with the token of `session`, as the gateway passes it. */
export const as = ({ user, sessionId }: Session): Actor => ({
  requestId: newId(),
  userId: user.id,
  sessionId,
  kind: user.kind,
  address: '192.0.2.7',
});
export const nobody = (): Caller => ({ requestId: newId(), address: '192.0.2.7' });

/** The reasons of all rejected promises. */
export const reasons = (results: readonly PromiseSettledResult<unknown>[]): unknown[] =>
  results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
/** Expects a call to be refused with a code. */
export const refused = (call: Promise<unknown>, code: string): Promise<void> =>
  expect(call).rejects.toMatchObject({ name: 'ChatError', code });

export class AuthService {
  /** Uploaded images and their uploaders. */
  readonly pictures = new Map<string, string>();
  /** The public picture of each user. */
  readonly published = new Map<string, string | undefined>();
  /** Requests to delete webhooks, and whether they are refused. */
  readonly purges: RequestPayload<'webhook.purge.v1'>[] = [];
  refusesPurges = false;
  /** Called before a picture is published. */
  onPublish: (attachmentId: string | undefined) => Promise<void> = () => Promise.resolve();
  readonly events: { name: DomainEventName; event: unknown }[] = [];

  private constructor(
    readonly broker: Broker,
    readonly database: Database,
    private readonly running: Running,
    private readonly own: Broker,
  ) {}

  /** `tamper` may wrap the service's broker. */
  static async start(
    database: Database,
    settings: Partial<AuthSettings> = {},
    tamper: (broker: Broker) => Broker = (broker) => broker,
  ): Promise<AuthService> {
    const broker = createInProcessBroker({ service: 'auth', logger });
    await broker.start();
    const running = await startAuth({ broker: tamper(broker), database, logger, settings });
    const service = new AuthService(broker, database, running, broker);
    await broker.listen({
      events: ['session.revoked.v1', 'user.updated.v1'],
      onPush: () => undefined,
      onEvent: (name, event) => void service.events.push({ name, event }),
      onGap: () => undefined,
    });
    await broker.serve('messages', {
      requests: new Map([
        [
          'attachment.publishable.v1',
          async ({ payload }) => service.requirePicture(payload as RequestPayload<'attachment.publishable.v1'>),
        ],
        [
          'webhook.purge.v1',
          async ({ payload }) => {
            if (service.refusesPurges) throw new ChatError('unavailable');
            service.purges.push(payload as RequestPayload<'webhook.purge.v1'>);
            return {};
          },
        ],
        [
          'attachment.publish.v1',
          async ({ payload }) => service.publish(payload as RequestPayload<'attachment.publish.v1'>),
        ],
      ]),
      events: new Map(),
    });
    return service;
  }

  private requirePicture({ userId, attachmentId }: RequestPayload<'attachment.publishable.v1'>): object {
    if (this.pictures.get(attachmentId) !== userId) throw new ChatError('not_found');
    return {};
  }
  private async publish({ userId, attachmentId }: RequestPayload<'attachment.publish.v1'>): Promise<object> {
    await this.onPublish(attachmentId);
    this.published.set(userId, attachmentId);
    return {};
  }

  async stop(): Promise<void> {
    await this.running.stop();
    await this.own.close();
  }

  call<N extends RequestName>(name: N, caller: Caller, input: Input<N>): Promise<RequestAnswer<N>> {
    return this.broker.request(name, { caller, input } as unknown as RequestPayload<N>);
  }

  register(
    username = uniqueName(),
    more: Partial<Input<'auth.register.v1'>> = {},
    caller: Caller = nobody(),
  ): Promise<Session> {
    return this.call('auth.register.v1', caller, { username, password: PASSWORD, ...more });
  }
  login(username: string, password = PASSWORD): Promise<Session> {
    return this.call('auth.login.v1', nobody(), { username, password, deviceName: 'telephone' });
  }
  refresh(refreshToken: string): Promise<Session> {
    return this.call('auth.refresh.v1', nobody(), { refreshToken });
  }

  /** Verifies an access token with the published keys. */
  async claimsOf(accessToken: string): Promise<JWTVerifyResult> {
    const keys = createLocalJWKSet((await this.broker.request('auth.keys.v1', {})) as never);
    return jwtVerify(accessToken, keys, { issuer: 'parley', audience: 'parley', typ: 'at+jwt', algorithms: ['ES256'] });
  }

  /** Waits for an event that passes `check`. */
  async heard<N extends DomainEventName>(
    wanted: N,
    check: (event: DomainEvent<N>) => boolean,
  ): Promise<DomainEvent<N>> {
    return eventually(() => {
      const found = this.events.find(({ name, event }) => name === wanted && check(event as DomainEvent<N>));
      if (!found) throw new Error(`no ${wanted}`);
      return found.event as DomainEvent<N>;
    });
  }
  revoked(sessionId: string): Promise<DomainEvent<'session.revoked.v1'>> {
    return this.heard('session.revoked.v1', ({ sessionIds }) => sessionIds.includes(sessionId));
  }
}
