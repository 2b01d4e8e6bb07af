import { ChatError } from '@parley/contracts';
import { eventually } from '@parley/testing';
import { expect, it } from 'vitest';
import { TestGateway } from '../spec/test-gateway.js';

it('each request is answered for its own token, whoever else waits for the keys', async () => {
  const { promise: fetched, resolve: answer } = Promise.withResolvers<void>();
  let isAvailable = false;
  let asked = 0;
  const gateway = await TestGateway.start({}, (starting) =>
    starting.serveBasics({
      'auth.keys.v1': async () => {
        if (!isAvailable) throw new ChatError('unavailable');
        asked++;
        await fetched;
        const jwk = starting.keys.publicKey.export({ format: 'jwk' });
        return { keys: [{ ...jwk, kid: starting.kid, alg: 'ES256', use: 'sig' }] };
      },
      'user.me.v1': ({ caller }) => ({ user: { id: caller.userId } }),
    }),
  );
  try {
    isAvailable = true;
    const [ann, ben, eve] = [gateway.person(), gateway.person(), gateway.person()];
    const tokens = [
      await gateway.token(ann),
      await gateway.token(ben),
      await gateway.token(eve, { key: new TextEncoder().encode('x'.repeat(32)), header: { alg: 'HS256' } }),
      await gateway.token(eve, { claims: { exp: 1 } }),
    ];
    const answers = tokens.map(async (token) => {
      const response = await gateway.fetch('/api/v1/users/me', { token });
      return [response.status, ((await response.json()) as { id?: string }).id];
    });
    await eventually(() => expect(asked).toBeGreaterThan(0));
    // Requests are read in the order in which they came: after this answer all of them wait.
    await gateway.fetch('/health/live');
    answer();
    expect(await Promise.all(answers)).toEqual([
      [200, ann.user.id],
      [200, ben.user.id],
      [401, undefined],
      [401, undefined],
    ]);
  } finally {
    await gateway.stop();
  }
});
