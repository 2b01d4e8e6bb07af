import { BotToken, newId, type BotToken as Issued, type Session } from '@parley/contracts';
import { engines, type Engine } from '@parley/store/testing';
import { eventually } from '@parley/testing';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { as, AuthService, nobody, PASSWORD, refused, uniqueName } from '../spec/service.js';

describe.each(engines(inject('servers').databaseUrl, 'auth'))('bots on %s', (_, open) => {
  let engine: Engine;
  let auth: AuthService;
  let owner: Session;
  beforeAll(async () => {
    engine = await open();
    auth = await AuthService.start(engine.database, { sweepMs: 50 });
    owner = await auth.register();
  });
  afterAll(async () => {
    await auth.stop();
    await engine.close();
  });
  const create = (caller = owner, username = uniqueName('bot')): Promise<Issued> =>
    auth.call('bot.create.v1', as(caller), { username, displayName: 'Helper' });
  const verify = (token: string) => auth.broker.request('auth.bot.v1', { token });
  const list = async (caller = owner) => (await auth.call('bot.list.v1', as(caller), {})).items.map(({ id }) => id);

  it('authenticate with a token that is shown once and stored as a hash', async () => {
    const { user, token } = BotToken.parse(await create());
    expect(user).toMatchObject({ kind: 'bot', displayName: 'Helper' });
    expect(token).toMatch(/^parley_bot_[\w-]{43}$/);
    expect(await verify(token)).toEqual({ userId: user.id, sessionId: expect.any(String) });
    expect((await auth.call('user.get.v1', as(owner), { userId: user.id })).user).toEqual(user);
    const rows = await engine.owner.query(
      `select row_to_json(b) as row from auth.bot b union all select row_to_json(s) from auth.session s`,
    );
    for (const form of [token, Buffer.from(token).toString('hex')]) expect(JSON.stringify(rows)).not.toContain(form);
  });

  it('cannot authenticate in any other way', async () => {
    const { user, token } = await create();
    await refused(auth.login(user.username, PASSWORD), 'unauthenticated');
    await refused(auth.refresh(token), 'unauthenticated');
    await refused(verify(`${token}x`), 'unauthenticated');
    await refused(verify(''), 'unauthenticated');
    const bot = { requestId: newId(), kind: 'bot' as const, ...(await verify(token)) };
    await refused(auth.call('auth.password.v1', bot, { current: PASSWORD, next: 'another password' }), 'forbidden');
    await refused(auth.call('bot.create.v1', bot, { username: uniqueName('bot') }), 'forbidden');
  });

  it('belong only to their owner, a person', async () => {
    const [mine, other] = [await create(), await auth.register()];
    expect(await list()).toContain(mine.user.id);
    expect(await list(other)).toEqual([]);
    await refused(auth.call('bot.token.v1', as(other), { userId: mine.user.id }), 'not_found');
    await refused(auth.call('bot.delete.v1', as(other), { userId: mine.user.id }), 'not_found');
    await refused(auth.call('bot.delete.v1', as(owner), { userId: other.user.id }), 'not_found');
    const guest = await auth.call('auth.guest.v1', nobody(), {});
    await refused(create(guest), 'forbidden');
    await refused(create(owner, other.user.username), 'conflict');
    expect(await verify(mine.token)).toMatchObject({ userId: mine.user.id });
  });

  it('are listed newest first, page by page', async () => {
    const somebody = await auth.register();
    const made = [];
    for (let n = 0; n < 3; n++) made.push((await create(somebody)).user);
    // Of bots created in the same millisecond, the one with the greater id comes first.
    const ids = made
      .toSorted((a, b) => (`${a.createdAt} ${a.id}` < `${b.createdAt} ${b.id}` ? 1 : -1))
      .map(({ id }) => id);
    const first = await auth.call('bot.list.v1', as(somebody), { limit: 2 });
    const second = await auth.call('bot.list.v1', as(somebody), { limit: 2, cursor: first.nextCursor! });
    expect([first.items, second.items].map((items) => items.map(({ id }) => id))).toEqual([
      ids.slice(0, 2),
      ids.slice(2),
    ]);
    expect(second.nextCursor).toBeUndefined();
    await refused(auth.call('bot.list.v1', as(somebody), { cursor: 'x' }), 'invalid');
  });

  it('are at most twenty per owner, also when created concurrently; deleted ones do not count', async () => {
    const somebody = await auth.register();
    const outcomes = await Promise.allSettled(Array.from({ length: 24 }, () => create(somebody)));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(20);
    const reasons = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
    expect(reasons).toEqual(Array.from({ length: 4 }, () => expect.objectContaining({ code: 'too_large' })));
    await auth.call('bot.delete.v1', as(somebody), { userId: (await list(somebody))[0]! });
    await create(somebody);
  });

  it('get a new token that ends the old one everywhere', async () => {
    const { user, token } = await create();
    const { sessionId } = await verify(token);
    const renewed = await auth.call('bot.token.v1', as(owner), { userId: user.id });
    expect(renewed.user).toEqual(user);
    await refused(verify(token), 'unauthenticated');
    expect(await verify(renewed.token)).toMatchObject({ userId: user.id });
    expect(await auth.revoked(sessionId)).toEqual({ userId: user.id, sessionIds: [sessionId], reason: 'ended' });
    expect((await auth.broker.request('auth.revocations.v1', {})).sessionIds).toContain(sessionId);
  });

  it('are deleted for good, except for their name', async () => {
    const { user, token } = await create();
    const { sessionId } = await verify(token);
    await auth.call('bot.delete.v1', as(owner), { userId: user.id });
    await refused(verify(token), 'unauthenticated');
    expect((await auth.revoked(sessionId)).reason).toBe('ended');
    expect(await list()).not.toContain(user.id);
    await refused(auth.call('bot.token.v1', as(owner), { userId: user.id }), 'not_found');
    await refused(auth.call('bot.delete.v1', as(owner), { userId: user.id }), 'not_found');
    expect((await auth.call('user.get.v1', as(owner), { userId: user.id })).user).toEqual(user);
    await refused(auth.register(user.username), 'conflict');
  });

  it('do not keep old sessions from being deleted', async () => {
    const { user, token } = await create();
    const { sessionId } = await verify(token);
    await auth.call('bot.delete.v1', as(owner), { userId: user.id });
    const swept = await auth.register();
    await auth.call('auth.logout.v1', as(swept), {});
    await engine.owner.query(
      `update auth.session set ended_at = now() - interval '1 year' where id = any($1::uuid[])`,
      [[sessionId, swept.sessionId]],
    );
    await eventually(async () =>
      expect(
        await engine.owner.query(`select id from auth.session where id = any($1::uuid[])`, [
          [sessionId, swept.sessionId],
        ]),
      ).toEqual([{ id: sessionId }]),
    );
  });

  it('are accepted when the operator lets no guests in', async () => {
    const closed = await AuthService.start(engine.database, { guests: false });
    await refused(closed.call('auth.guest.v1', nobody(), {}), 'forbidden');
    expect((await closed.register()).user.kind).toBe('person');
    await closed.stop();
  });
});
