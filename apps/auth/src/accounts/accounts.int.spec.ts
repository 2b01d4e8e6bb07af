import { ChatError, Session } from '@parley/contracts';
import { engines, running } from '@parley/store/testing';
import { eventually } from '@parley/testing';
import { describe, expect, inject, it } from 'vitest';
import { as, AuthService, nobody, PASSWORD, reasons, refused, uniqueName } from '../spec/service.js';

describe.each(engines(inject('servers').databaseUrl, 'auth'))('accounts on %s', (_, open) => {
  const on = running(open, (database) => AuthService.start(database));

  it('register a person, whose access token verifies with the published keys', async () => {
    const session = await on.service.register('First.Person', { displayName: 'The First', email: 'first@example.org' });
    expect(Session.parse(session)).toEqual(session);
    expect(session.user).toMatchObject({ username: 'first.person', displayName: 'The First', kind: 'person' });
    const { payload, protectedHeader } = await on.service.claimsOf(session.accessToken);
    expect(payload).toMatchObject({ sub: session.user.id, sid: session.sessionId, kind: 'person' });
    expect(payload.exp! - payload.iat!).toBe(900);
    expect(new Date(session.accessTokenExpiresAt).getTime()).toBe(payload.exp! * 1000);
    expect(protectedHeader).toMatchObject({ alg: 'ES256', typ: 'at+jwt', kid: expect.any(String) });
    const { keys } = await on.service.broker.request('auth.keys.v1', {});
    for (const key of keys) expect(Object.keys(key).toSorted()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
  });

  it('are unique per username, ignoring case, also for concurrent registrations', async () => {
    const name = uniqueName('wanted');
    const outcomes = await Promise.allSettled(
      [name, name.toUpperCase(), name, `W${name.slice(1)}`].map((each) => on.service.register(each)),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const reason of reasons(outcomes)) expect(reason).toMatchObject({ code: 'conflict' });
    expect((await on.service.login(name.toUpperCase())).user.username).toBe(name);
  });

  it('answer a wrong name and a wrong password alike', async () => {
    const { user } = await on.service.register();
    const answers = await Promise.all(
      [
        on.service.login(user.username, 'not the password'),
        on.service.login(uniqueName('unknown')),
        on.service.login('not even; a name'),
      ].map((login) => login.catch((error: unknown) => error)),
    );
    for (const answer of answers)
      expect((answer as ChatError).toBody()).toEqual({
        code: 'unauthenticated',
        message: 'wrong username or password',
      });
  });

  it('store neither the password nor the refresh token', async () => {
    const session = await on.service.register();
    const rows = await on.engine.database.query(
      `select row_to_json(c) as row from auth.credential c union all select row_to_json(t) from auth.refresh_token t`,
    );
    const stored = JSON.stringify(rows);
    expect(stored).toContain('$argon2id$v=19$m=19456,t=2,p=1$');
    expect(stored).not.toContain(PASSWORD);
    expect(stored).not.toContain(session.refreshToken);
    expect(stored).not.toContain(Buffer.from(session.refreshToken).toString('hex'));
  });

  it('give guests readable, unique names', async () => {
    const guests = await Promise.all(Array.from({ length: 10 }, () => on.service.call('auth.guest.v1', nobody(), {})));
    for (const { user } of guests) {
      expect(user.kind).toBe('guest');
      expect(user.username).toMatch(/^[a-z]+-[a-z]+-\d+$/);
      expect(user.displayName).toMatch(/^[A-Z][a-z]+ [A-Z][a-z]+$/);
    }
    expect(new Set(guests.map(({ user }) => user.username)).size).toBe(10);
    const named = await on.service.call('auth.guest.v1', nobody(), { displayName: 'Zoë' });
    expect(named.user).toMatchObject({ displayName: 'Zoë', kind: 'guest' });
  });

  it('turn a guest into a person with the same id and session', async () => {
    const guest = await on.service.call('auth.guest.v1', nobody(), { displayName: 'Visitor' });
    const name = uniqueName('stayed');
    const { refreshToken } = guest;
    const person = await on.service.register(name, { email: 'a@example.org', refreshToken }, as(guest));
    expect(person.user).toEqual({ ...guest.user, username: name, kind: 'person' });
    expect(person.sessionId).toBe(guest.sessionId);
    expect((await on.service.claimsOf(person.accessToken)).payload).toMatchObject({
      sub: guest.user.id,
      kind: 'person',
    });
    expect((await on.service.heard('user.updated.v1', ({ user }) => user.id === guest.user.id)).user).toEqual(
      person.user,
    );
    expect((await on.service.login(name)).user.id).toBe(guest.user.id);
    await refused(on.service.register(uniqueName(), { refreshToken }, as(guest)), 'conflict');
    expect((await on.service.refresh(person.refreshToken)).user.kind).toBe('person');
  });

  it('do not turn a guest into a person when the session has ended or the username is taken', async () => {
    const [guest, other] = await Promise.all([on.service.call('auth.guest.v1', nobody(), {}), on.service.register()]);
    const { refreshToken } = guest;
    await refused(on.service.register(other.user.username, { refreshToken }, as(guest)), 'conflict');
    await on.service.call('auth.logout.v1', as(guest), {});
    await refused(on.service.register(uniqueName(), { refreshToken }, as(guest)), 'unauthenticated');
    expect((await on.service.call('user.get.v1', as(other), { userId: guest.user.id })).user).toEqual(guest.user);
  });

  it('do not turn a guest into a person without the present refresh token of that session', async () => {
    const [guest, another] = await Promise.all([1, 2].map(() => on.service.call('auth.guest.v1', nobody(), {})));
    const { refreshToken } = await on.service.refresh(guest!.refreshToken);
    for (const stolen of [undefined, 'made up', guest!.refreshToken, another!.refreshToken, guest!.accessToken])
      await refused(
        on.service.register(uniqueName(), stolen === undefined ? {} : { refreshToken: stolen }, as(guest!)),
        'forbidden',
      );
    expect((await on.service.call('user.me.v1', as(guest!), {})).user.kind).toBe('guest');
    expect((await on.service.register(uniqueName(), { refreshToken }, as(guest!))).user.id).toBe(guest!.user.id);
    // Without a guest's token it means nothing.
    expect((await on.service.register(uniqueName(), { refreshToken })).user.kind).toBe('person');
  });

  it('are created again for a person who registers again', async () => {
    const first = await on.service.register();
    const second = await on.service.register(uniqueName(), {}, as(first));
    expect(second.user.id).not.toBe(first.user.id);
    expect((await on.service.refresh(first.refreshToken)).user).toEqual(first.user);
  });

  describe('passwords', () => {
    it('that are common, or the username, are refused wherever one is chosen', async () => {
      const name = uniqueName('somebody.');
      const guest = await on.service.call('auth.guest.v1', nobody(), {});
      const { refreshToken } = guest;
      const person = await on.service.register(name);
      for (const [password, username] of [
        ['Password1!', uniqueName()],
        [`${name.toUpperCase()}_2024!`, name],
      ] as const) {
        await refused(on.service.register(username, { password }), 'invalid');
        await refused(on.service.register(username, { password, refreshToken }, as(guest)), 'invalid');
        const change = on.service.call('auth.password.v1', as(person), { current: PASSWORD, next: password });
        await expect(change).rejects.toMatchObject({ code: 'invalid', details: [{ path: 'next' }] });
      }
      expect((await on.service.login(name)).user.id).toBe(person.user.id);
    });

    it('that are the displayed name are refused, also the one that a guest has', async () => {
      const [displayName, password] = ['Zdenka Novotná', 'zdenka-novotna-2024'];
      const shown = await on.service.call('auth.guest.v1', nobody(), { displayName });
      const person = await on.service.register(uniqueName(), { displayName });
      await refused(on.service.register(uniqueName(), { displayName, password }), 'invalid');
      const { refreshToken } = shown;
      await refused(on.service.register(uniqueName(), { password, refreshToken }, as(shown)), 'invalid');
      const change = on.service.call('auth.password.v1', as(person), { current: PASSWORD, next: password });
      await expect(change).rejects.toMatchObject({ code: 'invalid', details: [{ path: 'next' }] });
    });

    it('that are changed end the bots and webhooks of their owner where that is wanted', async () => {
      const owner = await on.service.register();
      const bots = [];
      for (let n = 0; n < 3; n++)
        bots.push(await on.service.call('bot.create.v1', as(owner), { username: uniqueName('bot') }));
      const verify = ({ token }: { token: string }) => on.service.broker.request('auth.bot.v1', { token });
      const { userId: _first, sessionId } = await verify(bots[0]!);
      const next = `${PASSWORD} 2`;
      await on.service.call('auth.password.v1', as(owner), { current: PASSWORD, next });
      expect((await verify(bots[0]!)).sessionId).toBe(sessionId);
      expect(on.service.purges.filter(({ userId }) => userId === owner.user.id)).toEqual([]);
      await refused(
        on.service.call('auth.password.v1', as(owner), { current: PASSWORD, next: `${PASSWORD} 3`, endBots: true }),
        'forbidden',
      );
      const change = { current: next, next: `${PASSWORD} 3`, endBots: true };
      expect(await on.service.call('auth.password.v1', as(owner), change)).toEqual({});
      for (const bot of bots) await refused(verify(bot), 'unauthenticated');
      expect(await on.service.revoked(sessionId)).toMatchObject({ userId: bots[0]!.user.id, reason: 'ended' });
      expect((await on.service.call('bot.list.v1', as(owner), {})).items).toEqual([]);
      expect(on.service.purges.filter(({ userId }) => userId === owner.user.id)).toEqual([{ userId: owner.user.id }]);
    });

    it('that are changed end webhooks although messages does not answer, and those that an ended session still made', async () => {
      const owner = await on.service.register();
      on.service.refusesPurges = true;
      const change = { current: PASSWORD, next: `${PASSWORD} 2`, endBots: true };
      await on.service
        .call('auth.password.v1', as(owner), change)
        .finally(() => void (on.service.refusesPurges = false));
      expect(on.service.purges.filter(({ userId }) => userId === owner.user.id)).toEqual([]);
      // As after a crash: another replica finds the purge, when tokens of the ended sessions are refused everywhere.
      await on.engine.database.query(
        `update auth.webhook_purge set requested_at = '2026-01-01T00:00:00Z' where user_id = $1`,
        [owner.user.id],
      );
      const replica = await AuthService.start(on.engine.database, { sweepMs: 20 });
      try {
        await eventually(() =>
          expect(replica.purges.filter(({ userId }) => userId === owner.user.id)).toEqual([
            { userId: owner.user.id, before: '2026-01-01T00:00:05.000Z' },
          ]),
        );
        await eventually(async () =>
          expect(
            await on.engine.database.query(`select 1 from auth.webhook_purge where user_id = $1`, [owner.user.id]),
          ).toEqual([]),
        );
      } finally {
        await replica.stop();
      }
    });

    it('change when the current one is given', async () => {
      const first = await on.service.register();
      const other = await on.service.login(first.user.username);
      const next = 'a rather different phrase';
      await refused(on.service.call('auth.password.v1', as(first), { current: 'not it', next }), 'forbidden');
      expect(await on.service.call('auth.password.v1', as(first), { current: PASSWORD, next })).toEqual({});
      expect(await on.service.revoked(other.sessionId)).toMatchObject({
        reason: 'password',
        sessionIds: [other.sessionId],
      });
      await refused(on.service.refresh(other.refreshToken), 'unauthenticated');
      expect((await on.service.refresh(first.refreshToken)).sessionId).toBe(first.sessionId);
      await refused(on.service.login(first.user.username), 'unauthenticated');
      expect((await on.service.login(first.user.username, next)).user).toEqual(first.user);
    });

    it('match in every Unicode composition', async () => {
      const { user } = await on.service.register(uniqueName(), { password: 'Zoë’s passphrase'.normalize('NFD') });
      expect((await on.service.login(user.username, 'Zoë’s passphrase'.normalize('NFC'))).user).toEqual(user);
    });

    it('cannot be changed by guests, who have none', async () => {
      const guest = await on.service.call('auth.guest.v1', nobody(), {});
      await refused(
        on.service.call('auth.password.v1', as(guest), { current: PASSWORD, next: 'something longer' }),
        'forbidden',
      );
    });
  });
});
