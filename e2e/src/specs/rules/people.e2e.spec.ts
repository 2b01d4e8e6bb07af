import { limits, newId, type Attachment, type Session } from '@parley/contracts';
import { ChatClient, eventually, uniqueName } from '@parley/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { shared } from '../../deployments/modes.js';
import { allCodes, codeOf, codesOf, idsOf, TestDeployment, eventsAbout } from '../../deployments/test-deployment.js';

const password = 'correct horse battery';

describe.each(Object.entries(shared))('the rules of users, in %s mode', (_, start) => {
  let deployment: TestDeployment;
  beforeAll(async () => {
    deployment = await TestDeployment.open(start);
  });
  afterAll(() => deployment?.close());

  const open = (method: string, path: string, body?: object, token?: string) =>
    fetch(new URL(path, deployment.url), {
      method,
      headers: {
        ...(body && { 'content-type': 'application/json' }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
  const login = (username: string, word = password) => ChatClient.login(deployment.url, username, word);
  /** The reason with which the server closes the connection, within 5 s. */
  const ended = async (who: ChatClient): Promise<string> => {
    const { payload } = await who.waitFor('session:revoked', () => true, 5_000);
    await eventually(() => !who.connected);
    return payload.reason;
  };

  describe('accounts', () => {
    it('usernames and passwords have the documented form', async () => {
      const username = uniqueName('Anna.B_c');
      const registered = await open('POST', '/api/v1/auth/register', { username, password });
      expect(registered.status).toBe(201);
      const { user, ...session } = (await registered.json()) as Session;
      expect(user).toEqual({
        id: expect.any(String),
        username: username.toLowerCase(),
        displayName: expect.any(String),
        kind: 'person',
        createdAt: expect.any(String),
      });
      expect(Object.keys(session).toSorted()).toEqual([
        'accessToken',
        'accessTokenExpiresAt',
        'refreshToken',
        'sessionId',
      ]);
      expect(await codeOf(ChatClient.register(deployment.url, { username: username.toUpperCase() }))).toBe('conflict');
      expect(
        await allCodes(
          ['ab', 'a'.repeat(33), 'with space', 'ünï'].map((name) =>
            ChatClient.register(deployment.url, { username: name }),
          ),
        ),
      ).toEqual(['invalid']);
      expect(
        await allCodes(
          ['123456789', 'x'.repeat(201)].map((word) =>
            ChatClient.register(deployment.url, { username: uniqueName('u'), password: word }),
          ),
        ),
      ).toEqual(['invalid']);
      expect((await login(username.toUpperCase())).user).toEqual(user);
    });

    it('a wrong name or password is `unauthenticated`, a wrong current password `forbidden`', async () => {
      const ann = await deployment.person();
      expect(
        await allCodes([
          login(ann.user.username, 'wrong horse battery'),
          login(uniqueName('nobody')),
          ChatClient.login(deployment.url, ann.user.username, 'x'),
        ]),
      ).toEqual(['unauthenticated']);
      expect(await codeOf(ann.http('auth.refresh', { refreshToken: 'nonsense' }))).toBe('unauthenticated');
      expect(await codeOf(ann.http('auth.password', { current: 'wrong horse battery', next: password }))).toBe(
        'forbidden',
      );
    });

    it('a guest who registers keeps id, conversations and messages', async () => {
      const guest = await deployment.guest();
      const { id } = await deployment.group([guest]);
      const { message } = await guest.send(id, 'as a guest');
      const answer = await open(
        'POST',
        '/api/v1/auth/register',
        { username: uniqueName('person'), password, refreshToken: guest.session.refreshToken },
        guest.session.accessToken,
      );
      const session = (await answer.json()) as Session;
      expect([answer.status, session.user.id, session.user.kind]).toEqual([201, guest.user.id, 'person']);
      const person = await login(session.user.username);
      await person.connect();
      expect(idsOf((await person.http('conversation.list', {})).items)).toEqual([id]);
      expect((await person.history(id)).at(-1)).toEqual(message);
      person.disconnect();
    });

    it('a guest registers only with the refresh token, and the other connections learn of it', async () => {
      const guest = await deployment.guest();
      const other = await deployment.device(guest);
      const input = { username: uniqueName('person'), password };
      const register = (more: object) =>
        open('POST', '/api/v1/auth/register', { ...input, ...more }, guest.session.accessToken);
      for (const stolen of [{}, { refreshToken: guest.session.accessToken }]) {
        const refused = await register(stolen);
        expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([403, 'forbidden']);
      }
      expect(await codeOf(other.call('conversation.create', { kind: 'channel', title: 'News' }))).toBe('forbidden');
      const { user } = (await (await register({ refreshToken: guest.session.refreshToken })).json()) as Session;
      expect(user).toMatchObject({ id: guest.user.id, username: input.username, kind: 'person' });
      for (const device of [guest, other]) {
        const { payload } = await device.waitFor('user:updated', () => true);
        expect(payload).toEqual({ user });
      }
      // A person's right, with the token of a guest.
      expect(await codeOf(other.call('conversation.create', { kind: 'channel', title: 'News' }))).toBe('ok');
      const late = await deployment.device(guest);
      expect(await codeOf(late.call('conversation.create', { kind: 'channel', title: 'News' }))).toBe('ok');
    });

    it('a common password, or the username, is `invalid`', async () => {
      const username = uniqueName('anna');
      expect(
        await allCodes(
          ['Password1!', 'qwertyuiop', `${username}!!`].map((word) =>
            ChatClient.register(deployment.url, { username, password: word }),
          ),
        ),
      ).toEqual(['invalid']);
      const ann = await deployment.person();
      expect(await codeOf(ann.http('auth.password', { current: password, next: 'Password1!' }))).toBe('invalid');
    });

    it('the server makes up a guest’s name when none is given', async () => {
      const [named, unnamed] = [await deployment.guest({ displayName: 'Zoë' }), await deployment.guest()];
      expect([named.user.displayName, named.user.kind, unnamed.user.kind]).toEqual(['Zoë', 'guest', 'guest']);
      expect(unnamed.user.displayName).toMatch(/\S/);
    });

    it('only `me` shows e-mail and real names', async () => {
      const [ann, ben] = [await deployment.person(), await deployment.guest()];
      const displayName = uniqueName('Añejo');
      const changed = await ann.fetch('PATCH', '/api/v1/users/me', {
        displayName,
        email: 'ann@example.org',
        firstName: 'Ann',
        lastName: 'Other',
      });
      const { displayName: _name, ...rest } = ann.user;
      expect(changed).toMatchObject({
        status: 200,
        body: { ...rest, displayName, email: 'ann@example.org', firstName: 'Ann', lastName: 'Other' },
      });
      expect((await ann.http('user.me', {})).user).toEqual(changed.body);
      const shown = { ...rest, displayName };
      expect((await ben.http('user.get', { userId: ann.user.id })).user).toEqual(shown);
      for (const query of [displayName.slice(2).toUpperCase(), ann.user.username.slice(3).toUpperCase()])
        expect((await ben.http('user.list', { query })).items).toEqual([shown]);
      expect(await codeOf(ben.http('user.get', { userId: newId() }))).toBe('not_found');
      expect(await codeOf(ann.http('user.update', { username: ben.user.username }))).toBe('conflict');
    });
  });

  describe('sessions', () => {
    it('`session:ready` has the user, the epoch and the limits', async () => {
      const ann = await deployment.guest();
      const { payload } = await ann.waitFor('session:ready');
      expect(payload).toEqual({
        connectionId: expect.any(String),
        user: ann.user,
        serverTime: expect.any(String),
        epoch: expect.any(String),
        protocol: 1,
        heartbeatMs: expect.any(Number),
        limits: {
          bodyBytes: 8192,
          packetBytes: 65536,
          attachmentBytes: 26214400,
          uploadBytes: 1073741824,
          membersPerGroup: 5000,
          pageSize: 100,
          socketsPerUser: 10,
          presenceWatches: 200,
          messagesPerSecond: expect.any(Number),
          messageBurst: expect.any(Number),
          receiptsToAllUpTo: 200,
        },
      });
    });

    it('only keys, health and documents are open at the root', async () => {
      const paths = [
        '/.well-known/jwks.json',
        '/health/live',
        '/health/ready',
        '/api/docs',
        '/api/openapi.json',
        '/api/asyncapi.json',
      ];
      expect(await Promise.all(paths.map(async (path) => (await open('GET', path)).status))).toEqual(
        paths.map(() => 200),
      );
      const closed = ['/api/v1/users/me', '/api/v1/conversations', `/api/v1/attachments/${newId()}`, '/api/v1/unread'];
      expect(await Promise.all(closed.map(async (path) => (await open('GET', path)).status))).toEqual(
        closed.map(() => 401),
      );
      expect((await open('GET', '/metrics')).status).toBe(404);
    });

    it('an ended device is refused and its sockets are closed within 5 s', async () => {
      const ann = await deployment.person();
      const other = await login(ann.user.username);
      await other.connect();
      const { items } = await ann.http('auth.sessions', {});
      expect(items.map(({ id, current }) => [id, current]).toSorted()).toEqual(
        [
          [ann.session.sessionId, true],
          [other.session.sessionId, false],
        ].toSorted(),
      );
      expect(items[0]).toMatchObject({ createdAt: expect.any(String), lastSeenAt: expect.any(String) });
      expect(await ann.fetch('DELETE', `/api/v1/auth/sessions/${other.session.sessionId}`)).toMatchObject({
        status: 204,
        body: '',
      });
      expect(await ended(other)).toBe('ended');
      await eventually(async () => expect(await codeOf(other.http('user.me', {}))).toBe('unauthenticated'), {
        timeoutMs: 5_000,
      });
      expect(await codeOf(other.http('auth.refresh', { refreshToken: other.session.refreshToken }))).toBe(
        'unauthenticated',
      );
      expect([ann.connected, await codeOf(ann.http('auth.end', { sessionId: newId() }))]).toEqual([true, 'not_found']);
    });

    it('logout ends the session’s tokens and sockets everywhere within 5 s', async () => {
      const ann = await deployment.person();
      const tablet = await deployment.device(ann);
      expect(await ann.fetch('POST', '/api/v1/auth/logout')).toMatchObject({ status: 204, body: '' });
      expect(await Promise.all([ended(ann), ended(tablet)])).toEqual(['logout', 'logout']);
      await eventually(async () => expect(await codeOf(ann.http('user.me', {}))).toBe('unauthenticated'), {
        timeoutMs: 5_000,
      });
      expect(await codeOf(ann.device().connect())).toBe('unauthenticated');
    });

    it('a refresh token can be used once', async () => {
      const ann = await deployment.person();
      const { refreshToken, sessionId } = ann.session;
      const refreshed = await open('POST', '/api/v1/auth/refresh', { refreshToken });
      const next = (await refreshed.json()) as Session;
      expect([refreshed.status, next.sessionId, next.user.id]).toEqual([200, sessionId, ann.user.id]);
      expect(next.refreshToken).not.toBe(refreshToken);
      for (const token of [ann.session.accessToken, next.accessToken])
        expect((await open('GET', '/api/v1/users/me', undefined, token)).status).toBe(200);
      const newest = (await (
        await open('POST', '/api/v1/auth/refresh', { refreshToken: next.refreshToken })
      ).json()) as Session;
      expect(await codeOf(ann.http('auth.refresh', { refreshToken }))).toBe('unauthenticated');
      expect(await ended(ann)).toBe('reuse');
      expect(
        await codeOf(
          ChatClient.guest(deployment.url).then((one) =>
            one.http('auth.refresh', { refreshToken: newest.refreshToken }),
          ),
        ),
      ).toBe('unauthenticated');
    });

    it('a new password ends every other session', async () => {
      const ann = await deployment.person();
      const other = await login(ann.user.username);
      await other.connect();
      expect(
        await ann.fetch('POST', '/api/v1/auth/password', { current: password, next: 'another horse battery' }),
      ).toMatchObject({ status: 204, body: '' });
      expect(await ended(other)).toBe('password');
      expect([ann.connected, await codeOf(ann.http('user.me', {}))]).toEqual([true, 'ok']);
      expect(await codeOf(login(ann.user.username))).toBe('unauthenticated');
      expect(await codeOf(login(ann.user.username, 'another horse battery'))).toBe('ok');
    });

    it('a new password ends bots and webhooks where that is wanted', async () => {
      const [ann, ben] = [await deployment.person(), await deployment.person()];
      const { user, token } = await ann.http('bot.create', { username: uniqueName('bot') });
      const bot = new ChatClient(deployment.url, { ...ann.session, user, accessToken: token });
      await bot.connect();
      const { id: conversationId } = await deployment.group([ann, ben]);
      await ann.http('member.update', { conversationId, userId: ben.user.id, role: 'admin' });
      const url = 'https://hooks.example.org/parley';
      await ann.http('webhook.create', { conversationId, url });
      const { webhook } = await ben.http('webhook.create', { conversationId, url });
      await ann.http('auth.password', { current: password, next: 'another horse battery', endBots: true });
      expect(idsOf((await ann.http('webhook.list', { conversationId })).items)).toEqual([webhook.id]);
      expect(await ended(bot)).toBe('ended');
      expect(await codeOf(bot.http('user.me', {}))).toBe('unauthenticated');
      expect((await ann.http('bot.list', {})).items).toEqual([]);
    });

    it('the 11th socket of a user closes the oldest', async () => {
      const oldest = await deployment.guest();
      const devices: ChatClient[] = [];
      for (let n = 1; n < limits.socketsPerUser; n++) devices.push(await deployment.device(oldest));
      await deployment.settle(oldest);
      expect(oldest.connected).toBe(true);
      devices.push(await deployment.device(oldest));
      expect(await ended(oldest)).toBe('too_many');
      expect(devices.map(({ connected }) => connected)).toEqual(devices.map(() => true));
    });
  });

  describe('contacts and blocks', () => {
    it('contacts and blocks are one-way lists of `{user, createdAt}`', async () => {
      const [ann, ben] = await deployment.guests(2);
      for (const list of ['contact', 'block'] as const) {
        const path = `/api/v1/${list}s/${ben.user.id}`;
        for (let n = 0; n < 2; n++) expect(await ann.fetch('PUT', path)).toMatchObject({ status: 204, body: '' });
        expect(await ann.http(`${list}.list`, {})).toEqual({
          items: [{ user: ben.user, createdAt: expect.any(String) }],
        });
        expect(await ben.http(`${list}.list`, {})).toEqual({ items: [] });
        for (let n = 0; n < 2; n++) expect(await ann.fetch('DELETE', path)).toMatchObject({ status: 204, body: '' });
        expect(await ann.http(`${list}.list`, {})).toEqual({ items: [] });
        expect(await codeOf(ann.http(`${list}.add`, { userId: newId() }))).toBe('not_found');
      }
    });

    it('somebody who blocks the caller is put into no conversation by them', async () => {
      const [ann, ben, cem] = await deployment.guests(3);
      const { id: conversationId } = await deployment.group([ann, cem]);
      await ben.http('block.add', { userId: ann.user.id });
      const input = { kind: 'group' as const, memberIds: [cem.user.id, ben.user.id] };
      expect(await codesOf(ann, 'conversation.create', input)).toEqual(['blocked', 'blocked']);
      expect(await codeOf(ann.http('member.add', { conversationId, userId: ben.user.id }))).toBe('blocked');
      expect(idsOf((await cem.http('conversation.list', {})).items)).toEqual([conversationId]);
    });

    it('while one blocks the other, neither creates or writes in the direct conversation', async () => {
      const [ann, ben] = await deployment.guests(2);
      const { id: group } = await deployment.group([ann, ben]);
      await ann.http('block.add', { userId: ben.user.id });
      for (const [who, other] of [
        [ann, ben],
        [ben, ann],
      ] as const)
        expect(await codesOf(who, 'conversation.create', { kind: 'direct', memberIds: [other.user.id] })).toEqual([
          'blocked',
          'blocked',
        ]);
      await ann.http('block.remove', { userId: ben.user.id });
      const conversationId = await deployment.direct(ann, ben);
      const sent = new Map<ChatClient, string>();
      for (const who of [ann, ben]) sent.set(who, (await who.send(conversationId, 'hello')).message.id);
      await ann.http('block.add', { userId: ben.user.id });
      const from = [ann.events.length, ben.events.length];
      for (const [who, other] of [
        [ann, ben],
        [ben, ann],
      ] as const) {
        const messageId = sent.get(who)!;
        expect(
          await allCodes([
            who.send(conversationId, 'x'),
            who.http('message.send', { conversationId, clientId: newId(), body: 'x' }),
            who.call('message.edit', { messageId, body: 'x' }),
            who.http('message.edit', { messageId, body: 'x' }),
            who.call('reaction.add', { messageId, emoji: '👍' }),
            who.http('reaction.add', { messageId, emoji: '👍' }),
            who.call('typing', { conversationId, active: true }),
            who.call('drawing.draw', { conversationId, line: { id: 'l', color: '#000000', width: 1, points: [0, 0] } }),
            who.call('peer.signal', { conversationId, to: other.user.id, data: 1 }),
          ]),
        ).toEqual(['blocked']);
        expect(
          await allCodes([
            who.call('conversation.open', { conversationId }),
            who.http('conversation.history', { conversationId }),
            who.http('drawing.get', { conversationId }),
            who.send(group, 'in a group'),
          ]),
        ).toEqual(['ok']);
      }
      await deployment.settle(ann, ben);
      expect([ann, ben].flatMap((who, n) => eventsAbout(who, conversationId, from[n]))).toEqual([]);
      await ann.http('block.remove', { userId: ben.user.id });
      expect(await codesOf(ben, 'message.send', { conversationId, clientId: newId(), body: 'again' })).toEqual([
        'ok',
        'ok',
      ]);
    });
  });

  describe('presence', () => {
    const stateOf = async (who: ChatClient, of: ChatClient) =>
      (await who.http('presence.get', { userIds: [of.user.id] })).items.map(({ state }) => state);

    it('is shown only to users who share a conversation or are contacts of each other', async () => {
      const [ann, ben, cem, dan, eve, fay] = await deployment.guests(6);
      await deployment.group([ann, ben]);
      await ann.http('contact.add', { userId: cem.user.id });
      await cem.http('contact.add', { userId: ann.user.id });
      await ann.http('contact.add', { userId: eve.user.id });
      await fay.http('contact.add', { userId: ann.user.id });
      await eventually(async () => expect(await stateOf(ann, ben)).toEqual(['online']));
      const userIds = [ben, cem, dan, eve, fay].map(({ user }) => user.id);
      const { items } = await ann.http('presence.get', { userIds });
      expect(items.map(({ userId }) => userId).toSorted()).toEqual(userIds.slice(0, 2).toSorted());
      expect(items[0]).toEqual({ userId: expect.any(String), state: 'online', lastSeenAt: expect.any(String) });
      const { presence } = await ann.call('presence.watch', { userIds });
      expect(presence.map(({ userId }) => userId).toSorted()).toEqual(userIds.slice(0, 2).toSorted());
    });

    it('is no longer shown to either when one of two contacts takes the other off the list', async () => {
      const [ann, ben, cem] = await deployment.guests(3);
      await deployment.group([ann, cem]);
      await deployment.group([ben, cem]);
      await ann.http('contact.add', { userId: ben.user.id });
      await ben.http('contact.add', { userId: ann.user.id });
      await eventually(async () => expect(await stateOf(ann, ben)).toEqual(['online']));
      await ann.call('presence.watch', { userIds: [ben.user.id, cem.user.id] });
      await ben.http('contact.remove', { userId: ann.user.id });
      expect([await stateOf(ann, ben), await stateOf(ben, ann)]).toEqual([[], []]);
      // Changes of cem follow those of ben, and only they arrive.
      const changesOf = (who: ChatClient) =>
        ann.eventsOf('presence:changed').filter(({ payload }) => payload.userId === who.user.id);
      await eventually(async () => {
        await ben.call('presence.heartbeat', { state: 'busy' });
        await cem.call('presence.heartbeat', { state: 'busy' });
        expect(changesOf(cem).at(-1)).toMatchObject({ payload: { state: 'busy' } });
      });
      expect(changesOf(ben)).toEqual([]);
    });

    it('shows the strongest state of several devices', async () => {
      const [ann, ben] = await deployment.guests(2);
      const tablet = await deployment.device(ben);
      await deployment.group([ann, ben]);
      await ann.call('presence.watch', { userIds: [ben.user.id] });
      const seen = (state: string, from = 0) =>
        ann.waitFor('presence:changed', (event) => event.userId === ben.user.id && event.state === state, 5_000, from);
      await eventually(async () => expect(await stateOf(ann, ben)).toEqual(['online']));
      await ben.call('presence.heartbeat', { state: 'busy' });
      await tablet.call('presence.heartbeat', { state: 'busy' });
      expect((await seen('busy')).payload).toEqual({
        userId: ben.user.id,
        state: 'busy',
        lastSeenAt: expect.any(String),
      });
      expect(await ben.call('presence.heartbeat', {})).toEqual({ serverTime: expect.any(String) });
      expect(await stateOf(ann, ben)).toEqual(['busy']);
      for (const [who, state, strongest] of [
        [tablet, 'online', 'online'],
        [ben, 'away', 'online'],
        [tablet, 'busy', 'busy'],
        [tablet, 'away', 'away'],
        [ben, 'online', 'online'],
      ] as const) {
        await who.call('presence.heartbeat', { state });
        await eventually(async () => expect(await stateOf(ann, ben)).toEqual([strongest]));
      }
      const from = ann.events.length;
      ben.disconnect();
      tablet.disconnect();
      await seen('offline', from);
      await ann.call('presence.unwatch', { userIds: [ben.user.id] });
      const unwatched = ann.events.length;
      await ben.connect();
      await eventually(async () => expect(await stateOf(ann, ben)).toEqual(['online']));
      await deployment.settle(ann);
      expect(eventsAbout(ann, ben.user.id, unwatched).filter(({ name }) => name === 'presence:changed')).toEqual([]);
    });

    it('shows both as offline to each other while one blocks the other', async () => {
      const [ann, ben] = await deployment.guests(2);
      await deployment.group([ann, ben]);
      for (const [who, other] of [
        [ann, ben],
        [ben, ann],
      ] as const) {
        await eventually(async () => expect(await stateOf(who, other)).toEqual(['online']));
        await who.call('presence.watch', { userIds: [other.user.id] });
      }
      await ann.http('block.add', { userId: ben.user.id });
      expect(await stateOf(ben, ann)).toEqual(['offline']);
      await ben.waitFor(
        'presence:changed',
        ({ userId, state }) => userId === ann.user.id && state === 'offline',
        5_000,
      );
    });

    it('answers `too_large` to more watches than allowed', async () => {
      const ann = await deployment.guest();
      const watch = (count: number) => ann.call('presence.watch', { userIds: Array.from({ length: count }, newId) });
      expect([await codeOf(watch(limits.presenceWatches)), await codeOf(watch(limits.presenceWatches + 1))]).toEqual([
        'ok',
        'too_large',
      ]);
    });
  });

  describe('bots', () => {
    it('a bot connects with its current token only', async () => {
      const [ann, guest] = [await deployment.person(), await deployment.guest()];
      expect(await codeOf(guest.http('bot.create', { username: uniqueName('bot') }))).toBe('forbidden');
      const made = await ann.fetch('POST', '/api/v1/bots', { username: uniqueName('bot'), displayName: 'Helpful' });
      const { user, token } = made.body as { user: Session['user']; token: string };
      expect([made.status, user.kind, user.displayName]).toEqual([201, 'bot', 'Helpful']);
      expect((await ann.http('bot.list', {})).items).toEqual([user]);
      const bot = new ChatClient(deployment.url, { ...ann.session, user, accessToken: token });
      await bot.connect();
      const { id } = await deployment.group([ann, bot]);
      const { message } = await bot.send(id, 'beep');
      expect(
        (await ann.waitFor('message:new', (event) => event.message.id === message.id)).payload.message.senderId,
      ).toBe(user.id);
      const { token: next } = await ann.http('bot.token', { userId: user.id });
      await eventually(async () => expect(await codeOf(bot.http('user.me', {}))).toBe('unauthenticated'), {
        timeoutMs: 5_000,
      });
      const again = new ChatClient(deployment.url, { ...ann.session, user, accessToken: next });
      await again.connect();
      expect(await ann.fetch('DELETE', `/api/v1/bots/${user.id}`)).toMatchObject({ status: 204, body: '' });
      await eventually(() => !again.connected, { timeoutMs: 5_000 });
      expect((await ann.history(id)).at(-1)?.body).toBe('beep');
      bot.disconnect();
      again.disconnect();
    });

    const botOf = async (owner: ChatClient): Promise<ChatClient> => {
      const { user, token } = await owner.http('bot.create', { username: uniqueName('bot') });
      const bot = new ChatClient(deployment.url, { ...owner.session, user, accessToken: token });
      await bot.connect();
      return bot;
    };

    it('a bot does not reach whoever blocks its owner', async () => {
      const [ann, ben] = [await deployment.person(), await deployment.guest()];
      const [early, late] = [await botOf(ann), await botOf(ann)];
      const conversationId = await deployment.direct(early, ben);
      const { id: group } = await deployment.group([early, ann]);
      const { message } = await early.send(conversationId, 'before the block');
      await early.send(conversationId, 'and once more');
      await ben.http('block.add', { userId: ann.user.id });
      const from = ben.events.length;
      expect(
        await allCodes([
          ...(['direct', 'group'] as const).flatMap((kind) =>
            [early, late].map((bot) => bot.http('conversation.create', { kind, memberIds: [ben.user.id] })),
          ),
          early.http('member.add', { conversationId: group, userId: ben.user.id }),
          early.send(conversationId, 'x'),
          early.http('message.send', { conversationId, clientId: newId(), body: 'x' }),
          early.call('message.edit', { messageId: message.id, body: 'x' }),
          early.call('reaction.add', { messageId: message.id, emoji: '👍' }),
          early.call('typing', { conversationId, active: true }),
          early.call('drawing.draw', { conversationId, line: { id: 'l', color: '#000000', width: 1, points: [0, 0] } }),
          early.call('peer.signal', { conversationId, to: ben.user.id, data: 1 }),
        ]),
      ).toEqual(['blocked']);
      await deployment.settle(ben);
      expect(eventsAbout(ben, conversationId, from)).toEqual([]);
      await ben.http('block.remove', { userId: ann.user.id });
      expect(await codeOf(early.send(conversationId, 'after the block'))).toBe('ok');
      early.disconnect();
      late.disconnect();
    });

    it('who left is not added again within a day by a bot of the one who had added them, nor by its owner', async () => {
      const [ann, ben] = [await deployment.person(), await deployment.guest()];
      const [bot, other] = [await botOf(ann), await botOf(ann)];
      const admins = async (creator: ChatClient, ...members: ChatClient[]): Promise<string> => {
        const { id } = await deployment.group([creator, ...members]);
        for (const { user } of members)
          await creator.http('member.update', { conversationId: id, userId: user.id, role: 'admin' });
        return id;
      };
      const add = { userId: ben.user.id };
      for (const [adder, refused] of [
        [ann, [ann, bot, other]],
        [bot, [ann, bot, other]],
      ] as const) {
        const conversationId = await admins(ann, bot, other);
        await adder.http('member.add', { conversationId, ...add });
        await ben.http('conversation.leave', { conversationId });
        expect(await allCodes(refused.map((who) => who.http('member.add', { conversationId, ...add })))).toEqual([
          'forbidden',
        ]);
      }
      bot.disconnect();
      other.disconnect();
    });
  });

  describe('attachments', () => {
    const png = Buffer.from(
      'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
      'base64',
    );
    const upload = async (who: ChatClient, bytes: Uint8Array<ArrayBuffer>, name: string) => {
      const form = new FormData();
      form.set('file', new Blob([bytes]), name);
      return fetch(new URL('/api/v1/attachments', who.url), {
        method: 'POST',
        body: form,
        headers: { authorization: `Bearer ${who.session.accessToken}` },
      });
    };
    const get = (who: ChatClient, id: string, headers: Record<string, string> = {}) =>
      fetch(new URL(`/api/v1/attachments/${id}`, who.url), {
        headers: { authorization: `Bearer ${who.session.accessToken}`, ...headers },
      });

    it('are visible to the uploader before sending, then to the members, finally to nobody', async () => {
      const [ann, ben, cem] = await deployment.guests(3);
      const { id: conversationId } = await deployment.group([ann, ben]);
      const uploaded = await upload(ann, png, 'dot.png');
      const attachment = (await uploaded.json()) as Attachment;
      expect([uploaded.status, attachment]).toEqual([
        201,
        {
          id: expect.any(String),
          name: 'dot.png',
          mediaType: 'image/png',
          size: png.length,
          width: 1,
          height: 1,
          thumbnailId: expect.any(String),
          url: expect.stringContaining(attachment.id),
        },
      ]);
      const statuses = async (id = attachment.id) =>
        Promise.all([ann, ben, cem].map(async (who) => (await get(who, id)).status));
      expect(await statuses()).toEqual([200, 404, 404]);
      expect(
        await codesOf(ben, 'message.send', { conversationId, clientId: 'theirs', attachmentIds: [attachment.id] }),
      ).toEqual(['not_found', 'not_found']);
      const { message } = await ann.call('message.send', {
        conversationId,
        clientId: 'a',
        type: 'image',
        attachmentIds: [attachment.id],
      });
      expect(message).toMatchObject({ type: 'image', body: '', attachments: [attachment] });
      for (const id of [attachment.id, attachment.thumbnailId]) expect(await statuses(id)).toEqual([200, 200, 404]);
      const part = await get(ben, attachment.id, { range: 'bytes=1-3' });
      expect([part.status, part.headers.get('content-range'), Buffer.from(await part.arrayBuffer())]).toEqual([
        206,
        `bytes 1-3/${png.length}`,
        png.subarray(1, 4),
      ]);
      const whole = await get(ben, attachment.id);
      expect([whole.headers.get('content-type'), Buffer.from(await whole.arrayBuffer()).equals(png)]).toEqual([
        'image/png',
        true,
      ]);
      await ann.call('message.delete', { messageId: message.id });
      for (const id of [attachment.id, attachment.thumbnailId]) expect(await statuses(id)).toEqual([404, 404, 404]);
    });

    it('are recognised by content', async () => {
      const ann = await deployment.guest();
      const refused = await upload(
        ann,
        Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0x3e, 0]),
        'picture.png',
      );
      expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([415, 'unsupported_media']);
      const text = await upload(ann, Buffer.from('plain text'), 'notes.png');
      expect(((await text.json()) as Attachment).mediaType).toMatch(/^text\/plain/);
    });

    it('have the id that is the last path segment of their finished tus upload', async () => {
      const ann = await deployment.guest();
      const { id: conversationId } = await deployment.group([ann]);
      const headers = { authorization: `Bearer ${ann.session.accessToken}`, 'tus-resumable': '1.0.0' };
      const created = await fetch(new URL('/api/v1/uploads', ann.url), {
        method: 'POST',
        headers: {
          ...headers,
          'upload-length': String(png.length),
          'upload-metadata': `filename ${Buffer.from('dot.png').toString('base64')}`,
        },
      });
      const location = new URL(created.headers.get('location')!, created.url);
      const send = (from: number, to: number) =>
        fetch(location, {
          method: 'PATCH',
          body: png.subarray(from, to),
          headers: { ...headers, 'upload-offset': String(from), 'content-type': 'application/offset+octet-stream' },
        });
      expect([created.status, (await send(0, 20)).status, (await send(20, png.length)).status]).toEqual([
        201, 204, 204,
      ]);
      const id = location.pathname.split('/').at(-1)!;
      const { message } = await ann.call('message.send', {
        conversationId,
        clientId: 'a',
        type: 'image',
        attachmentIds: [id],
      });
      expect(message.attachments).toMatchObject([{ id, name: 'dot.png', mediaType: 'image/png', size: png.length }]);
    });
  });
});
