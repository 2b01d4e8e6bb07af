import { ChatError, newId, type Session } from '@parley/contracts';
import { engines, running } from '@parley/store/testing';
import { describe, expect, inject, it } from 'vitest';
import { as, AuthService, nobody, refused, uniqueName } from '../spec/service.js';
import { bareSkeletonOf, skeletonOf } from './look-alikes.js';

describe.each(engines(inject('servers').databaseUrl, 'auth'))('profiles on %s', (_, open) => {
  const on = running(open, (database) => AuthService.start(database));

  it('are complete for their owner only', async () => {
    const mine = await on.service.register(uniqueName(), { email: 'me@example.org', firstName: 'Ann' });
    expect((await on.service.call('user.me.v1', as(mine), {})).user).toEqual({
      ...mine.user,
      email: 'me@example.org',
      firstName: 'Ann',
    });
    const other = await on.service.register();
    expect((await on.service.call('user.get.v1', as(other), { userId: mine.user.id })).user).toEqual(mine.user);
    await refused(on.service.call('user.get.v1', as(other), { userId: newId() }), 'not_found');
  });

  it('change the given fields only', async () => {
    const mine = await on.service.register(uniqueName(), { displayName: 'Before', email: 'me@example.org' });
    const avatarId = newId();
    await refused(on.service.call('user.update.v1', as(mine), { displayName: 'After', avatarId }), 'not_found');
    expect((await on.service.call('user.me.v1', as(mine), {})).user.displayName).toBe('Before');
    on.service.pictures.set(avatarId, mine.user.id);
    const { user } = await on.service.call('user.update.v1', as(mine), {
      displayName: 'After',
      avatarId,
      lastName: 'Last',
    });
    expect(user).toEqual({ ...mine.user, displayName: 'After', avatarId, email: 'me@example.org', lastName: 'Last' });
    expect((await on.service.heard('user.updated.v1', (event) => event.user.id === user.id)).user).toEqual({
      ...mine.user,
      displayName: 'After',
      avatarId,
    });
    expect((await on.service.call('user.me.v1', as(mine), {})).user).toEqual(user);
  });

  it('publish a picture only once they name it', async () => {
    const [mine, other] = [await on.service.register(), await on.service.register()];
    const avatarId = newId();
    on.service.pictures.set(avatarId, mine.user.id);
    await refused(on.service.call('user.update.v1', as(mine), { avatarId, username: other.user.username }), 'conflict');
    expect(on.service.published.has(mine.user.id)).toBe(false);
    on.service.onPublish = () => Promise.reject(new ChatError('unavailable'));
    await refused(on.service.call('user.update.v1', as(mine), { avatarId }), 'unavailable');
    on.service.onPublish = () => Promise.resolve();
    expect((await on.service.heard('user.updated.v1', ({ user }) => user.id === mine.user.id)).user.avatarId).toBe(
      avatarId,
    );
    await on.service.call('user.update.v1', as(mine), { avatarId });
    expect(on.service.published.get(mine.user.id)).toBe(avatarId);
  });

  it('that change twice concurrently publish the picture that they finally name', async () => {
    const mine = await on.service.register();
    const [first, last] = [newId(), newId()];
    for (const id of [first, last]) on.service.pictures.set(id, mine.user.id);
    on.service.onPublish = async (id) => {
      on.service.onPublish = () => Promise.resolve();
      expect(id).toBe(first);
      await on.service.call('user.update.v1', as(mine), { avatarId: last });
    };
    await on.service.call('user.update.v1', as(mine), { avatarId: first });
    expect((await on.service.call('user.me.v1', as(mine), {})).user.avatarId).toBe(last);
    expect(on.service.published.get(mine.user.id)).toBe(last);
  });

  it('lose the fields that null or an empty text takes away', async () => {
    const mine = await on.service.register(uniqueName(), {
      email: 'me@example.org',
      firstName: 'Ann',
      lastName: 'Bee',
    });
    const avatarId = newId();
    on.service.pictures.set(avatarId, mine.user.id);
    await on.service.call('user.update.v1', as(mine), { avatarId });
    const { user } = await on.service.call('user.update.v1', as(mine), { email: null, firstName: '', avatarId: null });
    expect(user).toEqual({ ...mine.user, lastName: 'Bee' });
    expect((await on.service.call('user.me.v1', as(mine), {})).user).toEqual(user);
    expect(on.service.published.get(mine.user.id)).toBeUndefined();
    expect(
      (await on.service.call('user.update.v1', as(mine), { email: '', firstName: null, lastName: '', avatarId: '' }))
        .user,
    ).toEqual(mine.user);
  });

  it('cannot take a username that looks like an existing one, or a reserved one', async () => {
    const mark = uniqueName('q');
    const [mine, other] = [await on.service.register(`${mark}l0`), await on.service.register(`${mark}free`)];
    for (const username of [`${mark}1o`, `${mark}LO`, `${mark}ｌ０`, 'adm1n', 'SUPPORT', 'e.veryone']) {
      await refused(on.service.register(username), 'conflict');
      await refused(on.service.call('user.update.v1', as(other), { username }), 'conflict');
      await refused(on.service.call('bot.create.v1', as(other), { username }), 'conflict');
    }
    // A change of one's own name to one that looks like it.
    const { user } = await on.service.call('user.update.v1', as(mine), { username: `${mark}1o` });
    expect(user.username).toBe(`${mark}1o`);
  });

  it('cannot take a username that differs from an existing one, or one given up, by separators only', async () => {
    const mark = uniqueName('q').replaceAll(/[^a-z0-9]/g, 'z');
    const [mine, other] = [await on.service.register(`${mark}_x`), await on.service.register()];
    const rename = (session: Session, username: string) => on.service.call('user.update.v1', as(session), { username });
    for (const username of [`${mark}-x`, `${mark}.X`, `${mark}x`, `_${mark}._x`]) {
      await refused(on.service.register(username), 'conflict');
      await refused(rename(other, username), 'conflict');
      await refused(on.service.call('bot.create.v1', as(other), { username }), 'conflict');
      await refused(on.service.call('user.update.v1', as(other), { displayName: username }), 'conflict');
    }
    expect((await rename(mine, `${mark}-x`)).user.username).toBe(`${mark}-x`);
    await rename(mine, uniqueName('renamed'));
    await refused(rename(other, `${mark}x`), 'conflict');
  });

  it('of an earlier version that differ by separators only stay, and nobody else gets one like them', async () => {
    const [older, newer] = [await on.service.register(), await on.service.register()];
    const mark = uniqueName('q').replaceAll(/[^a-z0-9]/g, 'z');
    const set = (session: Session, username: string, bare: string | null) =>
      on.engine.owner.query(`update auth."user" set username = $2, skeleton = $3, bare_skeleton = $4 where id = $1`, [
        session.user.id,
        username,
        skeletonOf(username),
        bare,
      ]);
    await set(older, `${mark}-x`, bareSkeletonOf(`${mark}x`));
    await set(newer, `${mark}_x`, null);
    for (const name of [`${mark}-x`, `${mark}_x`]) {
      const session = await on.service.login(name);
      const changes = { displayName: name, lastName: 'Twin' };
      expect((await on.service.call('user.update.v1', as(session), changes)).user).toMatchObject(changes);
    }
    await refused(on.service.register(`${mark}.x`), 'conflict');
  });

  it('cannot show a name that reads as somebody else’s username, or is reserved', async () => {
    const [anna, ben] = [await on.service.register(`anna_${uniqueName()}`), await on.service.register()];
    const { username } = anna.user;
    const guest = await on.service.call('auth.guest.v1', nobody(), {});
    for (const displayName of [
      username,
      username.toUpperCase(),
      username.replace('a', 'а'),
      `@${username}`,
      `[${username}]`,
      `⭐ ${username} ⭐`,
      `🇩🇪 ${username}`,
      username.replace('a', 'ꓮ'),
      username.replace('a', '🇦'),
      'Аdmin',
      'ꓮꓓꓟꓲꓠ',
      '(ad)min',
      'Parley',
    ]) {
      await refused(on.service.call('user.update.v1', as(ben), { displayName }), 'conflict');
      await refused(on.service.register(uniqueName(), { displayName }), 'conflict');
      await refused(
        on.service.register(uniqueName(), { displayName, refreshToken: guest.refreshToken }, as(guest)),
        'conflict',
      );
      await refused(on.service.call('auth.guest.v1', nobody(), { displayName }), 'conflict');
      await refused(on.service.call('bot.create.v1', as(ben), { username: uniqueName(), displayName }), 'conflict');
    }
    for (const displayName of [username.toUpperCase(), `⭐ ${username}`])
      expect((await on.service.call('user.update.v1', as(anna), { displayName })).user.displayName).toBe(displayName);
    for (const displayName of ['José 🌟', 'Anna (HR)', 'All Might', 'Ali', `${username} and friends`])
      expect((await on.service.call('user.update.v1', as(ben), { displayName })).user.displayName).toBe(displayName);
  });

  it.each<[string, (name: string) => string]>([
    ['the same', (name) => name],
    ['the same in other letters', (name) => name.toUpperCase()],
    ['a look-alike', (name) => name.replace('l', '1')],
  ])('keep a displayed name, and keep nobody from a later username, that is %s', async (_, alike) => {
    // Otherwise a displayed name would hold usernames for nobody. Concurrent calls have the result of one of both orders.
    const name = uniqueName('later');
    const shown = await on.service.register(uniqueName(), { displayName: alike(name) });
    const holder = await on.service.register(name);
    expect((await on.service.call('user.me.v1', as(shown), {})).user.displayName).toBe(alike(name));
    // From now on nobody else takes it, nor takes it again.
    await refused(on.service.register(uniqueName(), { displayName: alike(name) }), 'conflict');
    await refused(on.service.call('user.update.v1', as(shown), { displayName: alike(name) }), 'conflict');
    expect(
      (await on.service.call('user.update.v1', as(holder), { displayName: name.toUpperCase() })).user.displayName,
    ).toBe(name.toUpperCase());
  });

  it('hold a username that was given up for 30 days, for nobody but its former holder', async () => {
    const [mine, other] = [await on.service.register(), await on.service.register()];
    const { username } = mine.user;
    const rename = (session: Session, name: string) =>
      on.service.call('user.update.v1', as(session), { username: name });
    await rename(mine, uniqueName('renamed'));
    await refused(rename(other, username), 'conflict');
    await refused(on.service.register(username), 'conflict');
    expect((await rename(mine, username)).user.username).toBe(username);
    await rename(mine, uniqueName('renamed'));
    await on.engine.owner.query(
      `update auth.former_username set given_up_at = now() - interval '30 days 1 minute' where username = $1`,
      [username],
    );
    expect((await rename(other, username)).user.username).toBe(username);
    await refused(rename(mine, username), 'conflict');
  });

  it('of an earlier version keep confusable usernames and can log in', async () => {
    const [older, newer] = [await on.service.register(), await on.service.register()];
    const mark = uniqueName('twin');
    await on.engine.owner.query(`update auth."user" set username = $2, skeleton = $3 where id = $1`, [
      older.user.id,
      `${mark}l`,
      `${mark}l`.replaceAll('1', 'l').replaceAll('0', 'o').replaceAll('m', 'rn'),
    ]);
    await on.engine.owner.query(`update auth."user" set username = $2, skeleton = null where id = $1`, [
      newer.user.id,
      `${mark}1`,
    ]);
    for (const name of [`${mark}l`, `${mark}1`]) {
      const session = await on.service.login(name);
      const displayName = name.toUpperCase();
      expect(
        (await on.service.call('user.update.v1', as(session), { displayName, lastName: 'Twin' })).user,
      ).toMatchObject({ username: name, displayName });
    }
    await refused(on.service.register(`${mark}|`.replace('|', 'L')), 'conflict');
  });

  it('cannot take an existing username', async () => {
    const [mine, other] = [await on.service.register(), await on.service.register()];
    await refused(
      on.service.call('user.update.v1', as(mine), { username: other.user.username.toUpperCase() }),
      'conflict',
    );
    const renamed = await on.service.call('user.update.v1', as(mine), { username: uniqueName('renamed') });
    expect((await on.service.login(renamed.user.username)).user.id).toBe(mine.user.id);
    await refused(on.service.login(mine.user.username), 'unauthenticated');
  });

  it('are found by a part of either name, in any case and alphabet', async () => {
    const mark = Math.random().toString(36).slice(2, 8);
    const people = [
      await on.service.register(`a_${mark}`, { displayName: 'ÜMIT Çelik' }),
      await on.service.register(`b.${mark}`, { displayName: `100% ${mark}` }),
      await on.service.register(`c-${mark}`, { displayName: 'ПЁТР' }),
    ];
    const find = async (query: string) =>
      (await on.service.call('user.list.v1', as(people[0]!), { query })).items.map(({ username }) => username);
    expect(await find(mark.toUpperCase())).toEqual([`a_${mark}`, `b.${mark}`, `c-${mark}`]);
    expect(await find('ümit ç')).toContain(`a_${mark}`);
    expect(await find('пётр')).toContain(`c-${mark}`);
    expect(await find(`0% ${mark}`)).toEqual([`b.${mark}`]);
    expect(await find(`_${mark}`)).toEqual([`a_${mark}`]);
    expect(await find(`%${mark}`)).toEqual([]);
    expect(await find(`\\`)).toEqual([]);
  });

  it('are found without accents, by letters that are written alike', async () => {
    const mark = uniqueName('f');
    const names = ['José Müller', 'Anna Straße', 'Łukasz Ødegård', 'O’Brien', 'علی'];
    const people: Session[] = [];
    for (const [n, displayName] of names.entries())
      people.push(await on.service.register(`${mark}_${n}`, { displayName }));
    const find = async (query: string) =>
      (await on.service.call('user.list.v1', as(people[0]!), { query })).items
        .map(({ username }) => username)
        .filter((name) => name.startsWith(`${mark}_`));
    for (const [n, query] of ['jose mul', 'strasse', 'lukasz ode', "o'brien", 'علي'].entries())
      expect(await find(query)).toEqual([`${mark}_${n}`]);
    expect(await find('STRAẞE')).toEqual([`${mark}_1`]);
  });

  it('are listed page by page, each once', async () => {
    const mark = `p${Math.random().toString(36).slice(2, 8)}`;
    const names = ['.b', '-c', '_d', '0', 'a'].map((end) => `${mark}${end}`);
    const sessions = await Promise.all(names.map((name) => on.service.register(name)));
    const seen: string[] = [];
    for (let cursor: string | undefined, more = true; more;) {
      const page = await on.service.call('user.list.v1', as(sessions[0]!), {
        query: mark,
        limit: 2,
        ...(cursor === undefined ? {} : { cursor }),
      });
      seen.push(...page.items.map(({ username }) => username));
      cursor = page.nextCursor;
      more = cursor !== undefined;
    }
    expect(seen).toEqual(names.toSorted());
    await refused(on.service.call('user.list.v1', as(sessions[0]!), { cursor: 'made-up' }), 'invalid');
  });

  it('are answered together by their ids', async () => {
    const people = [await on.service.register(), await on.service.register()];
    const { items, nextCursor } = await on.service.call('user.list.v1', as(people[0]!), {
      ids: [...people.map(({ user }) => user.id), newId()],
    });
    expect(items.toSorted((a, b) => (a.id < b.id ? -1 : 1))).toEqual(people.map(({ user }) => user));
    expect(nextCursor).toBeUndefined();
  });

  it('are known to the other services', async () => {
    const people = [await on.service.register(), await on.service.register()];
    const { users } = await on.service.broker.request('users.known.v1', {
      userIds: [...people.map(({ user }) => user.id), newId()],
    });
    expect(users.toSorted((a, b) => (a.id < b.id ? -1 : 1))).toEqual(people.map(({ user }) => user));
  });

  it('are found by their usernames', async () => {
    const [anna, ben] = [await on.service.register(), await on.service.register()];
    const { users } = await on.service.broker.request('users.named.v1', {
      usernames: [ben.user.username, uniqueName('nobody'), anna.user.username],
    });
    expect(new Set(users.map(({ id }) => id))).toEqual(new Set([anna.user.id, ben.user.id]));
  });
});
