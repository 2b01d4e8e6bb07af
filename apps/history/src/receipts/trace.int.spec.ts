import { newId, timeOf, type CallOutput } from '@parley/contracts';
import { traceIdOf } from '@parley/service-kit';
import { codeOf } from '@parley/testing';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { Chat } from '../spec/chat.js';
import { engines, running } from '@parley/store/testing';
import { Service } from '../spec/service.js';

describe.each(engines(inject('servers').databaseUrl, 'history'))('message.trace on %s', (_, open) => {
  const on = running(open, (database) => Service.start(database));
  let chat: Chat;
  beforeAll(async () => {
    chat = new Chat(on.engine.owner);
  });

  const sent = async (...members: string[]) => {
    const conversationId = await chat.conversation(members);
    const seq = await chat.message(conversationId, members[0]!);
    return { conversationId, seq, messageId: await chat.idOf(conversationId, seq) };
  };
  const trace = (userId: string, messageId: string): Promise<CallOutput<'message.trace'>> =>
    on.service.ask('message.trace.v1', userId, { messageId });
  const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);

  it('shows the sender the progress of a message', async () => {
    const [anna, ben, cara] = [newId(), newId(), newId()];
    const { conversationId, seq, messageId } = await sent(anna, ben, cara);
    const traceId = traceIdOf();
    await on.engine.owner.query('update chat.message set trace_id = $3 where conversation_id = $1 and seq = $2', [
      conversationId,
      seq,
      traceId,
    ]);
    const phone = { userId: ben, connectionId: newId() };
    on.service.traces.committed([messageId]);
    on.service.traces.pushed(messageId, [phone]);
    await on.service.receipt('delivered', ben, conversationId, seq);
    await on.service.receipt('read', cara, conversationId, seq);
    const traced = await trace(anna, messageId);
    expect(traced).toEqual({
      messageId,
      traceId,
      received: new Date(timeOf(messageId)).toISOString(),
      committed: time,
      pushed: [{ ...phone, at: time }],
      delivered: expect.arrayContaining([
        { userId: ben, at: time },
        { userId: cara, at: time },
      ]),
      read: [{ userId: cara, at: time }],
    });
    expect(traced.delivered).toHaveLength(2);
  });

  it('leaves out unknown parts', async () => {
    const [anna, ben] = [newId(), newId()];
    const { messageId } = await sent(anna, ben);
    expect(await trace(anna, messageId)).toEqual({ messageId, received: time, delivered: [], read: [] });
  });

  it('leaves out pushes to blocked and blocking users', async () => {
    const [anna, ben, cara] = [newId(), newId(), newId()];
    const { messageId } = await sent(anna, ben, cara);
    on.service.traces.pushed(
      messageId,
      [anna, ben, cara].map((userId) => ({ userId, connectionId: newId() })),
    );
    const shown = async () => (await trace(anna, messageId)).pushed?.map(({ userId }) => userId);
    expect(await shown()).toEqual([anna, ben, cara]);
    await chat.block(ben, anna);
    expect(await shown()).toEqual([anna, cara]);
  });

  it('is refused with not_found to everybody except the sender', async () => {
    const [anna, ben] = [newId(), newId()];
    const { messageId } = await sent(anna, ben);
    const refusal = (userId: string, id: string) =>
      trace(userId, id).catch(({ code, message }: Error & { code: string }) => ({ code, message }));
    const none = await refusal(anna, newId());
    expect(none).toEqual({ code: 'not_found', message: 'No such message' });
    expect(await refusal(ben, messageId)).toEqual(none);
    expect(await codeOf(trace(newId(), messageId))).toBe('not_found');
  });
});
