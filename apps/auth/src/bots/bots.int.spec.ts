import { BotToken, newId, type BotToken as Issued, type Session } from '@parley/contracts';
import { engines, running } from '@parley/store/testing';
import { eventually } from '@parley/testing';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { as, AuthService, nobody, PASSWORD, refused, uniqueName } from '../spec/service.js';

describe.each(engines(inject('servers').databaseUrl, 'auth'))('bots on %s', (_, open) => {
  const on = running(open, (database) => AuthService.start(database, { sweepMs: 50 }));
  let owner: Session;
  beforeAll(async () => {
    owner = await on.service.register();
  });
  const create = (caller = owner, username = uniqueName('bot')): Promise<Issued> =>
    on.service.call('bot.create.v1', as(caller), { username, displayName: 'Helper' });
  const verify = (token: string) => on.service.broker.request('auth.bot.v1', { token });
  const list = async (caller = owner) =>
    (await on.service.call('bot.list.v1', as(caller), {})).items.map(({ id }) => id);

  it('authenticate with a token that is shown once and stored as a hash', async () => {
    const { user, token } = BotToken.parse(await create());
    expect(user).toMatchObject({ kind: 'bot', displayName: 'Helper' });
    expect(token).toMatch(/^parley_bot_[\w-]{43}$/);
    expect(await verify(token)).toEqual({ userId: user.id, sessionId: expect.any(String), ownerId: owner.user.id });
    expect((await on.service.call('user.get.v1', as(owner), { userId: user.id })).user).toEqual(user);
    const rows = await on.engine.owner.query(
      `select row_to_json(b) as row from auth.bot b union all select row_to_json(s) from auth.session s`,
    );
    for (const form of [token, Buffer.from(token).toString('hex')]) expect(JSON.stringify(rows)).not.toContain(form);
  });

  it('cannot authenticate in any other way', async () => {
    const { user, token } = await create();
    await refused(on.service.login(user.username, PASSWORD), 'unauthenticated');
    await refused(on.service.refresh(token), 'unauthenticated');
    await refused(verify(`${token}x`), 'unauthenticated');
    await refused(verify(''), 'unauthenticated');
    const bot = { requestId: newId(), kind: 'bot' as const, ...(await verify(token)) };
    await refused(
      on.service.call('auth.password.v1', bot, { current: PASSWORD, next: 'another password' }),
      'forbidden',
    );
    await refused(on.service.call('bot.create.v1', bot, { username: uniqueName('bot') }), 'forbidden');
  });

  it('belong only to their owner, a person', async () => {
    const [mine, other] = [await create(), await on.service.register()];
    expect(await list()).toContain(mine.user.id);
    expect(await list(other)).toEqual([]);
    await refused(on.service.call('bot.token.v1', as(other), { userId: mine.user.id }), 'not_found');
    await refused(on.service.call('bot.delete.v1', as(other), { userId: mine.user.id }), 'not_found');
    await refused(on.service.call('bot.delete.v1', as(owner), { userId: other.user.id }), 'not_found');
    const guest = await on.service.call('auth.guest.v1', nobody(), {});
    await refused(create(guest), 'forbidden');
    await refused(create(owner, other.user.username), 'conflict');
    expect(await verify(mine.token)).toMatchObject({ userId: mine.user.id });
  });

  it('are not made by a session that has just ended', async () => {
    const somebody = await on.service.register();
    await on.service.call('auth.logout.v1', as(somebody), {});
    await refused(create(somebody), 'unauthenticated');
  });

  it('are listed newest first, page by page', async () => {
    const somebody = await on.service.register();
    const made = [];
    for (let n = 0; n < 3; n++) made.push((await create(somebody)).user);
    // Of bots created in the same millisecond, the one with the greater id comes first.
    const ids = made
      .toSorted((a, b) => (`${a.createdAt} ${a.id}` < `${b.createdAt} ${b.id}` ? 1 : -1))
      .map(({ id }) => id);
    const first = await on.service.call('bot.list.v1', as(somebody), { limit: 2 });
    const second = await on.service.call('bot.list.v1', as(somebody), { limit: 2, cursor: first.nextCursor! });
    expect([first.items, second.items].map((items) => items.map(({ id }) => id))).toEqual([
      ids.slice(0, 2),
      ids.slice(2),
    ]);
    expect(second.nextCursor).toBeUndefined();
    await refused(on.service.call('bot.list.v1', as(somebody), { cursor: 'x' }), 'invalid');
  });

  it('are at most twenty per owner', async () => {
    const somebody = await on.service.register();
    const outcomes = await Promise.allSettled(Array.from({ length: 24 }, () => create(somebody)));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(20);
    const reasons = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
    expect(reasons).toEqual(Array.from({ length: 4 }, () => expect.objectContaining({ code: 'too_large' })));
    await on.service.call('bot.delete.v1', as(somebody), { userId: (await list(somebody))[0]! });
    await create(somebody);
  });

  it('are at most a hundred per owner for ever, because deleted ones keep their names', async () => {
    const somebody = await on.service.register();
    for (let n = 0; n < 100; n++) {
      const { user } = await create(somebody);
      await on.service.call('bot.delete.v1', as(somebody), { userId: user.id });
    }
    await refused(create(somebody), 'too_large');
  });

  it('get a new token that ends the old one everywhere', async () => {
    const { user, token } = await create();
    const { sessionId } = await verify(token);
    const renewed = await on.service.call('bot.token.v1', as(owner), { userId: user.id });
    expect(renewed.user).toEqual(user);
    await refused(verify(token), 'unauthenticated');
    expect(await verify(renewed.token)).toMatchObject({ userId: user.id });
    expect(await on.service.revoked(sessionId)).toEqual({ userId: user.id, sessionIds: [sessionId], reason: 'ended' });
    expect((await on.service.broker.request('auth.revocations.v1', {})).sessionIds).toContain(sessionId);
  });

  it('are deleted for good, except for their name', async () => {
    const { user, token } = await create();
    const { sessionId } = await verify(token);
    await on.service.call('bot.delete.v1', as(owner), { userId: user.id });
    await refused(verify(token), 'unauthenticated');
    expect((await on.service.revoked(sessionId)).reason).toBe('ended');
    expect(await list()).not.toContain(user.id);
    await refused(on.service.call('bot.token.v1', as(owner), { userId: user.id }), 'not_found');
    await refused(on.service.call('bot.delete.v1', as(owner), { userId: user.id }), 'not_found');
    expect((await on.service.call('user.get.v1', as(owner), { userId: user.id })).user).toEqual(user);
    await refused(on.service.register(user.username), 'conflict');
  });

  it('do not keep old sessions from being deleted', async () => {
    const { user, token } = await create();
    const { sessionId } = await verify(token);
    await on.service.call('bot.delete.v1', as(owner), { userId: user.id });
    const swept = await on.service.register();
    await on.service.call('auth.logout.v1', as(swept), {});
    await on.engine.owner.query(
      `update auth.session set ended_at = now() - interval '1 year' where id = any($1::uuid[])`,
      [[sessionId, swept.sessionId]],
    );
    await eventually(async () =>
      expect(
        await on.engine.owner.query(`select id from auth.session where id = any($1::uuid[])`, [
          [sessionId, swept.sessionId],
        ]),
      ).toEqual([{ id: sessionId }]),
    );
  });

  it('are accepted when the operator lets no guests in', async () => {
    const closed = await AuthService.start(on.engine.database, { guests: false });
    await refused(closed.call('auth.guest.v1', nobody(), {}), 'forbidden');
    expect((await closed.register()).user.kind).toBe('person');
    await closed.stop();
  });
});
