import { newId, type Message } from '@parley/contracts';
import { engines, running } from '@parley/store/testing';
import { codeOf, range } from '@parley/testing';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { Chat } from '../spec/chat.js';
import { Service } from '../spec/service.js';

/** An answer may be larger than 1 MiB by what was counted last. */
const MOST = 1.25 * 1024 * 1024;
const bytesOf = (answer: unknown) => Buffer.byteLength(JSON.stringify(answer));
const seqsOf = (messages: readonly Message[]) => messages.map(({ seq }) => seq);
const upTo = (count: number) => range(count).map((n) => n + 1);

describe.each(engines(inject('servers').databaseUrl, 'history'))('large answers on %s', (_, open) => {
  const on = running(open, (database) => Service.start(database));
  const anna = newId();
  let chat: Chat;
  let large: string;
  beforeAll(async () => {
    chat = new Chat(on.engine.owner);
    large = await largeConversation(anna);
  });

  /** A conversation with 40 messages of 60 KB, as a body with many reactions is; the first one is of the system. */
  async function largeConversation(userId: string, count = 40): Promise<string> {
    const id = await chat.conversation([newId(), userId]);
    for (let n = 1; n < count; n++) await chat.message(id, newId(), { body: `${'"x" '.repeat(12_000)}${n}` });
    return id;
  }

  it('are pages that say what is missing before and after', async () => {
    const ask = (input: { before?: number; after?: number; around?: number }) =>
      on.service.ask('conversation.history.v1', anna, { conversationId: large, limit: 100, ...input });
    const newest = await ask({});
    expect(bytesOf(newest)).toBeLessThan(MOST);
    expect([newest.items.at(-1)!.seq, newest.hasBefore, newest.hasAfter]).toEqual([40, true, false]);
    const older = await ask({ before: newest.items[0]!.seq });
    expect([older.items.at(-1)!.seq, older.hasAfter]).toEqual([newest.items[0]!.seq - 1, true]);
    const around = await ask({ around: 20 });
    expect(bytesOf(around)).toBeLessThan(MOST);
    expect(seqsOf(around.items)).toContain(20);
    expect([around.hasBefore, around.hasAfter]).toEqual([true, true]);
    const seen: Message[] = [];
    for (let after = 0, hasAfter = true; hasAfter; after = seen.at(-1)!.seq) {
      const page = await ask({ after });
      expect(bytesOf(page)).toBeLessThan(MOST);
      seen.push(...page.items);
      ({ hasAfter } = page);
    }
    expect(seqsOf(seen)).toEqual(upTo(40));
  });

  it('are the newest messages when a conversation is opened', async () => {
    const { messages } = await on.service.ask('conversation.open.v1', anna, { conversationId: large });
    expect(bytesOf(messages)).toBeLessThan(MOST);
    expect([messages.items.at(-1)!.seq, messages.hasBefore, messages.hasAfter]).toEqual([40, true, false]);
  });

  it('are changes that end at a rev from which they continue', async () => {
    const seen = new Set<number>();
    for (let since = 0, complete = false; !complete;) {
      const page = await on.service.ask('conversation.changes.v1', anna, { conversationId: large, since });
      expect(bytesOf(page)).toBeLessThan(MOST);
      for (const seq of seqsOf(page.messages)) seen.add(seq);
      expect(page.rev).toBeGreaterThan(since);
      ({ rev: since, complete } = page);
    }
    expect([...seen]).toEqual(upTo(40));
  });

  it('are answers of sync that are not complete, and the next ones bring the rest', async () => {
    const ben = newId();
    const ids = [await largeConversation(ben, 25), await largeConversation(ben, 25), await largeConversation(ben, 25)];
    const { epoch } = await on.service.broker.request('history.epoch.v1', {});
    const cursors = Object.fromEntries(ids.map((id) => [id, 0]));
    const seen = new Map<string, number[]>(ids.map((id) => [id, []]));
    let answers = 0;
    for (let complete = false; !complete; answers++) {
      const answer = await on.service.ask('sync.v1', ben, { epoch, cursors });
      expect(bytesOf(answer)).toBeLessThan(MOST);
      for (const { conversationId, messages, rev } of answer.changes) {
        seen.get(conversationId)!.push(...seqsOf(messages));
        expect(rev).toBeGreaterThanOrEqual(cursors[conversationId]!);
        cursors[conversationId] = rev;
      }
      ({ complete } = answer);
    }
    expect(answers).toBeGreaterThan(3);
    expect([...seen.values()]).toEqual(ids.map(() => upTo(25)));
  });

  it('are lists of conversations with their last messages, added by sync or page by page', async () => {
    const cara = newId();
    const ids = await Promise.all(range(40).map(() => largeConversation(cara, 2)));
    const { epoch } = await on.service.broker.request('history.epoch.v1', {});
    const cursors: Record<string, number> = {};
    for (let complete = false; !complete;) {
      const answer = await on.service.ask('sync.v1', cara, { epoch, cursors });
      expect(bytesOf(answer)).toBeLessThan(MOST);
      for (const { id, rev } of answer.added) cursors[id] = rev;
      ({ complete } = answer);
    }
    expect(Object.keys(cursors).toSorted()).toEqual(ids.toSorted());
    const listed: string[] = [];
    let pages = 0;
    for (let cursor: string | undefined; pages === 0 || cursor !== undefined; pages++) {
      const page = await on.service.ask('conversation.list.v1', cara, { limit: 100, ...(cursor && { cursor }) });
      expect(bytesOf(page)).toBeLessThan(MOST);
      listed.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
    }
    expect(pages).toBeGreaterThan(1);
    expect(listed.toSorted()).toEqual(ids.toSorted());
  });

  it('are boards in parts, of one board only', async () => {
    const conversationId = await chat.conversation([newId(), anna]);
    const draw = (lines: number) =>
      on.engine.owner.query(
        `insert into chat.drawing_line (conversation_id, n, id, user_id, color, width, points, created_at)
         select $1, n, 'line ' || n, $2, '#aabbcc', 1, array_fill('-1.2345678e-30'::real, array[2000]), now() from generate_series(1, $3) n`,
        [conversationId, anna, lines],
      );
    const part = (cursor?: string) =>
      on.service.ask('drawing.get.v1', anna, { conversationId, ...(cursor && { cursor }) });
    await draw(100);
    const ids: string[] = [];
    let cursor: string | undefined;
    for (let complete = false; !complete;) {
      const drawing = await part(cursor);
      expect(bytesOf(drawing)).toBeLessThan(MOST);
      ids.push(...drawing.items.map(({ id }) => id));
      complete = drawing.complete!;
      expect(drawing.cursor === undefined).toBe(complete);
      cursor = drawing.cursor ?? cursor;
    }
    expect(ids).toEqual(upTo(100).map((n) => `line ${n}`));
    expect(await codeOf(part('x'))).toBe('invalid');
    await chat.emptyBoard(conversationId);
    expect(await codeOf(part(cursor))).toBe('conflict');
    expect(await part()).toMatchObject({ items: [], complete: true });
  });

  /** A conversation of the user with as many other members. */
  const crowd = (userId: string, count: number) => chat.conversation([userId, ...range(count).map(() => newId())]);
  const memberIds = async (conversationId: string) =>
    (
      await on.engine.owner.query<{ user_id: string }>(
        `select user_id from chat.member where conversation_id = $1 order by user_id`,
        [conversationId],
      )
    ).map(({ user_id }) => user_id);
  /** All members have received and read everything. */
  const readBy = (conversationIds: readonly string[]) =>
    on.engine.owner.query(
      `insert into history.cursor (conversation_id, user_id, delivered_seq, read_seq, delivered_at, read_at, updated_at)
       select m.conversation_id, m.user_id, c.last_seq, c.last_seq, now(), now(), now() + interval '1 minute'
       from chat.member m join chat.conversation c on c.id = m.conversation_id where c.id = any($1::uuid[])`,
      [conversationIds],
    );

  it('are changed members up to a rev from which they continue', async () => {
    const [first, second] = [await crowd(anna, 6_000), await crowd(anna, 10)];
    // Three members change with each rev.
    await on.engine.owner.query(
      `with numbered as (select user_id, row_number() over (order by user_id) as n from chat.member where conversation_id = $1)
       update chat.member m set rev = 2 + n / 3 from numbered where m.conversation_id = $1 and m.user_id = numbered.user_id`,
      [first],
    );
    await on.engine.owner.query(`update chat.conversation set rev = 3000, members_rev = 3000 where id = $1`, [first]);
    const seen: string[] = [];
    for (let since = 1, complete = false; !complete;) {
      const page = await on.service.ask('conversation.changes.v1', anna, { conversationId: first, since });
      expect(bytesOf(page)).toBeLessThan(MOST);
      expect(page.rev).toBeGreaterThan(since);
      seen.push(...(page.members ?? []).map(({ userId }) => userId));
      ({ rev: since, complete } = page);
    }
    expect(seen.toSorted()).toEqual(await memberIds(first));
    const { epoch } = await on.service.broker.request('history.epoch.v1', {});
    const cursors: Record<string, number> = { [second]: 0, [first]: 1 };
    const synced = new Map<string, string[]>([first, second].map((id) => [id, []]));
    let answers = 0;
    for (let complete = false; !complete; answers++) {
      const answer = await on.service.ask('sync.v1', anna, { epoch, cursors });
      expect(bytesOf(answer)).toBeLessThan(MOST);
      for (const { conversationId, members = [], rev } of answer.changes) {
        synced.get(conversationId)!.push(...members.map(({ userId }) => userId));
        cursors[conversationId] = rev;
      }
      ({ complete } = answer);
    }
    expect(answers).toBeGreaterThan(1);
    expect(synced.get(first)!.toSorted()).toEqual(await memberIds(first));
    expect(synced.get(second)!.toSorted()).toEqual(await memberIds(second));
  });

  it('omit the members who changed at one rev and do not fit, and say so', async () => {
    const conversationId = await crowd(anna, 6_000);
    let omitted = 0;
    for (let since = 0, complete = false; !complete;) {
      const page = await on.service.ask('conversation.changes.v1', anna, { conversationId, since });
      expect(bytesOf(page)).toBeLessThan(MOST);
      expect(page.members).toBeUndefined();
      if (page.membersOmitted) omitted++;
      ({ rev: since, complete } = page);
    }
    expect(omitted).toBe(1);
  });

  it('are receipts of as many conversations as fit, with or without other changes', async () => {
    const dora = newId();
    const ids: string[] = [];
    for (let n = 0; n < 40; n++) ids.push(await crowd(dora, 199));
    await readBy(ids);
    const { epoch } = await on.service.broker.request('history.epoch.v1', {});
    const cursors = Object.fromEntries(ids.map((id) => [id, 1]));
    const catchUp = async () => {
      const receipts = new Map<string, number>();
      let answers = 0;
      let cursor: string | undefined;
      for (let complete = false; !complete || cursor !== undefined; answers++) {
        const answer = await on.service.ask('sync.v1', dora, { epoch, cursors, ...(cursor && { cursor }) });
        expect(bytesOf(answer)).toBeLessThan(MOST);
        for (const { conversationId, receipts: some, rev } of answer.changes) {
          receipts.set(conversationId, some.length);
          cursors[conversationId] = rev;
        }
        ({ complete } = answer);
        cursor = complete ? answer.nextCursor : cursor;
      }
      return { answers, receipts };
    };
    const expected = new Map(ids.map((id) => [id, 200]));
    const changed = await catchUp();
    expect(changed.receipts).toEqual(expected);
    expect(changed.answers).toBeGreaterThan(1);
    const moved = await catchUp();
    expect(moved.receipts).toEqual(expected);
    expect(moved.answers).toBeGreaterThan(1);
  });

  it('are the receipts of a message, page by page', async () => {
    const conversationId = await crowd(anna, 6_000);
    const seq = await chat.message(conversationId, anna);
    await readBy([conversationId]);
    const messageId = await chat.idOf(conversationId, seq);
    const [delivered, read]: [string[], string[]] = [[], []];
    let pages = 0;
    for (let cursor: string | undefined; pages === 0 || cursor !== undefined; pages++) {
      const page = await on.service.ask('message.receipts.v1', anna, { messageId, ...(cursor && { cursor }) });
      expect(bytesOf(page)).toBeLessThan(MOST);
      delivered.push(...page.delivered.map(({ userId }) => userId));
      read.push(...page.read.map(({ userId }) => userId));
      cursor = page.nextCursor;
    }
    const others = (await memberIds(conversationId)).filter((id) => id !== anna);
    expect([pages, delivered, read]).toEqual([2, others, others]);
    expect(bytesOf(await on.service.ask('message.trace.v1', anna, { messageId }))).toBeLessThan(MOST);
    expect(await codeOf(on.service.ask('message.receipts.v1', anna, { messageId, cursor: 'x' }))).toBe('invalid');
  });

  it('are unread conversations, page by page, each with the sums over all of them', async () => {
    const eve = newId();
    await on.engine.owner.query(
      `with made as (
         insert into chat.conversation (id, kind, visibility, created_by, created_at, active_at, rev, conversation_rev, members_rev, member_count, last_seq)
         select gen_random_uuid(), 'group', 'private', $1, now(), now(), 2, 1, 1, 2, 1 from generate_series(1, 9000) returning id),
       member as (insert into chat.member (conversation_id, user_id, role, joined_at, rev) select id, $2::uuid, 'member', now(), 1 from made)
       insert into chat.message (conversation_id, seq, rev, id, sender_id, client_id, type, body, mentions, created_at)
       select id, 1, 2, gen_random_uuid(), $1, 'one', 'text', 'hello', '{}', now() from made`,
      [newId(), eve],
    );
    const seen: string[] = [];
    let pages = 0;
    for (let cursor: string | undefined; pages === 0 || cursor !== undefined; pages++) {
      const page = await on.service.ask('unread.list.v1', eve, cursor ? { cursor } : {});
      expect(bytesOf(page)).toBeLessThan(MOST);
      expect([page.total, page.mentions]).toEqual([9_000, 0]);
      seen.push(...page.conversations.map(({ id }) => id));
      cursor = page.nextCursor;
    }
    expect([pages, new Set(seen).size, seen.length]).toEqual([2, 9_000, 9_000]);
    expect(await codeOf(on.service.ask('unread.list.v1', eve, { cursor: 'x' }))).toBe('invalid');
  });

  it('open a conversation with all members or none', async () => {
    const [some, many] = [await crowd(anna, 300), await crowd(anna, 500)];
    await on.engine.owner.query(
      `update chat.member set status = 'banned' where conversation_id = any($1::uuid[]) and user_id <> $2`,
      [[some, many], anna],
    );
    await on.engine.owner.query(`update chat.conversation set member_count = 1 where id = any($1::uuid[])`, [
      [some, many],
    ]);
    const membersOf = async (conversationId: string) =>
      (await on.service.ask('conversation.open.v1', anna, { conversationId })).members?.length;
    expect([await membersOf(some), await membersOf(many)]).toEqual([301, undefined]);
  });
});
