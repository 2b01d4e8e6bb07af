import { BrokerFailure } from '@parley/broker/testing';
import { ChatError, newId, timeOf, type CallOutput } from '@parley/contracts';
import { traceIdOf, withTrace } from '@parley/service-kit';
import { engines, running } from '@parley/store/testing';
import { codeOf, eventually, range } from '@parley/testing';
import { describe, expect, inject, it } from 'vitest';
import { newSender, Service } from '../spec/service.js';
import type { SendCommand } from './context.js';

describe.each(engines(inject('servers').databaseUrl, 'messages'))('message.send on %s', (_, open) => {
  const on = running(open, (database) => Service.start(database));

  const stored = (conversationId: string) =>
    on.engine.owner.query<{ seq: number; rev: number; sender_id: string; client_id: string; body: string }>(
      `select seq, rev, sender_id, client_id, body from chat.message where conversation_id = $1 order by seq`,
      [conversationId],
    );
  const setMember = (conversationId: string, userId: string, change: string) =>
    on.engine.owner.query(
      `with moved as (update chat.conversation set rev = rev + 1, members_rev = rev + 1 where id = $1) update chat.member set ${change} where conversation_id = $1 and user_id = $2`,
      [conversationId, userId],
    );

  it('answers the stored message, pushes it to every member and publishes it', async () => {
    const [anna, ben, stranger] = [await on.service.connect(), await on.service.connect(), await on.service.connect()];
    const conversationId = await on.service.group(anna, ben);
    const { message, duplicate } = await on.service.send(anna, { conversationId, clientId: 'first', body: 'hello' });
    expect(message).toMatchObject({
      conversationId,
      seq: 2,
      rev: 3,
      senderId: anna,
      clientId: 'first',
      type: 'text',
      body: 'hello',
      attachments: [],
      mentions: [],
      reactions: [],
    });
    expect(message.id.slice(-2)).toBe(conversationId.slice(-2));
    expect(duplicate).toBe(false);
    expect(await stored(conversationId)).toHaveLength(2);
    const mine = (userId: string) =>
      on.service.pushed(userId, 'message:new').filter(({ payload }) => payload.message.clientId === 'first');
    await eventually(() => on.service.created().some(({ id }) => id === message.id));
    expect(mine(anna)).toEqual([{ event: 'message:new', id: `${conversationId}:3`, payload: { message } }]);
    expect(mine(ben)).toEqual(mine(anna));
    expect(mine(stranger)).toEqual([]);
  });

  it('stores the trace id of a message and the time of its commit, which a resend does not change', async () => {
    const anna = newId();
    const conversationId = await on.service.group(anna);
    const [first, second] = [traceIdOf(), traceIdOf()];
    const send = (traceId: string) =>
      withTrace({ traceId }, () => on.service.send(anna, { conversationId, clientId: 'traced' }));
    const { message } = await send(first);
    const trace = await on.service.traces.of(message.id);
    expect(trace?.committed).toBeGreaterThanOrEqual(timeOf(message.id));
    expect((await send(second)).duplicate).toBe(true);
    expect(
      await on.engine.owner.query(
        `select replace(trace_id::text, '-', '') as trace from chat.message where conversation_id = $1 and type <> 'system'`,
        [conversationId],
      ),
    ).toEqual([{ trace: first }]);
    expect(await on.service.traces.of(message.id)).toEqual(trace);
  });

  it('ignores a malformed trace id', async () => {
    const anna = newId();
    const conversationId = await on.service.group(anna);
    await withTrace({ traceId: 'somebody’s own' }, () => on.service.send(anna, { conversationId }));
    expect(
      await on.engine.owner.query(`select trace_id from chat.message where conversation_id = $1 and type <> 'system'`, [
        conversationId,
      ]),
    ).toEqual([{ trace_id: null }]);
  });

  it('assigns seq and rev without gaps to 32 concurrent senders, in the order of each', async () => {
    const senders = range(32).map(() => newId());
    const conversationId = await on.service.group(senders[0]!, ...senders.slice(1));
    await Promise.all(
      senders.flatMap((sender) => range(12).map((n) => on.service.send(sender, { conversationId, clientId: `n${n}` }))),
    );
    const rows = (await stored(conversationId)).slice(1);
    expect(rows.map(({ seq }) => seq)).toEqual(range(384).map((at) => at + 2));
    expect(rows.map(({ rev }) => rev)).toEqual(range(384).map((at) => at + 3));
    for (const sender of senders) {
      expect(rows.filter(({ sender_id }) => sender_id === sender).map(({ client_id }) => client_id)).toEqual(
        range(12).map((n) => `n${n}`),
      );
    }
    const [row] = await on.engine.owner.query(`select last_seq, rev from chat.conversation where id = $1`, [
      conversationId,
    ]);
    expect(row).toEqual({ last_seq: 385, rev: 386 });
  });

  it('assigns seq and rev per conversation in one batch', async () => {
    const sender = newId();
    const conversations = await Promise.all(range(6).map(() => on.service.group(sender)));
    const sent = await Promise.all(
      range(60).map((n) =>
        on.service.send(sender, { conversationId: conversations[n % 6]!, clientId: 'same' + Math.floor(n / 6) }),
      ),
    );
    for (const conversationId of conversations) {
      const seqs = sent
        .map(({ message }) => message)
        .filter((message) => message.conversationId === conversationId)
        .map(({ seq }) => seq);
      expect(seqs).toEqual(range(10).map((at) => at + 2));
    }
  });

  it('stores a clientId once for any resends and redeliveries', async () => {
    const [anna, ben] = [newId(), newId()];
    const conversationId = await on.service.group(anna, ben);
    const first = await on.service.send(anna, { conversationId, clientId: 'c1', body: 'one' });
    const again = await on.service.send(anna, { conversationId, clientId: 'c1', body: 'two' });
    expect(again).toEqual({ message: first.message, duplicate: true });

    const racing = await Promise.all(range(20).map(() => on.service.send(anna, { conversationId, clientId: 'c2' })));
    expect(new Set(racing.map(({ message }) => message.id)).size).toBe(1);
    expect(racing.filter(({ duplicate }) => !duplicate)).toHaveLength(1);

    const requestId = newId();
    const published = [
      await on.service.send(anna, { conversationId, clientId: 'c3' }, requestId),
      ...(await Promise.all(range(2).map(() => on.service.send(anna, { conversationId, clientId: 'c3' }, requestId)))),
    ];
    expect(published).toEqual(range(3).map(() => published[0]));
    expect(published[0]!.duplicate).toBe(false);

    const other = await on.service.send(ben, { conversationId, clientId: 'c1' });
    expect(other.duplicate).toBe(false);
    expect((await stored(conversationId)).map(({ client_id }) => client_id)).toEqual([
      expect.stringMatching(/^system:/),
      'c1',
      'c2',
      'c3',
      'c1',
    ]);
  });

  it('pushes again under the same id for a redelivery only', async () => {
    const anna = await on.service.connect();
    const conversationId = await on.service.group(anna);
    const requestId = newId();
    const { message } = await on.service.send(anna, { conversationId, clientId: 'r1' }, requestId);
    await on.service.send(anna, { conversationId, clientId: 'r1' });
    await on.service.send(anna, { conversationId, clientId: 'r1' }, requestId);
    await eventually(() => on.service.created().filter(({ id }) => id === message.id).length === 2);
    const frames = on.service.pushed(anna, 'message:new').filter(({ payload }) => payload.message.id === message.id);
    expect(new Set(frames.map(({ id }) => id))).toEqual(new Set([`${conversationId}:${message.rev}`]));
  });

  it('answers a resend with the current state of the message', async () => {
    const anna = newId();
    const conversationId = await on.service.group(anna);
    await on.service.send(anna, { conversationId, clientId: 'gone', body: 'secret' });
    await on.engine.owner.query(
      `update chat.message set deleted_at = now(), rev = 4 where conversation_id = $1 and client_id = 'gone'`,
      [conversationId],
    );
    const { message, duplicate } = await on.service.send(anna, { conversationId, clientId: 'gone', body: 'secret' });
    expect(duplicate).toBe(true);
    expect(message).toMatchObject({ rev: 4, body: '', deletedAt: expect.any(String) });
  });

  it('refuses users who may not write', async () => {
    const [creator, member] = [newId(), newId()];
    const conversationId = await on.service.group(creator, member);
    const write = (userId: string, clientId = newId()) => codeOf(on.service.send(userId, { conversationId, clientId }));
    await on.service.send(member, { conversationId, clientId: 'known' });
    const table: [string, string, string][] = [
      [`status = 'muted', muted_until = null`, 'muted', 'answered'],
      [`status = 'muted', muted_until = now() + interval '1 hour'`, 'muted', 'answered'],
      [`status = 'muted', muted_until = now() - interval '1 second'`, 'answered', 'answered'],
      [`status = 'banned', muted_until = null`, 'banned', 'banned'],
      [`status = 'banned', banned_until = now() + interval '1 hour'`, 'banned', 'banned'],
      [`status = 'banned', banned_until = now() - interval '1 second'`, 'answered', 'answered'],
      [`status = 'active', left_at = now()`, 'not_found', 'not_found'],
    ];
    for (const [change, fresh, known] of table) {
      await setMember(conversationId, member, change);
      expect([change, await write(member), await write(member, 'known')]).toEqual([change, fresh, known]);
    }
    expect(await write(newId())).toBe('not_found');
    expect(await codeOf(on.service.send(creator, { conversationId: newId() }))).toBe('not_found');
    await on.engine.owner.query(`update chat.conversation set visibility = 'public' where id = $1`, [conversationId]);
    expect([await write(newId()), await write(member, 'known')]).toEqual(['forbidden', 'not_found']);
    await on.engine.owner.query(`update chat.conversation set deleted_at = now() where id = $1`, [conversationId]);
    expect(await write(creator)).toBe('not_found');
  });

  it('lets only creator and admins write in a channel', async () => {
    const [creator, admin, member] = [newId(), newId(), newId()];
    const { conversation } = await on.service.create(creator, {
      kind: 'channel',
      title: 'news',
      memberIds: [admin, member],
    });
    await setMember(conversation.id, admin, `role = 'admin'`);
    await setMember(conversation.id, member, `status = 'muted'`);
    const codes = await Promise.all(
      [creator, admin, member].map((userId) => codeOf(on.service.send(userId, { conversationId: conversation.id }))),
    );
    expect(codes).toEqual(['answered', 'answered', 'forbidden']);
  });

  it('refuses replies to deleted messages and to messages of other conversations', async () => {
    const anna = newId();
    const [here, there] = [await on.service.group(anna), await on.service.group(anna)];
    const { message } = await on.service.send(anna, { conversationId: here });
    const reply = await on.service.send(anna, { conversationId: here, replyTo: message.id });
    expect(reply.message.replyTo).toBe(message.id);
    expect(await codeOf(on.service.send(anna, { conversationId: there, replyTo: message.id }))).toBe('not_found');
    expect(await codeOf(on.service.send(anna, { conversationId: here, replyTo: newId() }))).toBe('not_found');
    await on.engine.owner.query(`update chat.message set deleted_at = now() where conversation_id = $1 and id = $2`, [
      here,
      message.id,
    ]);
    expect(await codeOf(on.service.send(anna, { conversationId: here, replyTo: message.id }))).toBe('conflict');
    expect(await codeOf(on.service.send(anna, { conversationId: here, attachmentIds: [newId()] }))).toBe('not_found');
  });

  it('answers whether the recipient is online in a direct conversation', async () => {
    const [anna, ben] = [await on.service.connect(), newId()];
    const { conversation } = await on.service.create(anna, { kind: 'direct', memberIds: [ben] });
    const toBen = await on.service.send(anna, { conversationId: conversation.id });
    const toAnna = await on.service.send(ben, { conversationId: conversation.id });
    const toGroup = await on.service.send(anna, { conversationId: await on.service.group(anna, ben) });
    expect([toBen.recipientOnline, toAnna.recipientOnline, 'recipientOnline' in toGroup]).toEqual([false, true, false]);
  });

  it('stores any text that a client may send', async () => {
    const anna = newId();
    const conversationId = await on.service.group(anna);
    const bodies = [
      '"quoted", {braces}, \\back\\slashes',
      'NULL',
      "it's; drop table chat.message; --",
      'line\nbreak\ttab',
      '🧵 é ﷽',
      ' edges ',
      '{}',
    ];
    await Promise.all(bodies.map((body, n) => on.service.send(anna, { conversationId, clientId: `"${n}\\`, body })));
    expect((await stored(conversationId)).slice(1).map(({ body }) => body)).toEqual(bodies);
  });

  it('never gives a message an earlier time than the previous one', async () => {
    const anna = newId();
    const conversationId = await on.service.group(anna);
    await on.engine.owner.query(`update chat.conversation set active_at = now() + interval '1 hour' where id = $1`, [
      conversationId,
    ]);
    const { message } = await on.service.send(anna, { conversationId });
    expect(new Date(message.createdAt).getTime()).toBeGreaterThan(Date.now() + 3_500_000);
  });

  it('pushes to the members as of the commit', async () => {
    const [anna, ben] = [await on.service.connect(), await on.service.connect()];
    const conversationId = await on.service.group(anna, ben);
    const heard = async (clientId: string) => {
      const { message } = await on.service.send(anna, { conversationId, clientId });
      await eventually(() => on.service.created().some(({ id }) => id === message.id));
      return on.service.pushed(ben, 'message:new').some(({ payload }) => payload.message.id === message.id);
    };
    const change = (set: string) =>
      on.engine.owner.query(
        `with bumped as (update chat.conversation set rev = rev + 1, members_rev = rev + 1 where id = $1 returning rev)
       update chat.member set ${set}, rev = (select rev from bumped) where conversation_id = $1 and user_id = $2`,
        [conversationId, ben],
      );
    expect(await heard('a')).toBe(true);
    await change('left_at = now()');
    expect(await heard('b')).toBe(false);
    await change('left_at = null');
    expect(await heard('c')).toBe(true);
    await change(`status = 'banned', banned_until = now() + interval '1 hour'`);
    expect(await heard('d')).toBe(false);
    await change(`banned_until = now()`);
    expect(await heard('e')).toBe(true);
  });

  it('dead-letters one defective command of a batch without affecting the others', async () => {
    const anna = newId();
    const conversationId = await on.service.group(anna);
    await on.engine.owner.query(`alter table chat.message add constraint no_poison check (body <> 'poison')`);
    const codes = await Promise.all(
      range(20).map((n) =>
        codeOf(on.service.send(anna, { conversationId, clientId: `p${n}`, body: n === 7 ? 'poison' : 'fine' })),
      ),
    );
    await on.engine.owner.query(`alter table chat.message drop constraint no_poison`);
    expect(codes).toEqual(range(20).map((n) => (n === 7 ? 'internal' : 'answered')));
    expect(on.service.broker.deadLetters.map(({ name }) => name)).toEqual(['message.send.v1']);
    expect((await stored(conversationId)).map(({ seq }) => seq)).toEqual(range(20).map((at) => at + 1));
  });

  it('repeats pushes and events but stores the message once when the broker fails after the commit', async () => {
    const failure = new BrokerFailure(['publish']);
    const cut = await Service.start(on.engine.database, { through: failure.through });
    const anna = await cut.connect();
    const conversationId = await cut.group(anna);
    failure.fail(3);
    const answers: CallOutput<'message.send'>[] = await Promise.all(
      range(2).map((n) => cut.send(anna, { conversationId, clientId: `u${n}` })),
    );
    await eventually(() => answers.every(({ message }) => cut.created().some(({ id }) => id === message.id)));
    expect(answers.map(({ duplicate }) => duplicate)).toEqual([false, false]);
    expect(await stored(conversationId)).toHaveLength(3);
    await cut.stop();
  });

  it('never deadlocks when batches name the same conversations in different orders', async () => {
    const sender = newSender(on.service, on.engine.database);
    const anna = newId();
    const conversations = await Promise.all(range(5).map(() => on.service.group(anna)));
    const command = (conversationId: string): SendCommand => ({
      caller: { requestId: newId(), userId: anna, sessionId: newId(), kind: 'person' },
      input: { conversationId, clientId: newId(), type: 'text', body: 'hello' },
    });
    const batches = range(12).map((n) =>
      sender.send((n % 2 ? conversations : conversations.toReversed()).map(command)),
    );
    expect(
      (await Promise.all(batches)).flat().every((outcome) => !(outcome instanceof ChatError) && !outcome.duplicate),
    ).toBe(true);
    for (const conversationId of conversations)
      expect((await stored(conversationId)).map(({ seq }) => seq)).toEqual(range(13).map((at) => at + 1));
  });

  it('assigns seq without gaps when two replicas send to the same conversations', async () => {
    const other = await Service.start(await on.engine.replica());
    const [anna, ben] = [newId(), newId()];
    const conversations = await Promise.all(range(4).map(() => on.service.group(anna, ben)));
    const work = [on.service, other].flatMap((one) =>
      range(80).map((n) =>
        one.send(n % 3 === 0 ? anna : ben, { conversationId: conversations[n % 4]!, clientId: `x${n}` }),
      ),
    );
    const sent = await Promise.all(work);
    expect(sent.filter(({ duplicate }) => !duplicate)).toHaveLength(80);
    for (const conversationId of conversations)
      expect((await stored(conversationId)).map(({ seq }) => seq)).toEqual(range(21).map((at) => at + 1));
    await other.stop();
  });
});
