import { BrokerFailure } from '@parley/broker/testing';
import { ChatError, newId, Session } from '@parley/contracts';
import type { Database } from '@parley/store';
import { memoryDatabase, SpecDatabase } from '@parley/store/testing';
import { eventually } from '@parley/testing';
import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { as, AuthService, nobody, PASSWORD, uniqueName } from './spec/service.js';

const engines = {
  Postgres: async () => {
    const own = await SpecDatabase.create(inject('servers').databaseUrl);
    // As in a cluster: only statements that the role may execute succeed.
    return { database: await own.connect('auth'), close: () => own.drop() };
  },
  PGlite: async () => {
    const database = await memoryDatabase();
    return { database, close: () => database.close() };
  },
};
const reasons = (outcomes: PromiseSettledResult<unknown>[]): unknown[] =>
  outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
const refused = (call: Promise<unknown>, code: string) =>
  expect(call).rejects.toMatchObject({ name: 'ChatError', code });

describe('an auth service whose clock is wrong', () => {
  it.each([-3_600_000, 3_600_000])(
    'issues tokens by the clock of the database when its own is %i ms ahead',
    async (ms) => {
      const { database, close } = await engines.Postgres();
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

describe.each(Object.entries(engines))('the auth service on %s', (engine, open) => {
  let database: Database;
  let close: () => Promise<void>;
  let auth: AuthService;
  beforeAll(async () => {
    ({ database, close } = await open());
    auth = await AuthService.start(database);
  });
  afterAll(async () => {
    await auth.stop();
    await close();
  });
  const claimsOf = async (accessToken: string) => {
    const keys = createLocalJWKSet((await auth.broker.request('auth.keys.v1', {})) as never);
    return jwtVerify(accessToken, keys, { issuer: 'parley', audience: 'parley', typ: 'at+jwt', algorithms: ['ES256'] });
  };

  describe('accounts', () => {
    it('register a person, whose access token verifies with the published keys', async () => {
      const session = await auth.register('First.Person', { displayName: 'The First', email: 'first@example.org' });
      expect(Session.parse(session)).toEqual(session);
      expect(session.user).toMatchObject({ username: 'first.person', displayName: 'The First', kind: 'person' });
      const { payload, protectedHeader } = await claimsOf(session.accessToken);
      expect(payload).toMatchObject({ sub: session.user.id, sid: session.sessionId, kind: 'person' });
      expect(payload.exp! - payload.iat!).toBe(900);
      expect(new Date(session.accessTokenExpiresAt).getTime()).toBe(payload.exp! * 1000);
      expect(protectedHeader).toMatchObject({ alg: 'ES256', typ: 'at+jwt', kid: expect.any(String) });
      const { keys } = await auth.broker.request('auth.keys.v1', {});
      for (const key of keys)
        expect(Object.keys(key).toSorted()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
    });

    it('are unique per username, ignoring case, also for concurrent registrations', async () => {
      const name = uniqueName('wanted');
      const outcomes = await Promise.allSettled(
        [name, name.toUpperCase(), name, `W${name.slice(1)}`].map((each) => auth.register(each)),
      );
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      for (const reason of reasons(outcomes)) expect(reason).toMatchObject({ code: 'conflict' });
      expect((await auth.login(name.toUpperCase())).user.username).toBe(name);
    });

    it('answer a wrong name and a wrong password alike', async () => {
      const { user } = await auth.register();
      const answers = await Promise.all(
        [
          auth.login(user.username, 'not the password'),
          auth.login(uniqueName('unknown')),
          auth.login('not even; a name'),
        ].map((login) => login.catch((error: unknown) => error)),
      );
      for (const answer of answers)
        expect((answer as ChatError).toBody()).toEqual({
          code: 'unauthenticated',
          message: 'wrong username or password',
        });
    });

    it('store neither the password nor the refresh token', async () => {
      const session = await auth.register();
      const rows = await database.query(
        `select row_to_json(c) as row from auth.credential c union all select row_to_json(t) from auth.refresh_token t`,
      );
      const stored = JSON.stringify(rows);
      expect(stored).toContain('$argon2id$v=19$m=19456,t=2,p=1$');
      expect(stored).not.toContain(PASSWORD);
      expect(stored).not.toContain(session.refreshToken);
      expect(stored).not.toContain(Buffer.from(session.refreshToken).toString('hex'));
    });

    it('give guests readable, unique names', async () => {
      const guests = await Promise.all(Array.from({ length: 10 }, () => auth.call('auth.guest.v1', nobody(), {})));
      for (const { user } of guests) {
        expect(user.kind).toBe('guest');
        expect(user.username).toMatch(/^[a-z]+-[a-z]+-\d+$/);
        expect(user.displayName).toMatch(/^[A-Z][a-z]+ [A-Z][a-z]+$/);
      }
      expect(new Set(guests.map(({ user }) => user.username)).size).toBe(10);
      const named = await auth.call('auth.guest.v1', nobody(), { displayName: 'Zoë' });
      expect(named.user).toMatchObject({ displayName: 'Zoë', kind: 'guest' });
    });

    it('turn a guest into a person with the same id and session', async () => {
      const guest = await auth.call('auth.guest.v1', nobody(), { displayName: 'Visitor' });
      const name = uniqueName('stayed');
      const person = await auth.register(name, { email: 'a@example.org' }, as(guest));
      expect(person.user).toEqual({ ...guest.user, username: name, kind: 'person' });
      expect(person.sessionId).toBe(guest.sessionId);
      expect((await claimsOf(person.accessToken)).payload).toMatchObject({ sub: guest.user.id, kind: 'person' });
      expect((await auth.heard('user.updated.v1', ({ user }) => user.id === guest.user.id)).user).toEqual(person.user);
      expect((await auth.login(name)).user.id).toBe(guest.user.id);
      await refused(auth.register(uniqueName(), {}, as(guest)), 'conflict');
      expect((await auth.refresh(person.refreshToken)).user.kind).toBe('person');
    });

    it('do not turn a guest into a person when the session has ended or the username is taken', async () => {
      const [guest, other] = await Promise.all([auth.call('auth.guest.v1', nobody(), {}), auth.register()]);
      await refused(auth.register(other.user.username, {}, as(guest)), 'conflict');
      await auth.call('auth.logout.v1', as(guest), {});
      await refused(auth.register(uniqueName(), {}, as(guest)), 'unauthenticated');
      expect((await auth.call('user.get.v1', as(other), { userId: guest.user.id })).user).toEqual(guest.user);
    });

    it('are created again for a person who registers again', async () => {
      const first = await auth.register();
      const second = await auth.register(uniqueName(), {}, as(first));
      expect(second.user.id).not.toBe(first.user.id);
      expect((await auth.refresh(first.refreshToken)).user).toEqual(first.user);
    });
  });

  describe('sessions', () => {
    it('continue with a new refresh token each time', async () => {
      const first = await auth.register();
      let current = first;
      for (let turn = 0; turn < 3; turn++) {
        const next = await auth.refresh(current.refreshToken);
        expect(next).toMatchObject({ user: first.user, sessionId: first.sessionId });
        expect(next.refreshToken).not.toBe(current.refreshToken);
        expect(next.accessToken).not.toBe(current.accessToken);
        current = next;
      }
    });

    it('end when a refresh token is used a second time', async () => {
      const first = await auth.register();
      const second = await auth.refresh(first.refreshToken);
      await refused(auth.refresh(first.refreshToken), 'unauthenticated');
      expect(await auth.revoked(first.sessionId)).toEqual({
        userId: first.user.id,
        sessionIds: [first.sessionId],
        reason: 'reuse',
      });
      await refused(auth.refresh(second.refreshToken), 'unauthenticated');
    });

    it('continue once, however many clients use a refresh token at the same time', async () => {
      for (let round = 0; round < 8; round++) {
        const { refreshToken, sessionId } = await auth.call('auth.guest.v1', nobody(), {});
        const outcomes = await Promise.allSettled(Array.from({ length: 6 }, () => auth.refresh(refreshToken)));
        const good = outcomes.filter((outcome) => outcome.status === 'fulfilled');
        expect(good).toHaveLength(1);
        for (const reason of reasons(outcomes)) expect(reason).toMatchObject({ code: 'unauthenticated' });
        const [live] = await database.query(
          `select count(*) as n from auth.refresh_token where session_id = $1 and spent_at is null`,
          [sessionId],
        );
        expect(live).toEqual({ n: 1 });
        await refused(auth.refresh(good[0]!.value.refreshToken), 'unauthenticated');
      }
    });

    it('do not continue with tokens that were never issued', async () => {
      for (const token of ['x', 'a'.repeat(43), '../../etc/passwd', (await auth.register()).accessToken.slice(0, 500)])
        await refused(auth.refresh(token), 'unauthenticated');
    });

    it('end at logout, everywhere', async () => {
      const session = await auth.register();
      expect(await auth.call('auth.logout.v1', as(session), {})).toEqual({});
      expect(await auth.revoked(session.sessionId)).toMatchObject({ reason: 'logout' });
      await refused(auth.refresh(session.refreshToken), 'unauthenticated');
      expect((await auth.broker.request('auth.revocations.v1', {})).sessionIds).toContain(session.sessionId);
      expect(await auth.call('auth.logout.v1', as(session), {})).toEqual({});
    });

    it('are listed newest first, page by page, and ended one by one', async () => {
      const first = await auth.register(uniqueName(), { deviceName: 'laptop' });
      const more = [await auth.login(first.user.username), await auth.login(first.user.username)];
      const me = as(first);
      const page = await auth.call('auth.sessions.v1', me, { limit: 2 });
      const rest = await auth.call('auth.sessions.v1', me, { limit: 2, cursor: page.nextCursor! });
      expect([...page.items, ...rest.items].map(({ id }) => id)).toEqual([
        more[1]!.sessionId,
        more[0]!.sessionId,
        first.sessionId,
      ]);
      expect(rest.nextCursor).toBeUndefined();
      expect(rest.items[0]).toMatchObject({ deviceName: 'laptop', address: '192.0.2.7', current: true });
      expect(page.items[0]).toMatchObject({ deviceName: 'telephone', current: false });

      await auth.call('auth.end.v1', me, { sessionId: more[0]!.sessionId });
      expect(await auth.revoked(more[0]!.sessionId)).toMatchObject({
        reason: 'ended',
        sessionIds: [more[0]!.sessionId],
      });
      expect((await auth.call('auth.sessions.v1', me, {})).items).toHaveLength(2);
      await refused(auth.call('auth.end.v1', me, { sessionId: more[0]!.sessionId }), 'not_found');
      const stranger = await auth.register();
      await refused(auth.call('auth.end.v1', as(stranger), { sessionId: first.sessionId }), 'not_found');
      expect((await auth.refresh(first.refreshToken)).sessionId).toBe(first.sessionId);
    });

    it.each([
      'x',
      'dXNlcjphbm5h',
      Buffer.from('session:nonsense').toString('base64url'),
      Buffer.from('session:a').toString('base64'),
    ])('refuse the cursor %s', async (cursor) => {
      await refused(auth.call('auth.sessions.v1', as(await auth.register()), { cursor }), 'invalid');
    });

    it('expire without a refresh, and gateways are notified', async () => {
      const brief = await AuthService.start(database, { sessionMs: 400, sweepMs: 50 });
      try {
        const session = await brief.call('auth.guest.v1', nobody(), {});
        expect(await brief.revoked(session.sessionId)).toMatchObject({ reason: 'expired', userId: session.user.id });
        await refused(brief.refresh(session.refreshToken), 'unauthenticated');
        // A session's lifetime later its rows are deleted.
        await eventually(
          async () =>
            (await database.query('select 1 from auth.session where id = $1', [session.sessionId])).length === 0,
        );
      } finally {
        await brief.stop();
      }
    });
  });

  describe('passwords', () => {
    it('change when the current one is given, and every other session ends', async () => {
      const first = await auth.register();
      const other = await auth.login(first.user.username);
      const next = 'a rather different phrase';
      await refused(auth.call('auth.password.v1', as(first), { current: 'not it', next }), 'forbidden');
      expect(await auth.call('auth.password.v1', as(first), { current: PASSWORD, next })).toEqual({});
      expect(await auth.revoked(other.sessionId)).toMatchObject({ reason: 'password', sessionIds: [other.sessionId] });
      await refused(auth.refresh(other.refreshToken), 'unauthenticated');
      expect((await auth.refresh(first.refreshToken)).sessionId).toBe(first.sessionId);
      await refused(auth.login(first.user.username), 'unauthenticated');
      expect((await auth.login(first.user.username, next)).user).toEqual(first.user);
    });

    it('match in every Unicode composition', async () => {
      const { user } = await auth.register(uniqueName(), { password: 'Zoë’s passphrase'.normalize('NFD') });
      expect((await auth.login(user.username, 'Zoë’s passphrase'.normalize('NFC'))).user).toEqual(user);
    });

    it('cannot be changed by guests, who have none', async () => {
      const guest = await auth.call('auth.guest.v1', nobody(), {});
      await refused(
        auth.call('auth.password.v1', as(guest), { current: PASSWORD, next: 'something longer' }),
        'forbidden',
      );
    });
  });

  describe('profiles', () => {
    it('are complete for their owner, and public in part for others', async () => {
      const mine = await auth.register(uniqueName(), { email: 'me@example.org', firstName: 'Ann' });
      expect((await auth.call('user.me.v1', as(mine), {})).user).toEqual({
        ...mine.user,
        email: 'me@example.org',
        firstName: 'Ann',
      });
      const other = await auth.register();
      expect((await auth.call('user.get.v1', as(other), { userId: mine.user.id })).user).toEqual(mine.user);
      await refused(auth.call('user.get.v1', as(other), { userId: newId() }), 'not_found');
    });

    it('change the given fields only, and publish the public part', async () => {
      const mine = await auth.register(uniqueName(), { displayName: 'Before', email: 'me@example.org' });
      const avatarId = newId();
      await refused(auth.call('user.update.v1', as(mine), { displayName: 'After', avatarId }), 'not_found');
      expect((await auth.call('user.me.v1', as(mine), {})).user.displayName).toBe('Before');
      auth.pictures.set(avatarId, mine.user.id);
      const { user } = await auth.call('user.update.v1', as(mine), {
        displayName: 'After',
        avatarId,
        lastName: 'Last',
      });
      expect(user).toEqual({ ...mine.user, displayName: 'After', avatarId, email: 'me@example.org', lastName: 'Last' });
      expect((await auth.heard('user.updated.v1', (event) => event.user.id === user.id)).user).toEqual({
        ...mine.user,
        displayName: 'After',
        avatarId,
      });
      expect((await auth.call('user.me.v1', as(mine), {})).user).toEqual(user);
    });

    it('publish a picture only once they name it', async () => {
      const [mine, other] = [await auth.register(), await auth.register()];
      const avatarId = newId();
      auth.pictures.set(avatarId, mine.user.id);
      await refused(auth.call('user.update.v1', as(mine), { avatarId, username: other.user.username }), 'conflict');
      expect(auth.published.has(mine.user.id)).toBe(false);
      auth.onPublish = () => Promise.reject(new ChatError('unavailable'));
      await refused(auth.call('user.update.v1', as(mine), { avatarId }), 'unavailable');
      auth.onPublish = () => Promise.resolve();
      expect((await auth.heard('user.updated.v1', ({ user }) => user.id === mine.user.id)).user.avatarId).toBe(
        avatarId,
      );
      await auth.call('user.update.v1', as(mine), { avatarId });
      expect(auth.published.get(mine.user.id)).toBe(avatarId);
    });

    it('that change twice concurrently publish the picture that they finally name', async () => {
      const mine = await auth.register();
      const [first, last] = [newId(), newId()];
      for (const id of [first, last]) auth.pictures.set(id, mine.user.id);
      auth.onPublish = async (id) => {
        auth.onPublish = () => Promise.resolve();
        expect(id).toBe(first);
        await auth.call('user.update.v1', as(mine), { avatarId: last });
      };
      await auth.call('user.update.v1', as(mine), { avatarId: first });
      expect((await auth.call('user.me.v1', as(mine), {})).user.avatarId).toBe(last);
      expect(auth.published.get(mine.user.id)).toBe(last);
    });

    it('cannot take an existing username', async () => {
      const [mine, other] = [await auth.register(), await auth.register()];
      await refused(auth.call('user.update.v1', as(mine), { username: other.user.username.toUpperCase() }), 'conflict');
      const renamed = await auth.call('user.update.v1', as(mine), { username: uniqueName('renamed') });
      expect((await auth.login(renamed.user.username)).user.id).toBe(mine.user.id);
      await refused(auth.login(mine.user.username), 'unauthenticated');
    });

    it('are found by a part of either name, in any case and alphabet', async () => {
      const mark = Math.random().toString(36).slice(2, 8);
      const people = [
        await auth.register(`a_${mark}`, { displayName: 'ÜMIT Çelik' }),
        await auth.register(`b.${mark}`, { displayName: `100% ${mark}` }),
        await auth.register(`c-${mark}`, { displayName: 'ПЁТР' }),
      ];
      const find = async (query: string) =>
        (await auth.call('user.list.v1', as(people[0]!), { query })).items.map(({ username }) => username);
      expect(await find(mark.toUpperCase())).toEqual([`a_${mark}`, `b.${mark}`, `c-${mark}`]);
      expect(await find('ümit ç')).toContain(`a_${mark}`);
      expect(await find('пётр')).toContain(`c-${mark}`);
      expect(await find(`0% ${mark}`)).toEqual([`b.${mark}`]);
      expect(await find(`_${mark}`)).toEqual([`a_${mark}`]);
      expect(await find(`%${mark}`)).toEqual([]);
      expect(await find(`\\`)).toEqual([]);
    });

    it('are listed page by page, each once', async () => {
      const mark = `p${Math.random().toString(36).slice(2, 8)}`;
      const names = ['.', '-', '_', '0', 'a'].map((letter) => `${mark}${letter}`);
      const sessions = await Promise.all(names.map((name) => auth.register(name)));
      const seen: string[] = [];
      for (let cursor: string | undefined, more = true; more;) {
        const page = await auth.call('user.list.v1', as(sessions[0]!), {
          query: mark,
          limit: 2,
          ...(cursor === undefined ? {} : { cursor }),
        });
        seen.push(...page.items.map(({ username }) => username));
        cursor = page.nextCursor;
        more = cursor !== undefined;
      }
      expect(seen).toEqual(names.toSorted());
      await refused(auth.call('user.list.v1', as(sessions[0]!), { cursor: 'made-up' }), 'invalid');
    });

    it('are answered together by their ids', async () => {
      const people = [await auth.register(), await auth.register()];
      const { items, nextCursor } = await auth.call('user.list.v1', as(people[0]!), {
        ids: [...people.map(({ user }) => user.id), newId()],
      });
      expect(items.toSorted((a, b) => (a.id < b.id ? -1 : 1))).toEqual(people.map(({ user }) => user));
      expect(nextCursor).toBeUndefined();
    });

    it('are known to the other services', async () => {
      const people = [await auth.register(), await auth.register()];
      const { users } = await auth.broker.request('users.known.v1', {
        userIds: [...people.map(({ user }) => user.id), newId()],
      });
      expect(users.toSorted((a, b) => (a.id < b.id ? -1 : 1))).toEqual(people.map(({ user }) => user));
    });

    it('are found by their usernames', async () => {
      const [anna, ben] = [await auth.register(), await auth.register()];
      const { users } = await auth.broker.request('users.named.v1', {
        usernames: [ben.user.username, uniqueName('nobody'), anna.user.username],
      });
      expect(new Set(users.map(({ id }) => id))).toEqual(new Set([anna.user.id, ben.user.id]));
    });
  });

  describe('failures of the broker', () => {
    it('delay a revocation but do not lose it', async () => {
      const failure = new BrokerFailure(['publish']).fail(3);
      const flaky = await AuthService.start(database, {}, failure.through);
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
    it('are one, however many replicas start at the same time; a rotated key is still published', async () => {
      const { database: empty, close: end } = await open();
      const replicas = await Promise.all(
        Array.from({ length: engine === 'Postgres' ? 4 : 2 }, () => AuthService.start(empty)),
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
        await end();
      }
    });
  });
});
