import { BrokerFailure } from '@parley/broker/testing';
import { newId, type Line } from '@parley/contracts';
import { engines, running } from '@parley/store/testing';
import { codeOf, eventually, range } from '@parley/testing';
import { describe, expect, inject, it } from 'vitest';
import { Service } from '../spec/service.js';

const line = (id: string, points = [0, 0, 1.5, 2.25]) => ({ id, color: '#aabbcc', width: 2, points });

describe.each(engines(inject('servers').databaseUrl, 'messages'))('boards on %s', (_, open) => {
  const on = running(open, (database) => Service.start(database));

  const draw = (userId: string, conversationId: string, id: string, connectionId?: string) =>
    on.service.call(
      'drawing.draw.v1',
      userId,
      { conversationId, line: line(id) },
      connectionId === undefined ? {} : { connectionId },
    );
  const reset = (userId: string, conversationId: string) =>
    on.service.call('drawing.reset.v1', userId, { conversationId });
  const board = (conversationId: string) =>
    on.engine.owner.query<{ n: number; id: string }>(
      `select n, id from chat.drawing_line where conversation_id = $1 order by n`,
      [conversationId],
    );
  const lines = (userId: string, conversationId: string) =>
    on.service.frames.filter(
      ({ event, users, payload }) =>
        event === 'drawing:line' &&
        users.includes(userId) &&
        (payload as { conversationId: string }).conversationId === conversationId,
    );
  const setMember = (conversationId: string, userId: string, change: string) =>
    on.engine.owner.query(`update chat.member set ${change} where conversation_id = $1 and user_id = $2`, [
      conversationId,
      userId,
    ]);

  it('keep lines in the order of drawing', async () => {
    const [anna, ben, connectionId] = [await on.service.connect(), await on.service.connect(), newId()];
    const conversationId = await on.service.group(anna, ben);
    const [before] = await on.engine.owner.query(`select rev from chat.conversation where id = $1`, [conversationId]);
    const precise = { ...line('a', [0.1, 1234.56789, -1e6, 3.3333333333]), width: 0.7 };
    expect(await on.service.call('drawing.draw.v1', anna, { conversationId, line: precise }, { connectionId })).toEqual(
      {},
    );
    await draw(ben, conversationId, 'b');
    await eventually(() => lines(ben, conversationId).length === 2);
    expect(await board(conversationId)).toEqual([
      { n: 1, id: 'a' },
      { n: 2, id: 'b' },
    ]);
    const [frame] = lines(ben, conversationId);
    expect(frame).toMatchObject({ except: connectionId, payload: { conversationId, userId: anna } });
    const shown = (frame!.payload as { line: Line }).line;
    const [stored] = await on.engine.owner.query(
      `select id, user_id, color, width, points, created_at from chat.drawing_line where conversation_id = $1 and n = 1`,
      [conversationId],
    );
    expect(shown).toEqual({
      id: 'a',
      userId: anna,
      color: '#aabbcc',
      width: stored!['width'],
      points: stored!['points'],
      createdAt: (stored!['created_at'] as Date).toISOString(),
    });
    expect(shown.points[1]).toBeCloseTo(1234.56789, 2);
    expect(await on.engine.owner.query(`select rev from chat.conversation where id = $1`, [conversationId])).toEqual([
      before,
    ]);
  });

  it('take no more than 400,000 coordinates', async () => {
    const anna = newId();
    const conversationId = await on.service.group(anna, newId());
    await on.engine.owner.query(
      `insert into chat.drawing_line (conversation_id, n, id, user_id, color, width, points, created_at)
       select $1, n, 'line ' || n, $2, '#aabbcc', 1, array_fill(1.5::real, array[2000]), now() from generate_series(1, 199) n`,
      [conversationId, anna],
    );
    const add = (id: string, coordinates: number) =>
      on.service.call('drawing.draw.v1', anna, { conversationId, line: line(id, Array<number>(coordinates).fill(1)) });
    await add('a', 1_998);
    expect(await codeOf(add('b', 4))).toBe('too_large');
    await add('c', 2);
    expect(await codeOf(add('d', 2))).toBe('too_large');
    await add('a', 4);
  });

  it('keep the first line under an id', async () => {
    const [anna, ben] = [await on.service.connect(), await on.service.connect()];
    const conversationId = await on.service.group(anna, ben);
    await Promise.all([
      draw(anna, conversationId, 'a'),
      draw(anna, conversationId, 'a'),
      draw(ben, conversationId, 'a'),
    ]);
    await draw(ben, conversationId, 'a');
    await draw(ben, conversationId, 'last');
    await eventually(() => lines(ben, conversationId).length === 2);
    expect(await board(conversationId)).toEqual([
      { n: 1, id: 'a' },
      { n: 2, id: 'last' },
    ]);
    expect(lines(ben, conversationId).map(({ payload }) => (payload as { line: Line }).line.userId)).toEqual([
      anna,
      ben,
    ]);
  });

  it('number lines without gaps when many draw on several boards through two replicas', async () => {
    const other = await Service.start(await on.engine.replica());
    const [anna, ben] = [newId(), newId()];
    const boards = await Promise.all(range(3).map(() => on.service.group(anna, ben)));
    await Promise.all(
      range(90).map((n) =>
        (n % 2 ? on.service : other).call('drawing.draw.v1', n % 5 ? anna : ben, {
          conversationId: boards[n % 3]!,
          line: line(`l${n}`),
        }),
      ),
    );
    for (const conversationId of boards)
      expect((await board(conversationId)).map(({ n }) => n)).toEqual(range(30).map((at) => at + 1));
    await other.stop();
  });

  it('may be emptied by all writing members, with a new rev and a push', async () => {
    const [anna, ben] = [await on.service.connect(), await on.service.connect()];
    const conversationId = await on.service.group(anna, ben);
    await draw(anna, conversationId, 'a');
    const { rev } = await reset(ben, conversationId);
    expect(await board(conversationId)).toEqual([]);
    await eventually(() => on.service.pushed(anna, 'drawing:reset').length > 0);
    expect(on.service.pushed(anna, 'drawing:reset').at(-1)).toEqual({
      event: 'drawing:reset',
      id: `${conversationId}:${rev}`,
      payload: { conversationId, userId: ben, rev },
    });
    const [row] = await on.engine.owner.query(
      `select rev, drawing_rev, conversation_rev, members_rev from chat.conversation where id = $1`,
      [conversationId],
    );
    expect(row).toEqual({ rev, drawing_rev: rev, conversation_rev: 1, members_rev: 1 });
    await draw(anna, conversationId, 'a');
    await eventually(() => lines(ben, conversationId).length === 2);
    expect(new Set(lines(ben, conversationId).map(({ id }) => id)).size).toBe(2);
    expect(await board(conversationId)).toEqual([{ n: 1, id: 'a' }]);
  });

  it('let members change and remove their own lines, in one push each', async () => {
    const [anna, ben] = [await on.service.connect(), await on.service.connect()];
    const conversationId = await on.service.group(anna, ben);
    for (const id of ['a', 'b']) await draw(anna, conversationId, id);
    await draw(ben, conversationId, 'c');
    const lineIds = ['a', 'b', 'c', 'unknown'];
    await on.service.call('drawing.change.v1', anna, { conversationId, lineIds, color: '#112233' });
    await on.service.call('drawing.change.v1', anna, { conversationId, lineIds: ['a'], width: 5 });
    const [changed] = on.service.pushed(ben, 'drawing:changed');
    expect(changed?.payload).toEqual({
      conversationId,
      userId: anna,
      lineIds: expect.toSatisfy((ids: string[]) => ids.toSorted().join() === 'a,b'),
      color: '#112233',
    });
    const stored = () =>
      on.engine.owner.query(`select id, color, width from chat.drawing_line where conversation_id = $1 order by n`, [
        conversationId,
      ]);
    expect(await stored()).toEqual([
      { id: 'a', color: '#112233', width: 5 },
      { id: 'b', color: '#112233', width: 2 },
      { id: 'c', color: '#aabbcc', width: 2 },
    ]);
    await on.service.call('drawing.remove.v1', anna, { conversationId, lineIds });
    await eventually(() => on.service.pushed(ben, 'drawing:removed').length === 1);
    expect(await stored()).toEqual([{ id: 'c', color: '#aabbcc', width: 2 }]);
    await draw(anna, conversationId, 'd');
    expect(await board(conversationId)).toEqual([
      { n: 3, id: 'c' },
      { n: 4, id: 'd' },
    ]);
  });

  it('refuse users who may not write', async () => {
    const [anna, ben] = [newId(), newId()];
    const conversationId = await on.service.group(anna, ben);
    const both = async (userId: string, where = conversationId) => [
      await codeOf(draw(userId, where, newId())),
      await codeOf(reset(userId, where)),
    ];
    const ownLines = (userId: string) => [
      codeOf(on.service.call('drawing.change.v1', userId, { conversationId, lineIds: ['a'], width: 1 })),
      codeOf(on.service.call('drawing.remove.v1', userId, { conversationId, lineIds: ['a'] })),
    ];
    expect(await Promise.all(ownLines(newId()))).toEqual(['not_found', 'not_found']);
    expect(await both(newId())).toEqual(['not_found', 'not_found']);
    expect(await both(anna, newId())).toEqual(['not_found', 'not_found']);
    await setMember(conversationId, ben, `status = 'muted'`);
    expect(await both(ben)).toEqual(['muted', 'muted']);
    expect(await Promise.all(ownLines(ben))).toEqual(['muted', 'muted']);
    await setMember(conversationId, ben, `status = 'banned'`);
    expect(await both(ben)).toEqual(['banned', 'banned']);
    await setMember(conversationId, ben, `status = 'active'`);
    await on.engine.owner.query(`update chat.conversation set kind = 'channel' where id = $1`, [conversationId]);
    expect([await both(ben), await both(anna)]).toEqual([
      ['forbidden', 'forbidden'],
      ['answered', 'answered'],
    ]);
    const { conversation } = await on.service.create(anna, { kind: 'direct', memberIds: [ben] });
    expect(await both(ben, conversation.id)).toEqual(['answered', 'answered']);
    await on.engine.owner.query(`insert into chat.block (blocker_id, blocked_id, created_at) values ($1, $2, now())`, [
      ben,
      anna,
    ]);
    expect([await both(anna, conversation.id), await both(ben, conversation.id)]).toEqual([
      ['blocked', 'blocked'],
      ['blocked', 'blocked'],
    ]);
  });

  it('hold at most 5,000 lines', async () => {
    const anna = newId();
    const conversationId = await on.service.group(anna);
    await on.engine.owner.query(
      `insert into chat.drawing_line (conversation_id, n, id, user_id, color, width, points, created_at) select $1, n, 'l' || n, $2, '#000000', 1, '{0,0}', now() from generate_series(1, 4999) as n`,
      [conversationId, anna],
    );
    const codes = await Promise.all(['last', 'l7', 'over', 'last'].map((id) => codeOf(draw(anna, conversationId, id))));
    expect(codes).toEqual(['answered', 'answered', 'too_large', 'answered']);
    await reset(anna, conversationId);
    expect(await codeOf(draw(anna, conversationId, 'over'))).toBe('answered');
  });

  it('push lines and resets again when the broker fails after the commit', async () => {
    const failing = await Service.start(on.engine.database, { through: new BrokerFailure(['push']).fail(2).through });
    const anna = await failing.connect();
    const conversationId = await on.service.group(anna);
    await failing.call('drawing.draw.v1', anna, { conversationId, line: line('a') });
    await eventually(() => failing.pushed(anna, 'drawing:line').length === 1);
    expect(await board(conversationId)).toEqual([{ n: 1, id: 'a' }]);
    await failing.stop();
    const again = await Service.start(on.engine.database, { through: new BrokerFailure(['push']).fail().through });
    await again.connect(anna);
    const { rev } = await again.call('drawing.reset.v1', anna, { conversationId });
    await eventually(() => again.pushed(anna, 'drawing:reset').length === 1);
    expect(again.pushed(anna, 'drawing:reset')[0]!.payload.rev).toBe(rev);
    const [row] = await on.engine.owner.query(`select rev from chat.conversation where id = $1`, [conversationId]);
    expect(row).toEqual({ rev });
    await again.stop();
  });
});
