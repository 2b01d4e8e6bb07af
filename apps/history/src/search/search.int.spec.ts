import { newId, type Message } from '@parley/contracts';
import { codeOf, eventually, range, seeded } from '@parley/testing';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { searchMessages } from './search.js';
import { contains, termsOf } from './folding.js';
import { Chat } from '../spec/chat.js';
import type { Sql } from '@parley/store';
import { engines, running } from '@parley/store/testing';
import { Service } from '../spec/service.js';

/** The position of the time limit among the parameters of the statement. */
const TIME_LEFT = 7;

describe.each(engines(inject('servers').databaseUrl, 'history'))('search on %s', (_, open) => {
  const on = running(open, (database) => Service.start(database));
  let chat: Chat;
  beforeAll(async () => {
    chat = new Chat(on.engine.owner);
  });

  const messageAt = async (userId: string, conversationId: string, seq: number): Promise<Message> =>
    (await on.service.ask('conversation.history.v1', userId, { conversationId, around: seq, limit: 1 })).items[0]!;
  /** Stores a message and publishes it as the messages service does. */
  const say = async (conversationId: string, userId: string, body: string): Promise<Message> => {
    const message = await messageAt(userId, conversationId, await chat.message(conversationId, userId, { body }));
    await on.service.broker.publish('message.created.v1', { messages: [message] });
    return message;
  };
  const found = async (userId: string, q: string, more: { conversationId?: string; senderId?: string } = {}) =>
    (await on.service.ask('message.search.v1', userId, { q, ...more })).items.map(({ message }) => message.body);
  const indexed = async (conversationId: string) =>
    (
      await on.engine.owner.query<{ seq: number; rev: number; folded: string }>(
        `select seq, rev, folded from history.message_text where conversation_id = $1 order by seq`,
        [conversationId],
      )
    ).map(({ seq, rev, folded }) => [seq, rev, folded]);

  it('finds a message by words and parts of words in any case, accents and width', async () => {
    const [anna, ben] = [newId(), newId()];
    const conversationId = await chat.conversation([anna, ben]);
    await say(conversationId, anna, 'Wir treffen uns im CAFÉ am Fluß, 100% sicher');
    await say(conversationId, ben, '東京都で会いましょう 👍🏽');
    await eventually(async () => expect(await indexed(conversationId)).toHaveLength(2));
    for (const q of ['cafe', 'Café', 'ｃａｆｅ', 'FLUSS', 'reff', 'am', 'a', 'sicher wir', '100%', '10'])
      expect([q, (await found(ben, q)).length]).toEqual([q, 1]);
    for (const q of ['京', '京都', '東京都', 'ましょう', '👍', '会い 東京'])
      expect([q, await found(anna, q)]).toEqual([q, ['東京都で会いましょう 👍🏽']]);
    for (const q of ['cafe bar', 'luß am im nicht', 'b', 'ff', '都京', '0%', '00%', '0_', '%', '100_'])
      expect([q, (await found(ben, q)).length]).toEqual([q, q === '%' ? 1 : 0]);
    const { items } = await on.service.ask('message.search.v1', ben, { q: 'cafe flu' });
    expect(items[0]).toMatchObject({
      highlight: 'Wir treffen uns im \ue000CAFÉ\ue001 am \ue000Flu\ue001ß, 100% sicher',
      message: { senderId: anna, conversationId, seq: 2 },
    });
    expect(await found(ben, '\u0301')).toEqual([]);
  });

  it('takes at most eight terms', async () => {
    const [anna, ben] = [newId(), newId()];
    await chat.conversation([anna, ben]);
    const ask = (q: string) => on.service.ask('message.search.v1', anna, { q });
    expect(await ask('a b c d e f g h')).toEqual({ items: [] });
    expect(await codeOf(ask('a b c d e f g h i'))).toBe('invalid');
    expect(await codeOf(ask('abcdefghijklmnopqrstuvwxyz'.split('').join(' ')))).toBe('invalid');
  });

  it('ends at its deadline, also within a statement', async () => {
    const [anna, ben] = [newId(), newId()];
    const word = `w${newId().slice(-10)}`;
    const conversationId = await chat.conversation([anna, ben]);
    await say(conversationId, anna, word);
    await eventually(async () => expect(await found(ben, word)).toEqual([word]));
    const app = on.engine.database;
    await expect(searchMessages(app, ben, { q: word }, Date.now())).rejects.toThrow('too long');
    const late: Sql = {
      query: (text, parameters = [], options = {}) => app.query(text, parameters.with(TIME_LEFT, -1), options),
    };
    await expect(searchMessages(late, ben, { q: word })).rejects.toThrow('too long');
  });

  it('returns newest first, page by page, optionally for one conversation or sender', async () => {
    const [anna, ben] = [newId(), newId()];
    const word = `w${newId().slice(-10)}`;
    const [one, other] = [await chat.conversation([anna, ben]), await chat.conversation([ben, anna])];
    for (const n of range(7)) await say(n % 2 ? one : other, n < 4 ? anna : ben, `${word} ${n}`);
    await say(one, anna, 'something else');
    await eventually(async () => expect((await found(ben, word)).length).toBe(7));
    // All in the same millisecond: then a later message of the conversation comes first.
    for (const table of ['chat.message', 'history.message_text'])
      await on.engine.owner.query(
        `update ${table} set created_at = date_trunc('second', now()) where conversation_id = any($1::uuid[])`,
        [[one, other]],
      );
    const all = await on.service.all('message.search.v1', ben, { q: word }, 3);
    const places = all.map(({ message: { id, seq } }) => ({ id, seq }));
    expect([new Set(places.map(({ id }) => id)).size, places]).toEqual([
      7,
      places.toSorted((a, b) => b.seq - a.seq || (a.id < b.id ? 1 : -1)),
    ]);
    expect((await found(ben, word, { conversationId: one })).toSorted()).toEqual([1, 3, 5].map((n) => `${word} ${n}`));
    expect((await found(ben, word, { senderId: ben })).toSorted()).toEqual([4, 5, 6].map((n) => `${word} ${n}`));
    expect(await found(ben, word, { senderId: newId() })).toEqual([]);
    expect(await codeOf(on.service.ask('message.search.v1', ben, { q: word, cursor: 'x' }))).toBe('invalid');
  });

  it('finds only in the caller’s present conversations', async () => {
    const [anna, gone, banned, stranger] = [newId(), newId(), newId(), newId()];
    const word = `w${newId().slice(-10)}`;
    const conversationId = await chat.conversation([anna, gone, banned], { visibility: 'public' });
    const secret = await chat.conversation([anna, gone, banned]);
    const deleted = await chat.conversation([anna]);
    for (const id of [conversationId, secret, deleted]) await say(id, anna, word);
    await eventually(async () => expect((await found(gone, word)).length).toBe(2));
    for (const id of [conversationId, secret]) {
      await chat.leave(id, gone);
      await chat.member(id, banned, `status = 'banned'`);
    }
    await on.engine.owner.query(`update chat.conversation set deleted_at = now() where id = $1`, [deleted]);
    const counts = [anna, gone, banned, stranger].map(async (userId) => (await found(userId, word)).length);
    expect(await Promise.all(counts)).toEqual([2, 0, 0, 0]);
    const codes = async (id: string) =>
      Promise.all([anna, gone, banned, stranger].map((userId) => codeOf(found(userId, word, { conversationId: id }))));
    expect(await codes(conversationId)).toEqual(['answered', 'forbidden', 'banned', 'forbidden']);
    expect(await codes(secret)).toEqual(['answered', 'not_found', 'banned', 'not_found']);
    expect(await codeOf(found(anna, word, { conversationId: deleted }))).toBe('not_found');
    await on.service.broker.publish('conversation.deleted.v1', { conversationId: deleted });
    await eventually(async () => expect(await indexed(deleted)).toEqual([]));
  });

  it('uses the current message, before and after an edit or a deletion is indexed', async () => {
    const anna = newId();
    const conversationId = await chat.conversation([anna]);
    const [first, second] = [
      await say(conversationId, anna, 'apples and pears'),
      await say(conversationId, anna, 'apples alone'),
    ];
    await eventually(async () => expect((await found(anna, 'apples')).length).toBe(2));
    await chat.edit(conversationId, first.seq, 'only pears');
    await chat.erase(conversationId, second.seq);
    expect([await found(anna, 'apples'), await found(anna, 'pears')]).toEqual([[], ['only pears']]);
    for (const { seq } of [first, second])
      await on.service.broker.publish('message.updated.v1', { message: await messageAt(anna, conversationId, seq) });
    await eventually(async () => expect(await indexed(conversationId)).toEqual([[2, 5, 'only pears']]));
    expect(await found(anna, 'only')).toEqual(['only pears']);
  });

  it('accepts events in any order and any number of times', async () => {
    const anna = newId();
    const conversationId = await chat.conversation([anna]);
    const [kept, erased] = [await say(conversationId, anna, 'before'), await say(conversationId, anna, 'gone')];
    await chat.edit(conversationId, kept.seq, 'afterwards');
    await chat.erase(conversationId, erased.seq);
    const events = await Promise.all([kept, erased].map(async ({ seq }) => messageAt(anna, conversationId, seq)));
    await Promise.all(
      range(5).flatMap(() => [
        ...events.map((message) => on.service.broker.publish('message.updated.v1', { message })),
        ...[kept, erased].map((message) => on.service.broker.publish('message.created.v1', { messages: [message] })),
      ]),
    );
    await eventually(async () => expect(await indexed(conversationId)).toEqual([[2, 5, 'afterwards']]));
  });

  it('indexes no system messages', async () => {
    const anna = newId();
    const conversationId = await chat.conversation([anna]);
    await on.service.broker.publish('message.created.v1', { messages: [await messageAt(anna, conversationId, 1)] });
    await say(conversationId, anna, 'marker');
    await eventually(async () => expect((await indexed(conversationId)).map(([seq]) => seq)).toEqual([2]));
  });

  it('indexes messages without events at the start', async () => {
    const anna = newId();
    const conversationId = await chat.conversation([anna]);
    await chat.messages(conversationId, anna, 230);
    await chat.edit(conversationId, 3, 'edited');
    await chat.erase(conversationId, 4);
    const deleted = await chat.conversation([anna]);
    await say(deleted, anna, 'unheard');
    await eventually(async () => expect(await indexed(deleted)).toHaveLength(1));
    await on.engine.owner.query(`update chat.conversation set deleted_at = now() where id = $1`, [deleted]);
    const started = await Service.start(await on.engine.replica());
    const { rev } = (await on.service.ask('conversation.get.v1', anna, { conversationId })).conversation;
    const progress = () =>
      on.engine.owner.query(`select rev from history.text_progress where conversation_id = $1`, [conversationId]);
    await eventually(async () => expect(await progress()).toEqual([{ rev }]), { timeoutMs: 20_000 });
    expect(await indexed(conversationId)).toHaveLength(229);
    await eventually(async () => expect(await indexed(deleted)).toEqual([]));
    expect(await found(anna, 'edited')).toEqual(['edited']);
    await started.stop();
  });

  it('answers messages of the same millisecond in the order of the conversation, page by page', async () => {
    const anna = newId();
    const conversationId = await chat.conversation([anna]);
    for (const n of range(8)) await chat.message(conversationId, anna, { body: `quick ${n}` });
    await on.engine.owner.query(
      `update chat.message set created_at = '2026-01-02T03:04:05.678Z' where conversation_id = $1`,
      [conversationId],
    );
    for (const n of range(8))
      await on.service.broker.publish('message.created.v1', {
        messages: [await messageAt(anna, conversationId, 2 + n)],
      });
    await eventually(async () => expect(await indexed(conversationId)).toHaveLength(8));
    expect(
      (await on.service.all('message.search.v1', anna, { q: 'quick' }, 3)).map(({ message }) => message.seq),
    ).toEqual([9, 8, 7, 6, 5, 4, 3, 2]);
  });

  it.each([21, 22])(
    'finds exactly the messages that contain all terms, for random messages and queries (seed %i)',
    async (seed) => {
      const random = seeded(seed);
      const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
      const letters = [
        'a',
        'b',
        'É',
        ' ',
        ' ',
        '東',
        '京',
        'か\u3099',
        '👍',
        '#',
        "'",
        '\\',
        '%',
        '_',
        '1',
        'ß',
        ':',
        '&',
      ];
      const text = (least: number, most: number) =>
        range(least + Math.floor(random() * (most - least + 1)))
          .map(() => pick(letters))
          .join('');
      const anna = newId();
      const conversationId = await chat.conversation([anna]);
      const bodies: string[] = [];
      for (const _n of range(60)) bodies.push((await say(conversationId, anna, `x${text(1, 12)}`)).body);
      await eventually(async () => expect(await indexed(conversationId)).toHaveLength(60));
      for (const _n of range(60)) {
        const q = text(1, 4);
        if (q.trim() === '') continue;
        const wanted = bodies.filter((body) => contains(body, termsOf(q))).toReversed();
        expect([
          q,
          (await on.service.all('message.search.v1', anna, { q }, 40)).map(({ message }) => message.body),
        ]).toEqual([q, wanted]);
      }
    },
  );
});
