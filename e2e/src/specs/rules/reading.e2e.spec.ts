import type { CallArguments, CallOutput } from '@parley/contracts';
import { ChatClient, eventually, uniqueName } from '@parley/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { shared } from '../../deployments/modes.js';
import { allCodes, codeOf, codesOf, idsOf, TestDeployment, eventsAbout } from '../../deployments/test-deployment.js';

describe.each(Object.entries(shared))('the rules of reading, in %s mode', (_, start) => {
  let deployment: TestDeployment;
  beforeAll(async () => {
    deployment = await TestDeployment.open(start);
  });
  afterAll(() => deployment?.close());

  const me = async (who: ChatClient, conversationId: string) =>
    (await who.http('conversation.get', { conversationId })).conversation.me!;
  /** Sends `count` messages concurrently. Resolves with the last seq. */
  const write = async (who: ChatClient, conversationId: string, count: number): Promise<number> =>
    Math.max(
      ...(await Promise.all(Array.from({ length: count }, (__, n) => who.send(conversationId, `text ${n}`)))).map(
        ({ message }) => message.seq,
      ),
    );
  const seqs = (items: readonly { readonly seq: number }[]) => items.map(({ seq }) => seq);

  describe('receipts', () => {
    it('positions never go back or beyond `lastSeq`', async () => {
      const [ann, ben] = await deployment.guests(2);
      const { id: conversationId } = await deployment.group([ann, ben]);
      const lastSeq = await write(ann, conversationId, 3);
      const delivered = await ben.call('receipt.delivered', { conversationId, seq: 2 });
      expect(delivered.receipt).toEqual({
        conversationId,
        userId: ben.user.id,
        deliveredSeq: 2,
        readSeq: 0,
        at: expect.any(String),
      });
      const { receipt: read } = await ben.call('receipt.read', { conversationId, seq: 3 });
      expect(read).toMatchObject({ deliveredSeq: 3, readSeq: 3 });
      expect((await ann.waitFor('receipt:updated', ({ readSeq }) => readSeq === 3)).payload).toEqual(read);
      const beyond = await ben.fetch('PUT', `/api/v1/conversations/${conversationId}/read`, { seq: 1_000 });
      expect(beyond).toMatchObject({
        status: 200,
        body: { conversationId, userId: ben.user.id, deliveredSeq: lastSeq, readSeq: lastSeq },
      });
      await ann.waitFor('receipt:updated', ({ readSeq }) => readSeq === lastSeq);
      const from = ann.events.length;
      for (const call of ['receipt.read', 'receipt.delivered'] as const)
        expect((await ben.call(call, { conversationId, seq: 1 })).receipt).toMatchObject({
          deliveredSeq: lastSeq,
          readSeq: lastSeq,
        });
      expect((await ben.http('receipt.delivered', { conversationId, seq: 1 })).receipt).toMatchObject({
        deliveredSeq: lastSeq,
        readSeq: lastSeq,
      });
      await deployment.settle(ann);
      expect(eventsAbout(ann, conversationId, from)).toEqual([]);
    });

    it('sending moves nobody’s `readSeq`', async () => {
      const [ann, ben] = await deployment.guests(2);
      const { id: conversationId } = await deployment.group([ann, ben]);
      const before = [(await me(ann, conversationId)).readSeq, (await me(ben, conversationId)).readSeq];
      await write(ann, conversationId, 2);
      expect([(await me(ann, conversationId)).readSeq, (await me(ben, conversationId)).readSeq]).toEqual(before);
    });

    it('the receipts of a message list who received it and who read it', async () => {
      const [ann, ben, cem] = await deployment.guests(3);
      const { id: conversationId } = await deployment.group([ann, ben, cem]);
      const { message } = await ann.send(conversationId, 'hello');
      const receipts = async () => {
        const { delivered, read } = await ann.http('message.receipts', { messageId: message.id });
        return [delivered, read].map((list) => list.map(({ userId }) => userId).toSorted());
      };
      expect(await receipts()).toEqual([[], []]);
      await ben.call('receipt.delivered', { conversationId, seq: message.seq });
      expect(await receipts()).toEqual([[ben.user.id], []]);
      const { receipt } = await cem.call('receipt.read', { conversationId, seq: message.seq });
      expect(await receipts()).toEqual([[ben.user.id, cem.user.id].toSorted(), [cem.user.id]]);
      expect((await ben.http('message.receipts', { messageId: message.id })).read).toEqual([
        { userId: cem.user.id, at: receipt.at },
      ]);
    });

    it('the trace of a message shows its sender how far it got', async () => {
      const [ann, ben] = await deployment.guests(2);
      const { id: conversationId } = await deployment.group([ann, ben]);
      const before = Date.now();
      // A busy server drops notes; then the next message is tried.
      const { message, traceId, shown } = await eventually(
        async () => {
          const { headers, body } = await ann.fetch('POST', `/api/v1/conversations/${conversationId}/messages`, {
            clientId: uniqueName('c'),
            body: 'hello',
          });
          const { message: sent } = body as CallOutput<'message.send'>;
          await ben.call('receipt.read', { conversationId, seq: sent.seq });
          const trace = await eventually(
            async () => {
              const found = await ann.http('message.trace', { messageId: sent.id });
              return found.committed !== undefined && found.pushed?.length === 2 && found;
            },
            { timeoutMs: 2_000 },
          );
          return { message: sent, traceId: headers.get('trace-id'), shown: trace };
        },
        { timeoutMs: 20_000 },
      );
      expect(shown).toMatchObject({
        messageId: message.id,
        traceId,
        delivered: [{ userId: ben.user.id }],
        read: [{ userId: ben.user.id }],
      });
      expect(new Set(shown.pushed!.map(({ userId }) => userId))).toEqual(new Set([ann.user.id, ben.user.id]));
      // All processes share one machine's clock.
      const times = [shown.received, shown.committed!, ...shown.pushed!.map(({ at }) => at)].map((at) =>
        Date.parse(at),
      );
      expect([Math.min(...times) >= before, shown.received <= shown.committed!]).toEqual([true, true]);
      expect(await codeOf(ben.http('message.trace', { messageId: message.id }))).toBe('not_found');
    });

    it('in large conversations only message senders get receipts', async () => {
      const [ann, ben, cem] = await deployment.guests(3);
      const others = await Promise.all(Array.from({ length: 199 }, () => ChatClient.guest(deployment.url)));
      const { id: conversationId, rev } = await deployment.group([ann, ben, cem, ...others]);
      const { message } = await ann.send(conversationId, 'hello');
      await ben.call('receipt.read', { conversationId, seq: message.seq });
      await ann.waitFor('receipt:updated', ({ userId }) => userId === ben.user.id);
      await deployment.settle(cem);
      expect(
        cem.eventsOf('receipt:updated').filter((event) => event.payload.conversationId === conversationId),
      ).toEqual([]);
      const { receipts } = await ben.http('conversation.changes', { conversationId, since: rev });
      expect(receipts.map(({ userId, readSeq }) => [userId, readSeq])).toEqual([[ben.user.id, message.seq]]);
    });
  });

  describe('unread', () => {
    it('counts others’ messages after `readSeq` that are neither deleted nor system', async () => {
      const [ann, ben] = await deployment.guests(2);
      const [{ id: one }, { id: two }, { id: nothing }] = [
        await deployment.group([ann, ben]),
        await deployment.group([ann, ben]),
        await deployment.group([ann, ben]),
      ];
      const { message: deleted } = await ann.send(one, 'deleted soon');
      await write(ann, one, 2);
      await write(ben, one, 1);
      await ann.http('conversation.update', { conversationId: one, title: 'a system message' });
      await ann.call('message.delete', { messageId: deleted.id });
      const { message } = await ann.send(two, `@${ben.user.username}`);
      await write(ben, nothing, 2);
      expect(await ben.http('unread.list', {})).toEqual({
        total: 3,
        mentions: 1,
        conversations: [
          { id: two, unread: 1, mentions: 1, readSeq: 0, lastSeq: message.seq },
          { id: one, unread: 2, mentions: 0, readSeq: 0, lastSeq: 6 },
        ],
      });
      await ben.call('receipt.read', { conversationId: two, seq: message.seq });
      expect(await ben.http('unread.list', {})).toMatchObject({ total: 2, mentions: 0, conversations: [{ id: one }] });
    });

    it('reading is announced to the reader’s other devices only', async () => {
      const [ann, ben] = await deployment.guests(2);
      const tablet = await deployment.device(ben);
      const { id: conversationId } = await deployment.group([ann, ben]);
      const lastSeq = await write(ann, conversationId, 3);
      await ben.call('receipt.read', { conversationId, seq: lastSeq - 1 });
      expect((await tablet.waitFor('unread:changed')).payload).toEqual({
        conversationId,
        unread: 1,
        mentions: 0,
        readSeq: lastSeq - 1,
      });
      await deployment.settle(ann, ben);
      expect([...ann.eventsOf('unread:changed'), ...ben.eventsOf('unread:changed')]).toEqual([]);
    });

    it('`unreadFrom` makes unread start there, for the caller only, until the next read', async () => {
      const [ann, ben] = await deployment.guests(2);
      const tablet = await deployment.device(ben);
      const { id: conversationId } = await deployment.group([ann, ben]);
      const lastSeq = await write(ann, conversationId, 4);
      await ben.call('receipt.read', { conversationId, seq: lastSeq });
      await tablet.waitFor('unread:changed', ({ unread }) => unread === 0);
      await ann.waitFor('receipt:updated', ({ readSeq }) => readSeq === lastSeq);
      const [from, tabletFrom] = [ann.events.length, tablet.events.length];
      const marked = await ben.fetch('PATCH', `/api/v1/conversations/${conversationId}/me`, {
        unreadFrom: lastSeq - 1,
      });
      expect(marked).toMatchObject({
        status: 200,
        body: { role: 'member', unread: 2, unreadFrom: lastSeq - 1, readSeq: lastSeq },
      });
      expect((await tablet.waitFor('unread:changed', () => true, 5_000, tabletFrom)).payload).toMatchObject({
        conversationId,
        unread: 2,
        mentions: 0,
        readSeq: lastSeq,
        unreadFrom: lastSeq - 1,
      });
      expect(await ben.http('unread.list', {})).toMatchObject({
        total: 2,
        conversations: [{ id: conversationId, unread: 2, readSeq: lastSeq }],
      });
      await write(ann, conversationId, 1);
      expect(await me(ben, conversationId)).toMatchObject({ unread: 3, unreadFrom: lastSeq - 1, readSeq: lastSeq });
      await deployment.settle(ann);
      expect(eventsAbout(ann, conversationId, from).map(({ name }) => name)).toEqual(['message:new']);
      await ben.call('receipt.read', { conversationId, seq: lastSeq });
      expect(await me(ben, conversationId)).not.toHaveProperty('unreadFrom');
      expect((await tablet.waitFor('unread:changed', ({ unread }) => unread === 1)).payload).not.toHaveProperty(
        'unreadFrom',
      );
    });

    it('changed notification settings are announced to the caller’s other devices only', async () => {
      const [ann, ben] = await deployment.guests(2);
      const tablet = await deployment.device(ben);
      const { id: conversationId } = await deployment.group([ann, ben]);
      expect((await ben.http('conversation.me', { conversationId, notifications: 'mentions' })).me).toMatchObject({
        notifications: 'mentions',
        status: 'active',
        role: 'member',
        unread: 0,
      });
      await tablet.waitFor('unread:changed', (event) => event.notifications === 'mentions');
      expect(await me(tablet, conversationId)).toMatchObject({ notifications: 'mentions' });
      expect(await me(ann, conversationId)).toMatchObject({ notifications: 'all' });
    });
  });

  describe('pages', () => {
    it('`conversation:open` has the 50 newest messages, or all back to the first unread one, at most 200', async () => {
      const [ann, ben] = await deployment.guests(2);
      const { id: conversationId } = await deployment.group([ann, ben]);
      const open = async (limit?: number) =>
        (await ben.call('conversation.open', { conversationId, ...(limit === undefined ? {} : { limit }) })).messages;
      await write(ann, conversationId, 79);
      await ben.call('receipt.read', { conversationId, seq: 80 });
      const read = await open();
      expect([seqs(read.items), read.lastSeq, read.hasBefore, read.hasAfter]).toEqual([
        Array.from({ length: 50 }, (__, n) => 31 + n),
        80,
        true,
        false,
      ]);
      expect(seqs((await open(2)).items)).toEqual([79, 80]);
      await write(ann, conversationId, 70);
      const unread = await open();
      expect([seqs(unread.items), unread.hasBefore, unread.hasAfter]).toEqual([
        Array.from({ length: 70 }, (__, n) => 81 + n),
        true,
        false,
      ]);
      await write(ann, conversationId, 200);
      const most = await open();
      expect([most.items.length, seqs(most.items).at(-1), most.hasBefore]).toEqual([200, 350, true]);
      expect(await allCodes([open(0), open(101)])).toEqual(['invalid']);
    });

    it('`conversation:open` answers the conversation with `me` and its members', async () => {
      const [ann, ben] = await deployment.guests(2);
      const { id: conversationId } = await deployment.group([ann, ben]);
      const { message } = await ann.send(conversationId, 'hello');
      const { conversation, messages, members } = await ben.call('conversation.open', { conversationId });
      expect(conversation).toEqual((await ben.http('conversation.get', { conversationId })).conversation);
      expect(conversation).toMatchObject({ me: { unread: 1 }, lastMessage: message });
      expect(messages).toEqual({
        items: await ann.history(conversationId),
        lastSeq: 2,
        hasBefore: false,
        hasAfter: false,
      });
      expect(members?.map(({ userId }) => userId).toSorted()).toEqual([ann.user.id, ben.user.id].toSorted());
    });

    it('pages of messages ascend by `seq`', async () => {
      const [ann] = await deployment.guests(1);
      const { id: conversationId } = await deployment.group([ann]);
      await write(ann, conversationId, 9);
      const page = async (input: Omit<CallArguments<'conversation.history'>, 'conversationId'>) => {
        const [socket, http] = [
          await ann.call('conversation.history', { conversationId, ...input }),
          await ann.http('conversation.history', { conversationId, ...input }),
        ];
        expect(http).toEqual(socket);
        return [seqs(socket.items), socket.lastSeq, socket.hasBefore, socket.hasAfter];
      };
      expect(await page({ limit: 3 })).toEqual([[8, 9, 10], 10, true, false]);
      expect(await page({ before: 4, limit: 2 })).toEqual([[2, 3], 10, true, true]);
      expect(await page({ before: 3 })).toEqual([[1, 2], 10, false, true]);
      expect(await page({ after: 8 })).toEqual([[9, 10], 10, true, false]);
      expect(await page({ after: 0, limit: 2 })).toEqual([[1, 2], 10, false, true]);
      expect((await page({ before: 0 }))[0]).toEqual([]);
      expect((await page({ around: 5, limit: 3 }))[0]).toEqual([4, 5, 6]);
    });
  });

  describe('events that are not stored', () => {
    it('typing reaches the other members until it ends', async () => {
      const [ann, ben, cem, dan] = await deployment.guests(4);
      const { id: conversationId } = await deployment.group([ann, ben, dan]);
      const typing = (active: boolean, userId: string, from: number) =>
        ben.waitFor('typing', (event) => event.active === active && event.userId === userId, 12_000, from);
      const says = async (who: ChatClient, active: boolean): Promise<number> => {
        const from = ben.events.length;
        expect(await who.call('typing', { conversationId, active })).toEqual({});
        expect((await typing(active, who.user.id, from)).payload).toEqual({
          conversationId,
          userId: who.user.id,
          active,
        });
        return from;
      };
      await says(ann, true);
      await says(ann, false);
      const dans = await says(dan, true);
      dan.disconnect();
      await typing(false, dan.user.id, dans);
      const from = await says(ann, true);
      await deployment.settle(cem);
      expect(eventsAbout(cem, conversationId)).toEqual([]);
      await typing(false, ann.user.id, from);
    });

    it('peer signals reach all connections of the other member without being stored', async () => {
      const [ann, ben, cem] = await deployment.guests(3);
      const tablet = await deployment.device(ben);
      const conversationId = await deployment.direct(ann, ben);
      const data = { type: 'offer', sdp: ['v=0', { n: 1, none: null }] };
      const signal = (to: ChatClient, where = conversationId) =>
        ann.call('peer.signal', { to: to.user.id, conversationId: where, data });
      expect(await signal(ben)).toEqual({ delivered: true });
      for (const who of [ben, tablet])
        expect((await who.waitFor('peer:signal')).payload).toEqual({ from: ann.user.id, conversationId, data });
      ben.disconnect();
      tablet.disconnect();
      await eventually(async () => expect(await signal(ben)).toEqual({ delivered: false }), { timeoutMs: 5_000 });
      const { id: group } = await deployment.group([ann, cem]);
      expect(await codeOf(signal(cem, group))).toBe('forbidden');
      await deployment.settle(cem);
      expect([...ann.eventsOf('peer:signal'), ...cem.eventsOf('peer:signal')]).toEqual([]);
      expect(await ann.history(conversationId)).toEqual([]);
    });
  });

  describe('drawings', () => {
    it('a line reaches the members and is stored as first drawn', async () => {
      const [ann, ben, cem] = await deployment.guests(3);
      const { id: conversationId } = await deployment.group([ann, ben]);
      const line = { id: 'my line', color: '#A0B0C0', width: 2.5, points: [0, 0, 10.5, -3] };
      expect(await ben.call('drawing.draw', { conversationId, line })).toEqual({});
      const { payload } = await ann.waitFor('drawing:line');
      expect(payload).toEqual({
        conversationId,
        userId: ben.user.id,
        line: { ...line, color: '#a0b0c0', userId: ben.user.id, createdAt: expect.any(String) },
      });
      await ben.call('drawing.draw', { conversationId, line: { ...line, points: [1, 1] } });
      const board = await ann.fetch('GET', `/api/v1/conversations/${conversationId}/drawing`);
      expect(board).toMatchObject({ status: 200, body: { items: [payload.line], rev: expect.any(Number) } });
      const { rev } = await ben.call('drawing.reset', { conversationId });
      expect((await ann.waitFor('drawing:reset')).payload).toEqual({ conversationId, userId: ben.user.id, rev });
      expect(await ann.http('drawing.get', { conversationId })).toEqual({ items: [], rev, complete: true });
      expect(await ann.fetch('DELETE', `/api/v1/conversations/${conversationId}/drawing`)).toMatchObject({
        status: 204,
        body: '',
      });
      await ben.waitFor('drawing:reset', (event) => event.userId === ann.user.id);
      await deployment.settle(cem);
      expect(eventsAbout(cem, conversationId)).toEqual([]);
    });

    it('a line has a colour `#rrggbb` and an even number of finite coordinates, at most 2,000', async () => {
      const [ann] = await deployment.guests(1);
      const { id: conversationId } = await deployment.group([ann]);
      const draw = (change: object) =>
        ann.emit('drawing:draw', {
          conversationId,
          line: { id: 'l', color: '#000000', width: 1, points: [0, 0], ...change },
        });
      const points = (length: number) => Array.from({ length }, (__, n) => n);
      expect(await codeOf(draw({ points: points(2_000) }))).toBe('ok');
      expect(
        await allCodes(
          [
            { color: 'red' },
            { color: '#fff' },
            { points: points(3) },
            { points: points(2_002) },
            { points: [0, null] },
            { points: [0, '1'] },
            { points: [] },
            { shape: 'circle' },
          ].map(draw),
        ),
      ).toEqual(['invalid']);
    });
  });

  describe('search', () => {
    const find = async (who: ChatClient, q: string, more: Omit<CallArguments<'message.search'>, 'q'> = {}) =>
      (await who.http('message.search', { q, ...more })).items;

    it('finds parts of words in any case, accents and script at most 5 s after sending', async () => {
      const [ann, ben, cem] = await deployment.guests(3);
      const { id: conversationId } = await deployment.group([ann, ben]);
      const { message } = await ann.send(conversationId, 'Wir sehen uns im CAFÉ Zürich');
      const { message: other } = await ben.send(conversationId, '東京都で会いましょう');
      const within = { timeoutMs: 5_000 };
      await eventually(
        async () =>
          expect(await find(ben, 'cafe')).toEqual([{ message, highlight: 'Wir sehen uns im \ue000CAFÉ\ue001 Zürich' }]),
        within,
      );
      await eventually(
        async () =>
          expect(await find(ann, '京都')).toEqual([{ message: other, highlight: '東\ue000京都\ue001で会いましょう' }]),
        within,
      );
      for (const q of ['CAFÉ', 'zurich', 'wir caf', 'ehe'])
        expect([q, idsOf((await find(ben, q)).map((found) => found.message))]).toEqual([q, [message.id]]);
      for (const q of ['cafe tokyo', 'wir nicht']) expect([q, await find(ben, q)]).toEqual([q, []]);
      expect(await find(cem, 'cafe')).toEqual([]);
      expect(await allCodes([find(ann, ''), find(ann, ' '), find(ann, 'x', { cursor: 'nonsense' })])).toEqual([
        'invalid',
      ]);
    });

    it('returns pages, newest first, optionally of one conversation or sender, only from the caller’s conversations, without deleted messages and replaced texts', async () => {
      const [ann, ben] = await deployment.guests(2);
      const word = uniqueName('needle').replace('-', '');
      const [{ id: one }, { id: two }] = [await deployment.group([ann, ben]), await deployment.group([ann, ben])];
      const sent = [];
      for (const [who, where] of [
        [ann, one],
        [ben, one],
        [ann, two],
      ] as const)
        sent.push((await who.send(where, `a ${word} here`)).message);
      const [a, b, c] = idsOf(sent) as [string, string, string];
      const found = async (who: ChatClient, more = {}) =>
        idsOf((await find(who, word, more)).map(({ message }) => message));
      await eventually(async () => expect(await found(ann)).toEqual([c, b, a]), { timeoutMs: 5_000 });
      expect(await found(ann, { conversationId: one })).toEqual([b, a]);
      expect(await found(ann, { senderId: ben.user.id })).toEqual([b]);
      const page = await ann.http('message.search', { q: word, limit: 2 });
      expect(await found(ann, { limit: 2, cursor: page.nextCursor! })).toEqual([a]);
      await ann.call('message.delete', { messageId: a });
      await ben.call('message.edit', { messageId: b, body: 'another text' });
      expect(await found(ann)).toEqual([c]);
      await ann.http('member.remove', { conversationId: two, userId: ben.user.id });
      expect(await found(ben)).toEqual([]);
      expect(await codeOf(find(ben, word, { conversationId: two }))).toBe('not_found');
      expect(await codesOf(ann, 'receipt.read', { conversationId: 'nonsense', seq: 1 })).toEqual([
        'invalid',
        'invalid',
      ]);
    });
  });
});
