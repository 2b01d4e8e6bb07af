import { newId } from '@parley/contracts';
import { rounds } from '@parley/testing';
import fc from 'fast-check';
import { beforeAll, describe, inject, it } from 'vitest';
import { engines, running } from '@parley/store/testing';
import { Chat } from '../spec/chat.js';
import { catchUp, expectFresh } from '../spec/device.js';
import { commands, Model, Real } from '../spec/reading-model.js';
import { Service } from '../spec/service.js';

describe.each(engines(inject('servers').databaseUrl, 'history'))('unread counts and positions on %s', (_, open) => {
  const on = running(open, (database) => Service.start(database));
  let chat: Chat;
  beforeAll(async () => {
    chat = new Chat(on.engine.owner);
  });

  it('are exact on every device after any history', async () => {
    await fc.assert(
      fc.asyncProperty(commands, async (steps) => {
        const users = [newId(), newId(), newId()];
        const real = new Real(on.service, chat, await chat.conversation(users), users);
        await fc.asyncModelRun(() => ({ model: new Model(), real }), steps);
        for (const device of real.devices) {
          await catchUp(on.service, device);
          await expectFresh(on.service, device);
        }
      }),
      rounds(8),
    );
  });
});
