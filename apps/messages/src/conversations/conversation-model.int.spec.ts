import { newId } from '@parley/contracts';
import { rounds } from '@parley/testing';
import fc from 'fast-check';
import { describe, inject, it } from 'vitest';
import { engines, running } from '@parley/store/testing';
import { commands, Model, Real, type Kind } from '../spec/conversation-model.js';
import { Service } from '../spec/service.js';
import { expectConsistent } from '../spec/invariants.js';

describe.each(engines(inject('servers').databaseUrl, 'messages'))('a conversation on %s', (_, open) => {
  const on = running(open, (database) => Service.start(database));

  const begun = async (kind: Kind, visibility: 'public' | 'private'): Promise<{ model: Model; real: Real }> => {
    const users = [newId(), newId(), newId(), newId()];
    const members = kind === 'direct' ? [1] : [1, 2];
    const { conversation } = await on.service.create(users[0]!, {
      kind,
      memberIds: members.map((at) => users[at]!),
      ...(kind === 'direct' ? {} : { title: 'a title', visibility }),
    });
    const model = new Model(kind, kind === 'direct' ? 'private' : visibility);
    model.people.set(0, { role: 'creator', status: 'active', listed: true });
    for (const at of members)
      model.people.set(at, {
        role: kind === 'direct' ? 'creator' : 'member',
        status: 'active',
        listed: true,
        addedBy: 0,
      });
    return { model, real: new Real(on.service, on.engine, conversation.id, users) };
  };

  it('allows exactly the actions of the model, after any history of commands', async () => {
    const kind = fc.oneof(
      { weight: 4, arbitrary: fc.constant<Kind>('group') },
      { weight: 2, arbitrary: fc.constant<Kind>('channel') },
      { weight: 1, arbitrary: fc.constant<Kind>('direct') },
    );
    await fc.assert(
      fc.asyncProperty(
        kind,
        fc.constantFrom('public' as const, 'private' as const),
        commands,
        async (of, visibility, steps) => {
          const { model, real } = await begun(of, visibility);
          await fc.asyncModelRun(() => ({ model, real }), steps);
          await expectConsistent(on.engine.owner, real.conversationId);
        },
      ),
      rounds(20),
    );
  });
});
