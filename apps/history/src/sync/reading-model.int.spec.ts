import { newId } from '@parley/contracts';
import { rounds } from '@parley/testing';
import fc from 'fast-check';
import { beforeAll, describe, inject, it } from 'vitest';
import { engines, running } from '@parley/store/testing';
import { Chat } from '../spec/chat.js';
import { catchUp, demandFresh } from '../spec/device.js';
import { commands, Model, Real } from '../spec/reading-model.js';
import { Service } from '../spec/service.js';

describe.each(engines(inject('servers').databaseUrl, 'history'))(
  'what is unread, and how far everybody is, on %s',
  (_, open) => {
    const on = running(open, (database) => Service.start(database));
    let chat: Chat;
    beforeAll(async () => {
      chat = new Chat(on.engine.owner);
    });

    it('is exact after any history, goes never back, and reaches devices however old what they hold is', async () => {
      await fc.assert(
        fc.asyncProperty(commands, async (steps) => {
          const users = [newId(), newId(), newId()];
          const real = new Real(on.service, chat, await chat.conversation(users), users);
          await fc.asyncModelRun(() => ({ model: new Model(), real }), steps);
          for (const device of real.devices) {
            await catchUp(on.service, device);
            await demandFresh(on.service, device);
          }
        }),
        rounds(8),
      );
    });
  },
);
