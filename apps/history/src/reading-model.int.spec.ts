import { newId } from '@parley/contracts';
import { rounds } from '@parley/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, inject, it } from 'vitest';
import { engines, type Engine } from '@parley/store/testing';
import { Chat } from './spec/chat.js';
import { catchUp, demandFresh } from './spec/device.js';
import { commands, Model, Real } from './spec/reading-model.js';
import { Service } from './spec/service.js';

describe.each(engines(inject('servers').databaseUrl, 'history'))('what is unread, and how far everybody is, on %s', (_, open) => {
  let engine: Engine;
  let service: Service;
  let chat: Chat;
  beforeAll(async () => {
    engine = await open();
    service = await Service.start(engine.database);
    chat = new Chat(engine.owner);
  });
  afterAll(async () => {
    await service.stop();
    await engine.close();
  });

  it('is exact after any history, goes never back, and reaches devices however old what they hold is', async () => {
    await fc.assert(
      fc.asyncProperty(commands, async (steps) => {
        const users = [newId(), newId(), newId()];
        const real = new Real(service, chat, await chat.conversation(users), users);
        await fc.asyncModelRun(() => ({ model: new Model(), real }), steps);
        for (const device of real.devices) {
          await catchUp(service, device);
          await demandFresh(service, device);
        }
      }),
      rounds(8),
    );
  });
});
