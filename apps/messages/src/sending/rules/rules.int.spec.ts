import { newId, type CallInput } from '@parley/contracts';
import { readFileSync } from 'node:fs';
import { engines, running } from '@parley/store/testing';
import { range } from '@parley/testing';
import { describe, expect, inject, it } from 'vitest';
import type { SendOutcome } from '../send.js';
import { sendRules } from './index.js';
import type { SendCommand } from '../context.js';
import type { SendRule } from './rule.js';
import { newcomers } from '../../spec/newcomers.js';
import { newSender, Service } from '../../spec/service.js';

const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => ({ code: 'answered' }),
    (error: { code: string; details?: unknown; retryAfterMs?: number }) => ({
      code: error.code,
      details: error.details,
      retryAfterMs: error.retryAfterMs,
    }),
  );
const codeOf = async (promise: Promise<unknown>): Promise<string> => (await refusal(promise)).code;

const contents = (file: string): string => readFileSync(new URL(file, import.meta.url), 'utf8');

it('the short rule that CONTRIBUTING.md shows is what its file holds', () => {
  const guide = contents('../../../../../CONTRIBUTING.md').replaceAll(/^ {3}/gm, '');
  expect(guide).toContain(`\`\`\`ts\n${contents('./mentions-resolved.ts')}\`\`\``);
});

describe.each(engines(inject('servers').databaseUrl, 'messages'))('rules of sending on %s', (name, open) => {
  const on = running(open, (database) => Service.start(database));

  const group = async (policy: CallInput<'conversation.create'>['policy'], creator: string, ...memberIds: string[]) =>
    (await on.service.create(creator, { kind: 'group', memberIds, ...(policy && { policy }) })).conversation.id;
  const react = (userId: string, message: { id: string }, emoji = '👍') =>
    on.service.call('reaction.add.v1', userId, { messageId: message.id, emoji });
  const command = (
    userId: string,
    conversationId: string,
    clientId: string = newId(),
    ownerId?: string,
  ): SendCommand => ({
    caller: {
      requestId: newId(),
      userId,
      sessionId: newId(),
      ...(ownerId === undefined ? { kind: 'person' } : { kind: 'bot', ownerId }),
    },
    input: { conversationId, clientId, type: 'text', body: 'hello' },
  });
  /** Sends the commands in one transaction. */
  const batch = (commands: readonly SendCommand[], rules = sendRules): Promise<SendOutcome[]> =>
    newSender(on.service, on.engine.database, rules).send(commands);
  const codes = (outcomes: readonly SendOutcome[]) =>
    outcomes.map((outcome) => ('code' in outcome ? outcome.code : outcome.duplicate ? 'known' : 'stored'));
  const stored = async (conversationId: string) =>
    (
      await on.engine.owner.query<{ client_id: string }>(
        `select client_id from chat.message where conversation_id = $1 and type <> 'system' order by seq`,
        [conversationId],
      )
    ).map(({ client_id }) => client_id);

  describe('the reaction gate', () => {
    it('opens when enough others have reacted to the sender’s last message, counting people and not reactions', async () => {
      const [anna, ben, cara] = [newId(), newId(), newId()];
      const conversationId = await group({ reactionGate: 2 }, anna, ben, cara);
      const write = (userId = anna) => refusal(on.service.send(userId, { conversationId }));
      const { message } = await on.service.send(anna, { conversationId });
      expect(await write()).toMatchObject({ code: 'reaction_gate', details: { needed: 2, have: 0 } });
      await react(anna, message);
      await react(ben, message);
      await react(ben, message, '🎉');
      expect(await write()).toMatchObject({ code: 'reaction_gate', details: { needed: 2, have: 1 } });
      await react(cara, message);
      expect((await write()).code).toBe('answered');
      expect((await write()).code).toBe('reaction_gate');
      expect((await write(ben)).code).toBe('answered');
    });

    it('considers the newest message that is not deleted', async () => {
      const [anna, ben] = [newId(), newId()];
      const conversationId = await group({ reactionGate: 1 }, anna, ben);
      const first = await on.service.send(anna, { conversationId });
      await react(ben, first.message);
      const second = await on.service.send(anna, { conversationId });
      expect(await codeOf(on.service.send(anna, { conversationId }))).toBe('reaction_gate');
      await on.service.call('message.delete.v1', anna, { messageId: second.message.id });
      expect(await codeOf(on.service.send(anna, { conversationId }))).toBe('answered');
    });

    it('lets one message of a batch through, for each sender and conversation separately', async () => {
      const [anna, ben] = [newId(), newId()];
      const [here, there, free] = [
        await group({ reactionGate: 1 }, anna, ben),
        await group({ reactionGate: 1 }, anna, ben),
        await group({}, anna, ben),
      ];
      const outcomes = await batch([
        command(anna, here),
        command(anna, here),
        command(ben, here),
        command(anna, there),
        command(anna, free),
        command(anna, free),
      ]);
      expect(codes(outcomes)).toEqual(['stored', 'reaction_gate', 'stored', 'stored', 'stored', 'stored']);
    });

    it('answers resends, also in the batch that closes the gate', async () => {
      const [anna, ben] = [newId(), newId()];
      const conversationId = await group({ reactionGate: 1 }, anna, ben);
      const { message } = await on.service.send(anna, { conversationId, clientId: 'known' });
      expect(codes(await batch([command(anna, conversationId, 'known'), command(anna, conversationId)]))).toEqual([
        'known',
        'reaction_gate',
      ]);
      await react(ben, message);
      expect(
        codes(
          await batch([
            command(anna, conversationId, 'next'),
            command(anna, conversationId, 'known'),
            command(anna, conversationId),
          ]),
        ),
      ).toEqual(['stored', 'known', 'reaction_gate']);
      expect(await stored(conversationId)).toEqual(['known', 'next']);
    });
  });

  describe('slow mode', () => {
    it('makes members wait, except creator and admins', async () => {
      const [anna, ben, cara] = [newId(), newId(), newId()];
      const conversationId = await group({ slowModeSeconds: 60 }, anna, ben, cara);
      await on.engine.owner.query(`update chat.member set role = 'admin' where conversation_id = $1 and user_id = $2`, [
        conversationId,
        cara,
      ]);
      for (const userId of [anna, anna, cara, cara, ben])
        expect(await codeOf(on.service.send(userId, { conversationId }))).toBe('answered');
      const refused = await refusal(on.service.send(ben, { conversationId }));
      expect(refused.code).toBe('slow_mode');
      expect((refused as { retryAfterMs: number }).retryAfterMs).toBeGreaterThan(50_000);
      expect((refused as { retryAfterMs: number }).retryAfterMs).toBeLessThanOrEqual(60_000);
      await on.engine.owner.query(
        `update chat.message set created_at = created_at - interval '61 seconds' where conversation_id = $1 and sender_id = $2`,
        [conversationId, ben],
      );
      expect(await codeOf(on.service.send(ben, { conversationId }))).toBe('answered');
    });

    it('counts deleted messages', async () => {
      const [anna, ben] = [newId(), newId()];
      const conversationId = await group({ slowModeSeconds: 60 }, anna, ben);
      await on.engine.owner.query(`update chat.message set sender_id = $2 where conversation_id = $1`, [
        conversationId,
        ben,
      ]);
      const { message } = await on.service.send(ben, { conversationId });
      await on.service.call('message.delete.v1', ben, { messageId: message.id });
      expect(await codeOf(on.service.send(ben, { conversationId }))).toBe('slow_mode');
    });

    it('lets one message of a batch through', async () => {
      const [anna, ben] = [newId(), newId()];
      const conversationId = await group({ slowModeSeconds: 60 }, anna, ben);
      expect(
        codes(
          await batch([
            command(ben, conversationId, 'a'),
            command(ben, conversationId, 'b'),
            command(ben, conversationId, 'a'),
            command(anna, conversationId),
            command(anna, conversationId),
          ]),
        ),
      ).toEqual(['stored', 'slow_mode', 'known', 'stored', 'stored']);
    });
  });

  describe('a person and their bots', () => {
    const people = async (policy: CallInput<'conversation.create'>['policy']) => {
      const [anna, ben, cara, bot, other] = range(5).map(() => newId());
      const conversationId = await group(policy, anna!, ben!, cara!, bot!, other!);
      return { anna: anna!, ben: ben!, cara: cara!, bot: bot!, other: other!, conversationId };
    };
    const say = (userId: string, conversationId: string, ownerId?: string) =>
      codeOf(on.service.broker.request('message.send.v1', command(userId, conversationId, newId(), ownerId)));
    const reactAs = (userId: string, ownerId: string, messageId: string) => {
      const { caller } = command(userId, newId(), newId(), ownerId);
      return on.service.broker.request('reaction.add.v1', { caller, input: { messageId, emoji: '👍' } });
    };

    it('wait for each other under slow mode', async () => {
      const { ben, cara, bot, other, conversationId } = await people({ slowModeSeconds: 60 });
      const first = [
        command(bot, conversationId, newId(), ben),
        command(ben, conversationId),
        command(cara, conversationId),
      ];
      expect(codes(await batch(first))).toEqual(['stored', 'slow_mode', 'stored']);
      const later = [command(other, conversationId, newId(), ben), command(ben, conversationId)];
      expect(codes(await batch(later))).toEqual(['slow_mode', 'slow_mode']);
    });

    it('wait for what was sent before slow mode, by the fast path', async () => {
      const { anna, ben, cara, bot, other, conversationId } = await people({});
      for (let times = 0; times < 2; times++)
        expect([await say(bot, conversationId, ben), await say(cara, conversationId)]).toEqual([
          'answered',
          'answered',
        ]);
      await on.service.call('conversation.update.v1', anna, { conversationId, policy: { slowModeSeconds: 60 } });
      expect([await say(ben, conversationId), await say(other, conversationId, cara)]).toEqual([
        'slow_mode',
        'slow_mode',
      ]);
    });

    it('count as one at the reaction gate, and open none for each other', async () => {
      const { anna, ben, cara, bot, other, conversationId } = await people({ reactionGate: 2 });
      const { message } = await on.service.send(ben, { conversationId });
      await reactAs(bot, ben, message.id);
      const sendAs = (userId: string, ownerId?: string) =>
        refusal(on.service.broker.request('message.send.v1', command(userId, conversationId, newId(), ownerId)));
      expect(await sendAs(ben)).toMatchObject({ code: 'reaction_gate', details: { needed: 2, have: 0 } });
      // A bot that is used to write round the gate.
      expect(await sendAs(bot, ben)).toMatchObject({ code: 'reaction_gate', details: { needed: 2, have: 0 } });
      await react(cara, message);
      await reactAs(other, cara, message.id);
      expect(await sendAs(ben)).toMatchObject({ code: 'reaction_gate', details: { needed: 2, have: 1 } });
      await react(anna, message);
      expect(codes(await batch([command(bot, conversationId, newId(), ben), command(ben, conversationId)]))).toEqual([
        'stored',
        'reaction_gate',
      ]);
    });
  });

  describe('blocks', () => {
    it('keep both people from writing new messages in their direct conversation only', async () => {
      const [anna, ben] = [newId(), newId()];
      const { conversation } = await on.service.create(anna, { kind: 'direct', memberIds: [ben] });
      const together = await group({}, anna, ben);
      await on.service.send(anna, { conversationId: conversation.id, clientId: 'known' });
      const tries = () =>
        Promise.all([anna, ben].map((userId) => codeOf(on.service.send(userId, { conversationId: conversation.id }))));
      expect(await tries()).toEqual(['answered', 'answered']);
      await on.engine.owner.query(
        `insert into chat.block (blocker_id, blocked_id, created_at) values ($1, $2, now())`,
        [ben, anna],
      );
      expect(await tries()).toEqual(['blocked', 'blocked']);
      expect((await on.service.send(anna, { conversationId: conversation.id, clientId: 'known' })).duplicate).toBe(
        true,
      );
      expect(await codeOf(on.service.send(anna, { conversationId: together }))).toBe('answered');
      await on.engine.owner.query(`delete from chat.block`);
      expect(await tries()).toEqual(['answered', 'answered']);
    });
  });

  describe('a rule that fails', () => {
    const marked = ({ command: { input } }: { command: SendCommand }) => input.body.startsWith('marked');
    const failing: Record<string, SendRule> = {
      'with a wrong query': {
        name: 'broken',
        appliesTo: marked,
        prepare: (sql) => sql.query('select no_such_column'),
        check: () => undefined,
      },
      'that takes too long': {
        name: 'late',
        timeLimitMs: 50,
        appliesTo: marked,
        prepare: () => new Promise(() => undefined),
        check: () => undefined,
      },
      'with a check that throws': {
        name: 'throwing',
        appliesTo: marked,
        check: () => {
          throw new TypeError('a defect');
        },
      },
    };

    it.each(Object.keys(failing))('%s refuses only the new messages that it applies to', async (which) => {
      const [anna, ben] = [newId(), newId()];
      const conversationId = await group({ slowModeSeconds: 60 }, anna, ben);
      await on.service.send(anna, { conversationId, clientId: 'known', body: 'marked' });
      const strict = await Service.start(on.engine.database, { rules: [...sendRules, failing[which]!] });
      const say = (clientId: string, body: string, userId = anna) =>
        strict.send(userId, { conversationId, clientId, body }).then(
          ({ duplicate }) => (duplicate ? 'known' : 'stored'),
          (error: { code: string }) => error.code,
        );
      const answers = await Promise.all([
        say('a', 'plain'),
        say('b', 'marked'),
        say('c', 'plain', ben),
        say('known', 'marked'),
        say('d', 'marked', ben),
        say('e', 'plain', ben),
      ]);
      expect(answers).toEqual(['stored', 'unavailable', 'stored', 'known', 'slow_mode', 'slow_mode']);
      expect(await stored(conversationId)).toEqual(['known', 'a', 'c']);
      await strict.stop();
    });

    it('is not prepared when it applies to no message', async () => {
      const anna = newId();
      const conversationId = await group({}, anna);
      let asked = 0;
      let late: Promise<unknown> | undefined;
      const rule: SendRule = {
        name: 'late',
        timeLimitMs: 20,
        appliesTo: marked,
        check: () => undefined,
        prepare: (sql) => {
          asked += 1;
          late = new Promise((resolve) => setTimeout(resolve, 60)).then(() => sql.query('select 1'));
          return late;
        },
      };
      expect(codes(await batch([command(anna, conversationId)], [...sendRules, rule]))).toEqual(['stored']);
      expect(asked).toBe(0);
      const one = command(anna, conversationId);
      expect(codes(await batch([{ ...one, input: { ...one.input, body: 'marked' } }], [...sendRules, rule]))).toEqual([
        'unavailable',
      ]);
      await expect(late).rejects.toThrow('over');
    });

    // PGlite cannot interrupt a statement.
    it.each(name === 'Postgres' ? ['select pg_sleep(600)'] : [])(
      'interrupts a statement that runs too long: %s',
      async (statement) => {
        const anna = newId();
        const conversationId = await group({}, anna);
        const slow: SendRule = {
          name: 'slow',
          timeLimitMs: 100,
          prepare: (sql) => sql.query(statement),
          check: () => undefined,
        };
        expect(codes(await batch([command(anna, conversationId)], [...sendRules, slow]))).toEqual(['unavailable']);
        expect(codes(await batch([command(anna, conversationId)]))).toEqual(['stored']);
      },
    );
  });

  it('work as CONTRIBUTING.md shows', async () => {
    const [anna, ben] = [newId(), newId()];
    const { conversation } = await on.service.create(anna, {
      kind: 'group',
      visibility: 'public',
      title: 'open',
      memberIds: [ben],
    });
    await on.engine.owner.query(`update chat.member set joined_at = now() - interval '2 hours' where user_id = $1`, [
      anna,
    ]);
    const link = (userId: string): SendCommand => {
      const one = command(userId, conversation.id);
      return { ...one, input: { ...one.input, body: 'see https://example.org' } };
    };
    expect(
      codes(await batch([link(anna), link(ben), command(ben, conversation.id)], [...sendRules, newcomers])),
    ).toEqual(['stored', 'forbidden', 'stored']);
    const guide = contents('../../../../../CONTRIBUTING.md');
    const example = contents('../../spec/newcomers.ts');
    expect(guide).toContain(
      example.replace('../sending/context.js', '../context.js').replace('../sending/rules/', './'),
    );
  });

  it('are prepared once for a whole batch, in the same transaction', async () => {
    const members = range(6).map(() => newId());
    const conversations = await Promise.all(range(3).map(() => group({}, members[0]!, ...members.slice(1))));
    const sizes: number[] = [];
    const counting: SendRule = {
      name: 'counting',
      prepare: async (_sql, contexts) => void sizes.push(contexts.length),
      check: () => undefined,
    };
    await batch(
      conversations.flatMap((conversationId) => members.map((userId) => command(userId, conversationId))),
      [...sendRules, counting],
    );
    expect(sizes).toEqual([18]);
  });

  it('restore the statement timeout of the transaction', async () => {
    const anna = newId();
    const conversationId = await group({ reactionGate: 1 }, anna);
    const limits: unknown[] = [];
    const watched = (): typeof on.engine.database =>
      new Proxy(on.engine.database, {
        get: (target, key) => {
          if (key !== 'transaction') return Reflect.get(target, key) as unknown;
          return (work: Parameters<typeof target.transaction>[0]) =>
            target.transaction(async (sql) => {
              const [before] = await sql.query(`show statement_timeout`);
              const result = await work(sql);
              limits.push([before, (await sql.query(`show statement_timeout`))[0]]);
              return result;
            });
        },
      });
    const outcomes = await newSender(on.service, watched()).send([command(anna, conversationId)]);
    expect(codes(outcomes)).toEqual(['stored']);
    const [[before, after]] = limits as [[unknown, unknown]];
    expect(after).toEqual(before);
  });
});
