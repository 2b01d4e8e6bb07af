import { ChatError, newId } from '@parley/contracts';
import { engines, type Engine } from '@parley/store/testing';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { as, AuthService, refused, uniqueName } from '../spec/service.js';

describe.each(engines(inject('servers').databaseUrl, 'auth'))('profiles on %s', (_, open) => {
  let engine: Engine;
  let auth: AuthService;
  beforeAll(async () => {
    engine = await open();
    auth = await AuthService.start(engine.database);
  });
  afterAll(async () => {
    await auth.stop();
    await engine.close();
  });

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
    const { user } = await auth.call('user.update.v1', as(mine), { displayName: 'After', avatarId, lastName: 'Last' });
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
    expect((await auth.heard('user.updated.v1', ({ user }) => user.id === mine.user.id)).user.avatarId).toBe(avatarId);
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
