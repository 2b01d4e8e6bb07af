import { BrokerFailure } from '@parley/broker/testing';
import type { Session } from '@parley/contracts';
import { engines, running, type Engine } from '@parley/store/testing';
import { eventually } from '@parley/testing';
import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { as, AuthService, nobody, reasons, refused, uniqueName } from '../spec/service.js';

const [[, postgres]] = engines(inject('servers').databaseUrl, 'auth') as [[string, () => Promise<Engine>]];

describe('an auth service whose clock is wrong', () => {
  it.each([-3_600_000, 3_600_000])(
    'issues tokens by the clock of the database when its own is %i ms ahead',
    async (ms) => {
      const { database, close } = await postgres();
      const auth = await AuthService.start(database);
      try {
        const real = Date.now();
        vi.useFakeTimers({ toFake: ['Date'], now: real + ms });
        const { accessToken, accessTokenExpiresAt } = await auth.register().finally(() => void vi.useRealTimers());
        const { iat, exp } = decodeJwt(accessToken);
        expect(Math.abs(iat! * 1000 - real)).toBeLessThan(60_000);
        expect([exp! - iat!, Date.parse(accessTokenExpiresAt)]).toEqual([900, exp! * 1000]);
      } finally {
        await auth.stop();
        await close();
      }
    },
  );
});

describe.each(engines(inject('servers').databaseUrl, 'auth'))('sessions on %s', (name, open) => {
  const on = running(open, (database) => AuthService.start(database));

  it('continue with a new refresh token each time', async () => {
    const first = await on.service.register();
    let current = first;
    for (let turn = 0; turn < 3; turn++) {
      const next = await on.service.refresh(current.refreshToken);
      expect(next).toMatchObject({ user: first.user, sessionId: first.sessionId });
      expect(next.refreshToken).not.toBe(current.refreshToken);
      expect(next.accessToken).not.toBe(current.accessToken);
      current = next;
    }
  });

  it('end when a refresh token is used a second time', async () => {
    const first = await on.service.register();
    const second = await on.service.refresh(first.refreshToken);
    await refused(on.service.refresh(first.refreshToken), 'unauthenticated');
    expect(await on.service.revoked(first.sessionId)).toEqual({
      userId: first.user.id,
      sessionIds: [first.sessionId],
      reason: 'reuse',
    });
    await refused(on.service.refresh(second.refreshToken), 'unauthenticated');
  });

  it('continue once, however many clients use a refresh token at the same time', async () => {
    for (let round = 0; round < 8; round++) {
      const { refreshToken, sessionId } = await on.service.call('auth.guest.v1', nobody(), {});
      const outcomes = await Promise.allSettled(Array.from({ length: 6 }, () => on.service.refresh(refreshToken)));
      const good = outcomes.filter((outcome) => outcome.status === 'fulfilled');
      expect(good).toHaveLength(1);
      for (const reason of reasons(outcomes)) expect(reason).toMatchObject({ code: 'unauthenticated' });
      const [live] = await on.engine.database.query(
        `select count(*) as n from auth.refresh_token where session_id = $1 and spent_at is null`,
        [sessionId],
      );
      expect(live).toEqual({ n: 1 });
      await refused(on.service.refresh(good[0]!.value.refreshToken), 'unauthenticated');
    }
  });

  it('do not continue with tokens that were never issued', async () => {
    for (const token of [
      'x',
      'a'.repeat(43),
      '../../etc/passwd',
      (await on.service.register()).accessToken.slice(0, 500),
    ])
      await refused(on.service.refresh(token), 'unauthenticated');
  });

  it('end at logout, everywhere', async () => {
    const session = await on.service.register();
    expect(await on.service.call('auth.logout.v1', as(session), {})).toEqual({});
    expect(await on.service.revoked(session.sessionId)).toMatchObject({ reason: 'logout' });
    await refused(on.service.refresh(session.refreshToken), 'unauthenticated');
    expect((await on.service.broker.request('auth.revocations.v1', {})).sessionIds).toContain(session.sessionId);
    expect(await on.service.call('auth.logout.v1', as(session), {})).toEqual({});
  });

  it('are listed newest first until they are ended', async () => {
    const first = await on.service.register(uniqueName(), { deviceName: 'laptop' });
    const more = [await on.service.login(first.user.username), await on.service.login(first.user.username)];
    const me = as(first);
    const page = await on.service.call('auth.sessions.v1', me, { limit: 2 });
    const rest = await on.service.call('auth.sessions.v1', me, { limit: 2, cursor: page.nextCursor! });
    expect([...page.items, ...rest.items].map(({ id }) => id)).toEqual([
      more[1]!.sessionId,
      more[0]!.sessionId,
      first.sessionId,
    ]);
    expect(rest.nextCursor).toBeUndefined();
    expect(rest.items[0]).toMatchObject({ deviceName: 'laptop', address: '192.0.2.7', current: true });
    expect(page.items[0]).toMatchObject({ deviceName: 'telephone', current: false });

    await on.service.call('auth.end.v1', me, { sessionId: more[0]!.sessionId });
    expect(await on.service.revoked(more[0]!.sessionId)).toMatchObject({
      reason: 'ended',
      sessionIds: [more[0]!.sessionId],
    });
    expect((await on.service.call('auth.sessions.v1', me, {})).items).toHaveLength(2);
    await refused(on.service.call('auth.end.v1', me, { sessionId: more[0]!.sessionId }), 'not_found');
    const stranger = await on.service.register();
    await refused(on.service.call('auth.end.v1', as(stranger), { sessionId: first.sessionId }), 'not_found');
    expect((await on.service.refresh(first.refreshToken)).sessionId).toBe(first.sessionId);
  });

  it.each([
    'x',
    'dXNlcjphbm5h',
    Buffer.from('session:nonsense').toString('base64url'),
    Buffer.from('session:a').toString('base64'),
  ])('refuse the cursor %s', async (cursor) => {
    await refused(on.service.call('auth.sessions.v1', as(await on.service.register()), { cursor }), 'invalid');
  });

  it('expire without a refresh', async () => {
    const brief = await AuthService.start(on.engine.database, { sessionMs: 400, sweepMs: 50 });
    try {
      const session = await brief.call('auth.guest.v1', nobody(), {});
      expect(await brief.revoked(session.sessionId)).toMatchObject({ reason: 'expired', userId: session.user.id });
      await refused(brief.refresh(session.refreshToken), 'unauthenticated');
      // A session's lifetime later its rows are deleted.
      await eventually(
        async () =>
          (await on.engine.database.query('select 1 from auth.session where id = $1', [session.sessionId])).length ===
          0,
      );
    } finally {
      await brief.stop();
    }
  });

  describe('failures of the broker', () => {
    it('delay a revocation but do not lose it', async () => {
      const failure = new BrokerFailure(['publish']).fail(3);
      const flaky = await AuthService.start(on.engine.database, {}, failure.through);
      try {
        const session = await flaky.register();
        await flaky.call('auth.logout.v1', as(session), {});
        expect(await flaky.revoked(session.sessionId)).toMatchObject({ reason: 'logout' });
        expect(failure.count).toBe(3);
      } finally {
        await flaky.stop();
      }
    });
  });

  describe('signing keys', () => {
    it('are one, however many replicas start at the same time', async () => {
      const { database: empty, close } = await open();
      const replicas = await Promise.all(
        Array.from({ length: name === 'Postgres' ? 4 : 2 }, () => AuthService.start(empty)),
      );
      try {
        const keys = await Promise.all(replicas.map((replica) => replica.broker.request('auth.keys.v1', {})));
        expect(new Set(keys.flatMap((set) => set.keys.map((key) => key['kid']))).size).toBe(1);
        const before = await replicas[0]!.register();
        // As a replica does that finds the key too old.
        const eager = await AuthService.start(empty, { signingKeyMs: 1 });
        const after = await eager.register();
        await eager.stop();
        const published = await replicas[1]!.broker.request('auth.keys.v1', {});
        expect(published.keys.length).toBeGreaterThanOrEqual(2);
        const verify = ({ accessToken }: Session) => jwtVerify(accessToken, createLocalJWKSet(published as never));
        const [old, fresh] = [await verify(before), await verify(after)];
        expect(old.protectedHeader.kid).not.toBe(fresh.protectedHeader.kid);
        const rows = await empty.query<{ n: number }>(
          'select count(*) as n from auth.signing_key where retired_at is null',
        );
        expect(rows).toEqual([{ n: 1 }]);
      } finally {
        await Promise.all(replicas.map((replica) => replica.stop()));
        await close();
      }
    });

    describe('in the database', () => {
      const [one, two] = ['one'.repeat(12), 'two'.repeat(12)];
      let engine: Engine;
      beforeAll(async () => void (engine = await open()));
      afterAll(() => engine.close());
      const rows = () =>
        engine.database.query<{ kid: string; private_jwk: Record<string, string> }>(
          'select kid, private_jwk from auth.signing_key order by kid',
        );
      /** Starts a replica with these keys, and returns the tokens' key. */
      const kidWith = async (current?: string, previous?: string): Promise<string> => {
        const service = await AuthService.start(engine.database, { secretKeys: { current, previous } });
        try {
          const { accessToken } = await service.register();
          const { keys } = await service.broker.request('auth.keys.v1', {});
          return (await jwtVerify(accessToken, createLocalJWKSet({ keys } as never))).protectedHeader.kid!;
        } finally {
          await service.stop();
        }
      };
      const refusal = (current?: string, previous?: string): Promise<string> =>
        kidWith(current, previous).then(
          () => 'it started',
          ({ name: kind, message }: Error) => `${kind}: ${message}`,
        );

      it('that were stored as they are sign on, and are encrypted at the start with a key', async () => {
        const kid = await kidWith();
        expect(await rows()).toMatchObject([{ kid, private_jwk: { kty: 'EC', d: expect.any(String) } }]);
        expect(await kidWith(one)).toBe(kid);
        expect(await rows()).toEqual([{ kid, private_jwk: { encrypted: expect.stringMatching(/^encrypted:v1:/) } }]);
        expect(await kidWith(one)).toBe(kid);
      });

      it('keep a replica without their key, or with another, from starting, and are not replaced', async () => {
        const before = await rows();
        expect(await refusal()).toMatch(/^StartError: auth\.signing_key.* is encrypted .* SECRET_KEY is not set/);
        expect(await refusal(two)).toMatch(/^StartError: auth\.signing_key.* under another SECRET_KEY/);
        expect(await rows()).toEqual(before);
      });

      it('are changed over to a new key, also those that are retired, and decrypted when there is none any more', async () => {
        await engine.database.query('update auth.signing_key set retired_at = now()');
        const kid = await kidWith(one);
        expect(await kidWith(two, one)).toBe(kid);
        expect(await refusal(one)).toMatch(/another SECRET_KEY/);
        expect(await kidWith(two)).toBe(kid);
        expect(await kidWith(undefined, two)).toBe(kid);
        for (const { private_jwk } of await rows()) expect(private_jwk).toMatchObject({ kty: 'EC' });
        expect(await rows()).toHaveLength(2);
        expect(await kidWith()).toBe(kid);
      });
    });
  });
});
