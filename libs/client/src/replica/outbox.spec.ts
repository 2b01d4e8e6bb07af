import { describe, expect, it, vi } from 'vitest';
import { ParleyError } from '../errors.js';
import { message } from '../spec/fixtures.js';
import { memoryStorage } from '../storage.js';
import { Outbox } from './outbox.js';

describe('the outbox', () => {
  it('sends a message once the one before is stored, also when resume is called meanwhile', async () => {
    const sending: string[] = [];
    const answers: (() => void)[] = [];
    const outbox = new Outbox(memoryStorage(), {
      online: () => true,
      now: () => Date.now(),
      changed: () => undefined,
      stored: () => undefined,
      send: ({ clientId }) =>
        new Promise((resolve) => {
          sending.push(clientId);
          answers.push(() =>
            resolve({ message: message(sending.length, 1, { clientId, senderId: 'me' }), duplicate: false }),
          );
        }),
    });
    await outbox.load('me');
    const [first, second] = [outbox.add('c', 'a', { body: 'a' }, []), outbox.add('c', 'b', { body: 'b' }, [])];
    outbox.resume();
    await vi.waitFor(() => expect(sending).toEqual(['a']));
    answers[0]!();
    await first;
    await vi.waitFor(() => expect(sending).toEqual(['a', 'b']));
    // Another tab may have sent it: then its event arrives before the answer.
    outbox.confirm(message(2, 2, { clientId: 'b', senderId: 'me' }));
    expect(await second).toMatchObject({ seq: 2 });
    expect(outbox.size).toBe(0);
  });

  it('keeps a failed message with its error until it is retried or discarded', async () => {
    let refuse = true;
    const storage = memoryStorage();
    const outbox = new Outbox(storage, {
      online: () => true,
      now: () => Date.now(),
      changed: () => undefined,
      stored: () => undefined,
      send: async ({ clientId }) => {
        if (refuse) throw new ParleyError('muted', 'muted');
        return { message: message(1, 1, { clientId, senderId: 'me' }), duplicate: false };
      },
    });
    await outbox.load('me');
    await expect(outbox.add('c', 'a', { body: 'a' }, [])).rejects.toMatchObject({ code: 'muted' });
    expect(outbox.messagesOf('c', 'me')).toMatchObject([{ status: 'failed', local: { error: { code: 'muted' } } }]);
    await vi.waitFor(async () =>
      expect(await storage.entries('outbox/me/')).toMatchObject([[expect.anything(), { error: { code: 'muted' } }]]),
    );
    refuse = false;
    expect(await outbox.retry('c', 'a')).toMatchObject({ clientId: 'a' });
    await vi.waitFor(async () => expect(await storage.entries('outbox/me/')).toEqual([]));
  });
});
