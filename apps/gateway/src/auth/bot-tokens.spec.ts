import { randomBytes } from 'node:crypto';
import { ChatError } from '@parley/contracts';
import { eventually } from '@parley/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestGateway, heard, type Person } from '../spec/test-gateway.js';

const newToken = () => `parley_bot_${randomBytes(32).toString('base64url')}`;

describe('a bot’s token', () => {
  const bots = new Map<string, Person>();
  let lookups = 0;
  let answered: Promise<unknown> = Promise.resolve();
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await TestGateway.start({}, (starting) =>
      starting.serveBasics({
        'auth.bot.v1': async ({ token }) => {
          lookups++;
          await answered;
          const bot = bots.get(token);
          if (!bot) throw new ChatError('unauthenticated');
          return { userId: bot.user.id, sessionId: bot.sessionId };
        },
        'user.me.v1': ({ caller }) => ({ user: { id: caller.userId, kind: caller.kind, sessionId: caller.sessionId } }),
      }),
    );
  });
  afterAll(() => gateway.stop());

  const bot = () => {
    const [person, token] = [gateway.person('bot'), newToken()];
    bots.set(token, person);
    return { ...person, token };
  };
  const me = (token: string) => gateway.fetch('/api/v1/users/me', { token });
  const refusal = (token: string) =>
    new Promise((resolve, reject) => {
      const socket = gateway.dial({ token });
      socket.once('connect_error', (error: Error & { data?: unknown }) => resolve(error.data));
      socket.once('session:ready', () => reject(new Error('was let in')));
    });

  it('is valid wherever an access token is', async () => {
    const { user, sessionId, token } = bot();
    const before = lookups;
    const answers = await Promise.all([me(token), me(token)]);
    for (const answer of answers) expect(await answer.json()).toEqual({ id: user.id, kind: 'bot', sessionId });
    const { ready } = await gateway.connect({ user, sessionId }, {}, token);
    expect(ready.user).toEqual(user);
    expect(lookups - before).toBe(1);
  });

  it('is answered for itself, whoever asks while it is looked up', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    answered = promise;
    const [before, ann, ben] = [lookups, bot(), bot()];
    const answers = [ann.token, ben.token, newToken()].map(async (token) => {
      const answer = await me(token);
      return [answer.status, ((await answer.json()) as { id?: string }).id];
    });
    await eventually(() => expect(lookups).toBe(before + 3));
    resolve();
    expect(await Promise.all(answers)).toEqual([
      [200, ann.user.id],
      [200, ben.user.id],
      [401, undefined],
    ]);
  });

  it.each([
    ['unknown', newToken()],
    ['cut short', newToken().slice(0, -1)],
    ['too long', `${newToken()}x`],
    ['empty', 'parley_bot_'],
  ])('is refused when it is %s', async (_, token) => {
    const answer = await me(token);
    expect([answer.status, await answer.json()]).toMatchObject([401, { code: 'unauthenticated' }]);
    expect(await refusal(token)).toMatchObject({ code: 'unauthenticated' });
  });

  it('is refused once revoked, even if it was cached', async () => {
    const { user, sessionId, token } = bot();
    const { socket } = await gateway.connect({ user, sessionId }, {}, token);
    const revoked = heard(socket, 'session:revoked');
    await gateway.broker.publish('session.revoked.v1', { userId: user.id, sessionIds: [sessionId], reason: 'ended' });
    await eventually(() => expect(socket.connected).toBe(false));
    expect(revoked).toEqual([{ reason: 'ended' }]);
    expect((await me(token)).status).toBe(401);
    expect(await refusal(token)).toMatchObject({ code: 'unauthenticated' });
  });

  it('loses its sockets within 5 s when the event was missed', async () => {
    const { user, sessionId, token } = bot();
    const { socket } = await gateway.connect({ user, sessionId }, {}, token);
    gateway.revoked.push(sessionId);
    await eventually(() => expect(socket.connected).toBe(false), { timeoutMs: 5_000 });
    expect((await me(token)).status).toBe(401);
  });

  it('is answered unavailable while auth is unavailable', async () => {
    const alone = await TestGateway.start({}, async (starting) => {
      await starting.serveBasics({
        'auth.bot.v1': () => {
          throw new ChatError('unavailable');
        },
      });
    });
    expect((await alone.fetch('/api/v1/users/me', { token: newToken() })).status).toBe(503);
    await alone.stop();
  });
});
