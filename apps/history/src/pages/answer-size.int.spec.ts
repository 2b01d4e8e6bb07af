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
         select $1, n, 'line ' || n, $2, '#aabbcc', 1, array_fill(1234.5678::real, array[2000]), now() from generate_series(1, $3) n`,
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
});
