import { newId, type Notification } from '@parley/contracts';
import { codeOf, range } from '@parley/testing';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { Chat } from '../spec/chat.js';
import { engines, running } from '@parley/store/testing';
import { Service } from '../spec/service.js';

describe.each(engines(inject('servers').databaseUrl, 'history'))('lists on %s', (_, open) => {
  const on = running(open, (database) => Service.start(database));
  let chat: Chat;
  beforeAll(async () => {
    chat = new Chat(on.engine.owner);
  });

  describe('of public conversations', () => {
    const mark = newId();
    const shown = async (userId: string, input: { query?: string; order?: 'created' | 'active' } = {}) =>
      (await on.service.all('conversation.public.v1', userId, { query: mark, ...input })).map(({ title }) =>
        title!.replace(` ${mark}`, ''),
      );
    const made = new Map<string, string>();
    const [anna, ben] = [newId(), newId()];

    beforeAll(async () => {
      for (const title of ['Tea', 'ÉTUDES', 'tea time', 'gone', 'hidden', 'banned'])
        made.set(
          title,
          await chat.conversation([anna], {
            visibility: title === 'hidden' ? 'private' : 'public',
            title: `${title} ${mark}`,
          }),
        );
      await chat.message(made.get('ÉTUDES')!, anna, { body: 'newest' });
      await chat.join(made.get('banned')!, ben);
      await chat.member(made.get('banned')!, ben, `status = 'banned'`);
      await on.engine.owner.query(`update chat.conversation set deleted_at = now() where id = $1`, [made.get('gone')]);
    });

    it('are ordered by creation or by activity, page by page', async () => {
      expect(await shown(ben)).toEqual(['tea time', 'ÉTUDES', 'Tea']);
      expect(await shown(ben, { order: 'active' })).toEqual(['ÉTUDES', 'tea time', 'Tea']);
      expect((await shown(newId())).includes('banned')).toBe(true);
    });

    it('are found by a part of the title in any case', async () => {
      const found = async (query: string) =>
        (await on.service.all('conversation.public.v1', ben, { query: `${query} ${mark}` })).map(
          ({ title }) => title!.split(' ')[0],
        );
      expect(await found('TEA')).toEqual(['Tea']);
      expect(await found('études')).toEqual(['ÉTUDES']);
      expect(await found('%')).toEqual([]);
    });

    it('show only members their membership and the last message', async () => {
      const of = async (userId: string) =>
        (await on.service.ask('conversation.public.v1', userId, { query: `études ${mark}` })).items[0]!;
      expect(await of(anna)).toMatchObject({
        memberCount: 1,
        me: { role: 'creator' },
        lastMessage: { body: 'newest' },
      });
      const description = await of(ben);
      expect(description).toMatchObject({ id: made.get('ÉTUDES'), lastSeq: 2 });
      expect([description.me, description.lastMessage]).toEqual([undefined, undefined]);
    });

    it('have cursors of their own', async () => {
      const { nextCursor } = await on.service.ask('conversation.public.v1', ben, { query: mark, limit: 1 });
      expect(
        await codeOf(on.service.ask('conversation.public.v1', ben, { order: 'active', cursor: nextCursor! })),
      ).toBe('invalid');
      expect(await codeOf(on.service.ask('conversation.list.v1', ben, { cursor: nextCursor! }))).toBe('invalid');
    });
  });

  it('describes a public conversation that admits guests to anybody, and no other', async () => {
    const anna = newId();
    const conversationId = await chat.conversation([anna], { visibility: 'public', title: 'Garden' });
    const describe = (id: string) => on.service.ask('room.get.v1', newId(), { conversationId: id });
    expect(await describe(conversationId)).toEqual({
      room: { id: conversationId, kind: 'group', title: 'Garden', memberCount: 1 },
    });
    const change = (set: string) =>
      on.engine.owner.query(`update chat.conversation set ${set} where id = $1`, [conversationId]);
    for (const [hidden, back] of [
      [`policy = '{"guests":false}'`, `policy = '{}'`],
      [`visibility = 'private'`, `visibility = 'public'`],
      [`deleted_at = now()`, `deleted_at = null`],
    ] as const) {
      await change(hidden);
      expect(await codeOf(describe(conversationId))).toBe('not_found');
      await change(back);
    }
    expect(await codeOf(describe(newId()))).toBe('not_found');
  });

  it('shows members the pinned messages, last pinned first, without deleted ones', async () => {
    const [anna, ben] = [newId(), newId()];
    const conversationId = await chat.conversation([anna, ben]);
    await chat.messages(conversationId, anna, 6);
    for (const seq of [4, 2, 6, 3]) await chat.pin(conversationId, seq, anna);
    await chat.erase(conversationId, 6);
    const pins = await on.service.all('message.pins.v1', ben, { conversationId });
    expect(pins.map(({ seq }) => seq)).toEqual([3, 2, 4]);
    expect(pins[0]).toMatchObject({ body: 'm1', pinnedAt: expect.any(String) });
    expect(await codeOf(on.service.ask('message.pins.v1', newId(), { conversationId }))).toBe('not_found');
  });

  it('shows users what mentions them, replies to them and invites them, newest first, page by page', async () => {
    const [anna, ben, cara] = [newId(), newId(), newId()];
    const conversationId = await chat.conversation([anna, ben, cara]);
    await chat.member(conversationId, ben, `added_by = '${anna}', joined_at = now() - interval '1 hour'`);
    const own = await chat.message(conversationId, ben, { body: 'mine' });
    const replyTo = await chat.idOf(conversationId, own);
    await chat.message(conversationId, anna, { body: 'reply', replyTo });
    await chat.message(conversationId, cara, { body: 'both', replyTo, mentions: [ben] });
    await chat.message(conversationId, cara, { body: 'to another', mentions: [anna] });
    await chat.message(conversationId, ben, { body: 'to oneself', replyTo, mentions: [ben] });
    const deleted = await chat.message(conversationId, anna, { body: 'deleted', mentions: [ben] });
    await chat.erase(conversationId, deleted);
    const shown = (items: readonly Notification[]) =>
      items.map(({ kind, userId, seq, unread, message }) => ({ kind, userId, seq, unread, body: message?.body }));
    const expected = [
      { kind: 'mention', userId: cara, seq: own + 2, unread: true, body: 'both' },
      { kind: 'reply', userId: anna, seq: own + 1, unread: true, body: 'reply' },
      { kind: 'invitation', userId: anna, seq: 1, unread: true, body: undefined },
    ];
    expect(shown((await on.service.ask('notification.list.v1', ben, {})).items)).toEqual(expected);
    expect(shown(await on.service.all('notification.list.v1', ben, { limit: 1 }))).toEqual(expected);
    await on.service.ask('receipt.read.v1', ben, { conversationId, seq: own + 1 });
    const read = (await on.service.ask('notification.list.v1', ben, {})).items;
    expect(read.map(({ unread }) => unread)).toEqual([true, false, false]);
    await chat.member(conversationId, ben, `status = 'banned'`);
    expect(await on.service.ask('notification.list.v1', ben, {})).toEqual({ items: [] });
  });

  it('lists the messages with files by pages, newest first, without deleted ones, for members only', async () => {
    const [anna, ben, gone] = [newId(), newId(), newId()];
    const conversationId = await chat.conversation([anna, ben, gone]);
    await chat.messages(conversationId, anna, 6);
    for (const seq of [2, 3, 5, 6, 7]) await chat.attach(await chat.attachment(anna), conversationId, seq);
    await chat.erase(conversationId, 6);
    await chat.leave(conversationId, gone);
    const listed = await on.service.all('message.files.v1', ben, { conversationId });
    expect(listed.map(({ seq, attachments }) => [seq, attachments.length])).toEqual([
      [7, 1],
      [5, 1],
      [3, 1],
      [2, 1],
    ]);
    for (const userId of [gone, newId()])
      expect(await codeOf(on.service.ask('message.files.v1', userId, { conversationId }))).toBe('not_found');
  });

  it('shows the replaced bodies of a message to creator and admins', async () => {
    const [anna, ben, cara, stranger] = [newId(), newId(), newId(), newId()];
    const conversationId = await chat.conversation([anna, ben, cara]);
    await chat.member(conversationId, cara, `role = 'admin'`);
    await chat.message(conversationId, ben, { body: 'one' });
    for (const body of ['two', 'three', 'four']) await chat.edit(conversationId, 2, body);
    const messageId = await chat.idOf(conversationId, 2);
    for (const userId of [anna, cara])
      expect((await on.service.all('message.edits.v1', userId, { messageId })).map(({ body }) => body)).toEqual([
        'three',
        'two',
        'one',
      ]);
    expect(await codeOf(on.service.ask('message.edits.v1', ben, { messageId }))).toBe('forbidden');
    for (const id of [messageId, newId()])
      expect(await codeOf(on.service.ask('message.edits.v1', stranger, { messageId: id }))).toBe('not_found');
    await chat.erase(conversationId, 2);
    expect(await on.service.ask('message.edits.v1', anna, { messageId })).toEqual({ items: [] });
  });

  it('shows members the board in the order of drawing, with its rev', async () => {
    const [anna, ben] = [newId(), newId()];
    const conversationId = await chat.conversation([anna, ben]);
    for (const n of [2, 1, 3]) await chat.line(conversationId, n === 1 ? ben : anna, n);
    const { items, rev } = await on.service.ask('drawing.get.v1', ben, { conversationId });
    expect(items.map(({ id, userId }) => [id, userId])).toEqual([
      ['line 1', ben],
      ['line 2', anna],
      ['line 3', anna],
    ]);
    expect(items[0]).toEqual({
      id: 'line 1',
      userId: ben,
      color: '#aabbcc',
      width: 1.5,
      points: [0.5, -1, 2, 3.25],
      createdAt: expect.any(String),
    });
    expect(rev).toBe(2);
    await chat.emptyBoard(conversationId);
    expect(await on.service.ask('drawing.get.v1', ben, { conversationId })).toEqual({
      items: [],
      rev: 3,
      complete: true,
    });
    expect(await codeOf(on.service.ask('drawing.get.v1', newId(), { conversationId }))).toBe('not_found');
  });

  it('lists the caller’s contacts and blocks, newest first, without deleted users', async () => {
    const [anna, gone, ...others] = [newId(), newId(), ...range(5).map(() => newId())] as [string, string, ...string[]];
    on.service.unknown.add(gone);
    for (const userId of [...others.slice(0, 2), gone, ...others.slice(2)]) await chat.contact(anna, userId);
    await chat.block(anna, others[0]!);
    await chat.block(others[1]!, anna);
    const contacts = await on.service.all('contact.list.v1', anna, {});
    expect(contacts.map(({ user }) => user.id)).toEqual(others.toReversed());
    expect(contacts[0]).toEqual({
      user: expect.objectContaining({ id: others.at(-1), kind: 'person' }),
      createdAt: expect.any(String),
    });
    expect((await on.service.all('block.list.v1', anna, {})).map(({ user }) => user.id)).toEqual([others[0]]);
    expect(await on.service.ask('contact.list.v1', others[0]!, {})).toEqual({ items: [] });
  });

  it('locates an attachment only for users who may see it', async () => {
    const [anna, ben, gone, banned, stranger] = [newId(), newId(), newId(), newId(), newId()];
    const everybody = [anna, ben, gone, banned, stranger];
    const conversationId = await chat.conversation([anna, ben, gone, banned]);
    await chat.messages(conversationId, anna, 2);
    await chat.leave(conversationId, gone);
    await chat.member(conversationId, banned, `status = 'banned'`);
    const seenBy = async (attachmentId: string) => {
      const codes = await Promise.all(
        everybody.map((userId) => codeOf(on.service.broker.request('attachment.locate.v1', { userId, attachmentId }))),
      );
      expect(codes.filter((code) => !['answered', 'not_found'].includes(code))).toEqual([]);
      return everybody.filter((_one, at) => codes[at] === 'answered');
    };
    const image = await chat.attachment(anna);
    const preview = await chat.attachment(anna, { thumbnailOf: image });
    for (const id of [image, preview]) expect(await seenBy(id)).toEqual([anna]);
    for (const seq of [2, 3]) await chat.attach(image, conversationId, seq);
    await chat.erase(conversationId, 2);
    for (const id of [image, preview]) expect(await seenBy(id)).toEqual([anna, ben]);
    expect(await on.service.broker.request('attachment.locate.v1', { userId: ben, attachmentId: image })).toEqual({
      key: `k/${image}`,
      attachment: {
        id: image,
        name: 'a.png',
        mediaType: 'image/png',
        size: 70,
        width: 9,
        url: `/api/v1/attachments/${image}`,
      },
    });
    await chat.erase(conversationId, 3);
    for (const id of [image, preview]) expect(await seenBy(id)).toEqual([]);
    const picture = await chat.attachment(anna, { isPublic: true });
    expect(await seenBy(picture)).toEqual(everybody);
    await on.engine.owner.query(`update chat.attachment set dropped_at = now() where id = $1`, [picture]);
    expect(await seenBy(picture)).toEqual([]);
    expect(await seenBy(newId())).toEqual([]);
  });

  it('marks the caller’s own reactions in every answer, also beyond the users that a summary names', async () => {
    const [anna, ben] = [newId(), newId()];
    const conversationId = await chat.conversation([anna, ben]);
    await chat.message(conversationId, anna);
    const crowd = range(21).map(() => newId());
    await chat.react(conversationId, 2, '👍', [...crowd, ben]);
    await chat.react(conversationId, 2, '🎉', [anna, ben]);
    await chat.react(conversationId, 2, '👀', crowd.slice(0, 20));
    await chat.pin(conversationId, 2, anna);
    const mine = async (userId: string) => {
      const answers = await Promise.all([
        on.service.ask('conversation.history.v1', userId, { conversationId }).then(({ items }) => items.at(-1)!),
        on.service
          .ask('conversation.open.v1', userId, { conversationId })
          .then(({ messages }) => messages.items.at(-1)!),
        on.service
          .ask('conversation.changes.v1', userId, { conversationId, since: 0 })
          .then(({ messages }) => messages.at(-1)!),
        on.service.ask('message.pins.v1', userId, { conversationId }).then(({ items }) => items[0]!),
        on.service
          .ask('conversation.get.v1', userId, { conversationId })
          .then(({ conversation }) => conversation.lastMessage!),
        on.service.ask('conversation.list.v1', userId, {}).then(({ items }) => items[0]!.lastMessage!),
        on.service
          .ask('sync.v1', userId, { cursors: { [conversationId]: 1 } })
          .then(({ changes }) => changes[0]!.messages.at(-1)!),
      ]);
      for (const { reactions } of answers) expect(reactions).toEqual(answers[0]!.reactions);
      return answers[0]!.reactions.filter(({ mine: own }) => own === true).map(({ emoji }) => emoji);
    };
    expect(await mine(ben)).toEqual(['👍', '🎉']);
    expect(await mine(anna)).toEqual(['🎉']);
  });
});
