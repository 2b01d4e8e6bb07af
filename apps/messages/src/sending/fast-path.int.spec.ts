import { newId } from '@parley/contracts';
import { engines, running } from '@parley/store/testing';
import { range } from '@parley/testing';
import { describe, expect, inject, it } from 'vitest';
import { countStatements } from '../spec/statements.js';
import { newSender, Service } from '../spec/service.js';
import { sendRules } from './rules/index.js';
import type { SendCommand } from './context.js';
import type { SendRule } from './rules/rule.js';
import type { SendOutcome } from './send.js';

/** Webhooks look for deliveries by themselves. */
const notWebhooks = (text: string) => !text.includes('webhook');

describe.each(engines(inject('servers').databaseUrl, 'messages'))('the fast path of sending on %s', (_, open) => {
  const on = running(open, (database) => Service.start(database));

  const command = (userId: string, conversationId: string, more: Partial<SendCommand['input']> = {}): SendCommand => ({
    caller: { requestId: newId(), userId, sessionId: newId(), kind: 'person' },
    input: { conversationId, clientId: newId(), type: 'text', body: 'hello', ...more },
  });
  /** A sender with a cache of its own that other commands do not update, as in a replica that has lost the shard. */
  function sender(rules: readonly SendRule[] = sendRules) {
    const { database, asked } = countStatements(on.engine.database, notWebhooks);
    const messages = newSender(on.service, database, rules);
    return { send: (...commands: SendCommand[]): Promise<SendOutcome[]> => messages.send(commands), asked };
  }
  const codes = (outcomes: readonly SendOutcome[]) =>
    outcomes.map((outcome) => ('code' in outcome ? outcome.code : outcome.duplicate ? 'known' : 'stored'));
  const direct = async (one: string, other: string): Promise<string> =>
    (await on.service.create(one, { kind: 'direct', memberIds: [other] })).conversation.id;
  const rows = (conversationId: string) =>
    on.engine.owner.query<{ seq: number; rev: number; body: string; created_at: Date }>(
      `select seq, rev, body, created_at from chat.message where conversation_id = $1 order by seq`,
      [conversationId],
    );

  it('stores the same by one statement as the path with locks', async () => {
    const [anna, ben] = [newId(), newId()];
    const conversations = [await direct(anna, ben), await on.service.group(anna, ben)];
    const { send, asked } = sender();
    const all = (body: string) =>
      conversations.flatMap((id) => [command(anna, id, { body }), command(ben, id, { body })]);
    await send(...all('the long way'));
    expect(asked()).toBe(4);
    const outcomes = await send(...all('at once'));
    expect(asked()).toBe(1);
    expect(codes(outcomes)).toEqual(['stored', 'stored', 'stored', 'stored']);
    for (const [at, id] of conversations.entries()) {
      const stored = await rows(id);
      const [conversation] = await on.engine.owner.query<{ last_seq: number; rev: number; active_at: Date }>(
        `select last_seq, rev, active_at from chat.conversation where id = $1`,
        [id],
      );
      expect(stored.slice(-4).map(({ seq, body }) => [seq - stored.at(-4)!.seq, body])).toEqual([
        [0, 'the long way'],
        [1, 'the long way'],
        [2, 'at once'],
        [3, 'at once'],
      ]);
      const answered = outcomes
        .slice(2 * at, 2 * at + 2)
        .map((outcome) => ('code' in outcome ? undefined : outcome.message));
      expect(answered).toMatchObject(
        stored.slice(-2).map(({ seq, rev, created_at }) => ({ seq, rev, createdAt: created_at.toISOString() })),
      );
      expect(stored.map(({ created_at }) => created_at.getTime())).toEqual(
        stored.map(({ created_at }) => created_at.getTime()).toSorted((a, b) => a - b),
      );
      expect(conversation).toEqual({
        last_seq: stored.at(-1)!.seq,
        rev: stored.at(-1)!.rev,
        active_at: stored.at(-1)!.created_at,
      });
    }
  });

  it.each<[string, string, (service: Service, anna: string, ben: string, conversationId: string) => Promise<unknown>]>([
    [
      'muted',
      'muted',
      (on, anna, ben, conversationId) =>
        on.ask('member.update.v1', anna, { conversationId, userId: ben, status: 'muted' }),
    ],
    [
      'banned',
      'banned',
      (on, anna, ben, conversationId) =>
        on.ask('member.update.v1', anna, { conversationId, userId: ben, status: 'banned' }),
    ],
    [
      'removed',
      'not_found',
      (on, anna, ben, conversationId) => on.ask('member.remove.v1', anna, { conversationId, userId: ben }),
    ],
    [
      'in a conversation that was deleted',
      'not_found',
      (on, anna, _ben, conversationId) => on.ask('conversation.delete.v1', anna, { conversationId }),
    ],
    [
      'put in slow mode',
      'slow_mode',
      (on, anna, _ben, conversationId) =>
        on.ask('conversation.update.v1', anna, { conversationId, policy: { slowModeSeconds: 60 } }),
    ],
  ])('refuses a sender who was %s meanwhile', async (_what, code, change) => {
    const [anna, ben] = [newId(), newId()];
    const conversationId = await on.service.group(anna, ben);
    const { send } = sender();
    expect(codes(await send(command(ben, conversationId)))).toEqual(['stored']);
    await change(on.service, anna, ben, conversationId);
    expect(codes(await send(command(ben, conversationId)))).toEqual([code]);
  });

  it('refuses messages while one person blocks the other', async () => {
    const [anna, ben] = [newId(), newId()];
    const conversationId = await direct(anna, ben);
    const { send } = sender();
    await send(command(anna, conversationId), command(ben, conversationId));
    await on.service.ask('block.add.v1', ben, { userId: anna });
    expect(codes(await send(command(anna, conversationId), command(ben, conversationId)))).toEqual([
      'blocked',
      'blocked',
    ]);
    await on.service.ask('block.remove.v1', ben, { userId: anna });
    expect(codes(await send(command(anna, conversationId), command(ben, conversationId)))).toEqual([
      'stored',
      'stored',
    ]);
  });

  it('reaches exactly the present members', async () => {
    const [anna, ben, cleo] = [newId(), newId(), newId()];
    const conversationId = await on.service.group(anna, ben);
    const { send } = sender();
    await send(command(anna, conversationId));
    await on.service.ask('member.remove.v1', anna, { conversationId, userId: ben });
    await on.service.ask('member.add.v1', anna, { conversationId, userId: cleo });
    const [outcome] = await send(command(anna, conversationId));
    expect(outcome).toMatchObject({ audience: expect.arrayContaining([anna, cleo]) as unknown });
    expect(outcome).toMatchObject({ audience: { length: 2 } });
  });

  it('stores a message once per clientId', async () => {
    const anna = newId();
    const conversations = [await on.service.group(anna), await on.service.group(anna)] as const;
    const { send, asked } = sender();
    await send(...conversations.map((id) => command(anna, id)));
    const again = command(anna, conversations[0]);
    expect(codes(await send(again))).toEqual(['stored']);
    asked();
    expect(
      codes(await send({ ...again, caller: { ...again.caller, requestId: newId() } }, command(anna, conversations[1]))),
    ).toEqual(['known', 'stored']);
    expect(asked()).toBeGreaterThan(1);
    const twice = command(anna, conversations[1]);
    expect(codes(await send(twice, { ...twice, caller: { ...twice.caller, requestId: newId() } }))).toEqual([
      'stored',
      'known',
    ]);
    expect(asked()).toBe(1);
    expect((await rows(conversations[0])).map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect((await rows(conversations[1])).map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
  });

  it('is left for everything that its cached rows cannot decide', async () => {
    const anna = newId();
    const conversationId = await on.service.group(anna);
    const loading: SendRule = {
      name: 'loading',
      appliesTo: ({ command: { input } }) => input.body === 'load',
      prepare: async () => undefined,
      check: () => undefined,
    };
    const { send, asked } = sender([...sendRules, loading]);
    const [first] = await send(command(anna, conversationId));
    await send(command(anna, conversationId));
    expect(asked()).toBe(5);
    const replyTo = 'code' in first! ? undefined : first!.message.id;
    for (const more of [
      { replyTo },
      { forwardOf: replyTo, body: '' },
      { body: 'to @somebody.else' },
      { body: 'load' },
    ]) {
      expect(codes(await send(command(anna, conversationId, more)))).toEqual(['stored']);
      expect(asked()).toBeGreaterThan(2);
    }
    await on.service.send(anna, { conversationId, clientId: 'elsewhere' });
    expect(codes(await send(command(anna, conversationId)))).toEqual(['stored']);
    expect(asked()).toBeGreaterThan(2);
    expect((await rows(conversationId)).map(({ seq }) => seq)).toEqual(range(9).map((at) => at + 1));
  });

  it('is taken again right after reactions and edits by the same process', async () => {
    const { database, asked } = countStatements(on.engine.database, notWebhooks);
    const one = await Service.start(database);
    const anna = newId();
    const conversationId = await one.group(anna);
    const { message } = await one.send(anna, { conversationId, clientId: 'first' });
    await one.ask('reaction.add.v1', anna, { messageId: message.id, emoji: '👍' });
    await one.ask('message.edit.v1', anna, { messageId: message.id, body: 'changed' });
    asked();
    await one.send(anna, { conversationId, clientId: 'second' });
    expect(asked()).toBe(1);
    await one.stop();
  });
});
