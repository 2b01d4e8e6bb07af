import { newId, type Message } from '@parley/contracts';
import { ChatClient, eventually } from '@parley/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { shared } from '../../deployments/modes.js';
import { codeOf, codesOf, idsOf, refusalOf, TestDeployment } from '../../deployments/test-deployment.js';

describe.each(Object.entries(shared))('the rules of messages, in %s mode', (_, start) => {
  let deployment: TestDeployment;
  beforeAll(async () => {
    deployment = await TestDeployment.open(start);
  });
  afterAll(() => deployment?.close());

  const post = (who: ChatClient, conversationId: string, body: object) =>
    who.fetch('POST', `/api/v1/conversations/${conversationId}/messages`, body);
  const updateOf = async (who: ChatClient, message: Message) =>
    (
      await who.waitFor(
        'message:updated',
        (event) => event.message.id === message.id && event.message.rev === message.rev,
      )
    ).payload;
  const withoutMine = (message: Message): Message => ({
    ...message,
    reactions: message.reactions.map(({ mine: _mine, ...reaction }) => reaction),
  });
  const read = async (who: ChatClient, { conversationId, seq }: Message) =>
    (await who.http('conversation.history', { conversationId, after: seq - 1, limit: 1 })).items[0]!;

  describe('sending', () => {
    it('an acknowledged message reaches exactly the members, on every connection', async () => {
      const [ann, ben, cem] = await deployment.guests(3);
      const tablet = await deployment.device(ann);
      const { id: conversationId } = await deployment.group([ann, ben]);
      const { message, ...rest } = await ann.send(conversationId, 'hello', 'my own id');
      expect(rest).toEqual({ duplicate: false });
      expect(message).toEqual({
        id: expect.any(String),
        conversationId,
        seq: 2,
        rev: expect.any(Number),
        senderId: ann.user.id,
        clientId: 'my own id',
        type: 'text',
        body: 'hello',
        attachments: [],
        mentions: [],
        reactions: [],
        createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      });
      expect(await read(ben, message)).toEqual(message);
      for (const who of [ann, tablet, ben])
        expect((await who.waitFor('message:new', (event) => event.message.id === message.id)).payload).toEqual({
          message,
        });
      await deployment.settle(cem);
      expect(
        cem.eventsOf('message:new').filter(({ payload }) => payload.message.conversationId === conversationId),
      ).toEqual([]);
    });

    it('everybody sees one order without gaps under concurrent sends', async () => {
      const people = await deployment.guests(3);
      const { id: conversationId } = await deployment.group(people);
      await Promise.all(
        people.flatMap((who) => Array.from({ length: 10 }, (__, n) => who.send(conversationId, `${n}`))),
      );
      const [first, ...others] = await Promise.all(people.map((who) => who.history(conversationId)));
      expect(first!.map(({ seq }) => seq)).toEqual(Array.from({ length: 31 }, (__, n) => n + 1));
      const revs = first!.map(({ rev }) => rev);
      expect(revs).toEqual(revs.map((__, n) => revs[0]! + n));
      for (const other of others) expect(other).toEqual(first);
    });

    it('in a direct conversation `recipientOnline` says whether the other member has a live connection', async () => {
      const [ann, ben] = await deployment.guests(2);
      const conversationId = await deployment.direct(ann, ben);
      await eventually(async () => expect((await ann.send(conversationId, 'there?')).recipientOnline).toBe(true));
      ben.disconnect();
      // Absent until the new registry is complete.
      await eventually(
        async () => expect((await ann.send(conversationId, 'there?')).recipientOnline ?? false).toBe(false),
        { timeoutMs: 5_000 },
      );
      const { id: group } = await deployment.group([ann, ben]);
      expect(await ann.send(group, 'there?')).not.toHaveProperty('recipientOnline');
    });

    it('a repeated `clientId`, from any device and over HTTP, stores nothing and returns the first message with `duplicate: true` and 200', async () => {
      const [ann, ben] = await deployment.guests(2);
      const tablet = await deployment.device(ann);
      const { id: conversationId } = await deployment.group([ann, ben]);
      const first = await post(ann, conversationId, { clientId: 'once', body: 'first' });
      const { message } = first.body as { message: Message };
      expect(first).toMatchObject({ status: 201, body: { duplicate: false } });
      expect(await tablet.send(conversationId, 'another body', 'once')).toEqual({ message, duplicate: true });
      expect(await post(ann, conversationId, { clientId: 'once', body: 'x' })).toMatchObject({
        status: 200,
        body: { message, duplicate: true },
      });
      const { message: other } = await ben.send(conversationId, 'of another sender', 'once');
      expect((await ann.history(conversationId)).map(({ id }) => id).slice(1)).toEqual([message.id, other.id]);
      await deployment.settle(ben);
      expect(
        ben
          .eventsOf('message:new')
          .filter(({ payload }) => payload.message.senderId === ann.user.id && payload.message.clientId === 'once'),
      ).toHaveLength(1);
    });

    it('a resend is answered despite a later gate, mute or block', async () => {
      const [ann, ben] = await deployment.guests(2);
      const { id: conversationId } = await deployment.group([ann, ben], { visibility: 'public' });
      const { message } = await ben.send(conversationId, 'hello', 'known');
      const again = () => ben.send(conversationId, 'hello', 'known');
      const member = { conversationId, userId: ben.user.id };
      await ann.http('conversation.update', { conversationId, policy: { reactionGate: 3, slowModeSeconds: 60 } });
      expect(await again()).toEqual({ message, duplicate: true });
      await ann.http('member.update', { ...member, status: 'muted' });
      expect(await codeOf(ben.send(conversationId, 'new'))).toBe('muted');
      expect(await again()).toEqual({ message, duplicate: true });
      await ann.http('member.update', { ...member, status: 'banned' });
      expect(await codeOf(again())).toBe('banned');
      await ann.http('member.update', { ...member, status: 'active' });
      await ben.call('conversation.leave', { conversationId });
      expect(await codeOf(again())).toBe('not_found');
      const direct = await deployment.direct(ann, ben);
      const sent = await ben.send(direct, 'hello', 'known');
      await ann.http('block.add', { userId: ben.user.id });
      expect(await codeOf(ben.send(direct, 'new'))).toBe('blocked');
      expect(await ben.send(direct, 'hello', 'known')).toMatchObject({ message: sent.message, duplicate: true });
    });

    it('the reaction gate counts distinct other people on the sender’s newest message that is not deleted', async () => {
      const [ann, ben, cem] = await deployment.guests(3);
      const { id: conversationId } = await deployment.group([ann, ben, cem], { policy: { reactionGate: 2 } });
      const { message } = await ann.send(conversationId, 'the first is free');
      const gate = async () => {
        const refused = [
          await refusalOf(ann.send(conversationId, 'next')),
          await refusalOf(ann.http('message.send', { conversationId, clientId: newId(), body: 'next' })),
        ];
        return refused.map((error) => [error?.code, error?.details]);
      };
      const closed = (have: number) => [
        ['reaction_gate', { needed: 2, have }],
        ['reaction_gate', { needed: 2, have }],
      ];
      const react = (who: ChatClient, emoji: string, messageId = message.id) =>
        who.call('reaction.add', { messageId, emoji });
      expect(await gate()).toEqual(closed(0));
      for (const emoji of ['👍', '🎉']) await react(ann, emoji);
      for (const emoji of ['👍', '🎉']) await react(ben, emoji);
      expect(await gate()).toEqual(closed(1));
      await react(cem, '🎉');
      const { message: second } = await ann.send(conversationId, 'next');
      expect(await gate()).toEqual(closed(0));
      await ann.call('message.delete', { messageId: second.id });
      expect(await codeOf(ann.send(conversationId, 'the newest that is not deleted has two'))).toBe('ok');
    });

    it('under slow mode and a reaction gate, an edit soon after sending is allowed', async () => {
      const [ann, ben] = await deployment.guests(2);
      const { id: conversationId } = await deployment.group([ann, ben], {
        policy: { slowModeSeconds: 60, reactionGate: 1 },
      });
      const { message } = await ben.send(conversationId, 'frist');
      expect((await ben.http('message.edit', { messageId: message.id, body: 'first' })).message.body).toBe('first');
    });

    it('slow mode says members how long to wait', async () => {
      const [ann, ben, cem] = await deployment.guests(3);
      const { id: conversationId } = await deployment.group([ann, ben, cem], { policy: { slowModeSeconds: 1 } });
      await ann.http('member.update', { conversationId, userId: cem.user.id, role: 'admin' });
      for (const who of [ann, ann, cem, cem, ben]) await who.send(conversationId, 'hello');
      for (const refused of [
        await refusalOf(ben.send(conversationId, 'again')),
        await refusalOf(ben.http('message.send', { conversationId, clientId: newId(), body: 'again' })),
      ]) {
        expect(refused?.code).toBe('slow_mode');
        expect(refused?.retryAfterMs).toBeGreaterThan(0);
        expect(refused?.retryAfterMs).toBeLessThanOrEqual(1_000);
      }
      await eventually(async () => expect(await codeOf(ben.send(conversationId, 'again'))).toBe('ok'), {
        timeoutMs: 3_000,
      });
    });

    it('a message may reply to a message of the same conversation only', async () => {
      const [ann, ben] = await deployment.guests(2);
      const [{ id: conversationId }, { id: elsewhere }] = [
        await deployment.group([ann, ben]),
        await deployment.group([ann, ben]),
      ];
      const { message } = await ann.send(conversationId, 'question');
      expect(
        (await ben.call('message.send', { conversationId, clientId: 'a', body: 'answer', replyTo: message.id })).message
          .replyTo,
      ).toBe(message.id);
      expect(
        await codesOf(ben, 'message.send', {
          conversationId: elsewhere,
          clientId: 'b',
          body: 'answer',
          replyTo: message.id,
        }),
      ).toEqual(['not_found', 'not_found']);
    });

    it('`@username` of a member is a mention, resolved by the server and counted separately', async () => {
      const [ann, ben, cem, stranger] = await deployment.guests(4);
      const { id: conversationId } = await deployment.group([ann, ben, cem]);
      await ann.send(conversationId, 'for nobody');
      const { message } = await ann.send(
        conversationId,
        `@${ben.user.username.toUpperCase()}, @${stranger.user.username} and x@${cem.user.username}.example`,
      );
      expect(message.mentions).toEqual([ben.user.id]);
      const counts = async (who: ChatClient) => {
        const [{ me }, unread] = [
          (await who.http('conversation.get', { conversationId })).conversation,
          await who.http('unread.list', {}),
        ];
        return [
          me?.unread,
          me?.mentions,
          unread.total,
          unread.mentions,
          unread.conversations.map((one) => [one.unread, one.mentions]),
        ];
      };
      expect(await counts(ben)).toEqual([2, 1, 2, 1, [[2, 1]]]);
      expect(await counts(cem)).toEqual([2, 0, 2, 0, [[2, 0]]]);
    });

    it('a forwarded message has type, body and origin of the original', async () => {
      const [ann, ben, cem] = await deployment.guests(3);
      const [{ id: source }, { id: conversationId }] = [
        await deployment.group([ann, ben]),
        await deployment.group([ben, cem]),
      ];
      const { message } = await ann.send(source, 'pass it on');
      const { message: forwarded } = await ben.call('message.send', {
        conversationId,
        clientId: 'f',
        forwardOf: message.id,
      });
      expect(forwarded).toMatchObject({
        senderId: ben.user.id,
        type: 'text',
        body: 'pass it on',
        forwardedFrom: { messageId: message.id, senderId: ann.user.id },
      });
      expect((await cem.waitFor('message:new', (event) => event.message.id === forwarded.id)).payload.message).toEqual(
        forwarded,
      );
      expect(await codesOf(cem, 'message.send', { conversationId, clientId: 'g', forwardOf: message.id })).toEqual([
        'not_found',
        'not_found',
      ]);
    });
  });

  describe('changes of messages', () => {
    it('an edit updates the message for all members', async () => {
      const [ann, ben] = await deployment.guests(2);
      const { id: conversationId } = await deployment.group([ann, ben]);
      const { message } = await ben.send(conversationId, 'one');
      const { message: edited } = await ben.call('message.edit', { messageId: message.id, body: 'two' });
      expect(edited).toEqual({ ...message, body: 'two', rev: edited.rev, editedAt: expect.any(String) });
      expect(edited.rev).toBe(message.rev + 1);
      expect(await updateOf(ann, edited)).toEqual({ message: edited });
      expect(await ben.fetch('PATCH', `/api/v1/messages/${message.id}`, { body: 'three' })).toMatchObject({
        status: 200,
        body: { id: message.id, body: 'three' },
      });
      expect((await ann.http('message.edits', { messageId: message.id })).items).toEqual([
        { body: 'two', editedAt: expect.any(String) },
        { body: 'one', editedAt: edited.editedAt },
      ]);
      expect(await codeOf(ben.http('message.edits', { messageId: message.id }))).toBe('forbidden');
      expect(await codesOf(ann, 'message.edit', { messageId: message.id, body: 'x' })).toEqual([
        'forbidden',
        'forbidden',
      ]);
    });

    it('a deleted message stays as a tombstone that cannot be changed', async () => {
      const [ann, ben] = await deployment.guests(2);
      const { id: conversationId } = await deployment.group([ann, ben]);
      const { message } = await ben.send(conversationId, `hello @${ann.user.username}`);
      await ann.call('reaction.add', { messageId: message.id, emoji: '👍' });
      await ann.http('message.pin', { messageId: message.id });
      const { message: tombstone } = await ben.call('message.delete', { messageId: message.id });
      expect(tombstone).toMatchObject({
        id: message.id,
        seq: message.seq,
        body: '',
        attachments: [],
        deletedAt: expect.any(String),
      });
      expect(await updateOf(ann, tombstone)).toEqual({ message: tombstone });
      expect(withoutMine(await read(ann, message))).toEqual(withoutMine(tombstone));
      const { id: messageId } = message;
      expect(await codesOf(ben, 'message.edit', { messageId, body: 'x' })).toEqual(['conflict', 'conflict']);
      expect(await codesOf(ann, 'reaction.add', { messageId, emoji: '👍' })).toEqual(['conflict', 'conflict']);
      expect(
        await codesOf(ann, 'message.send', { conversationId, clientId: 'r', body: 'x', replyTo: messageId }),
      ).toEqual(['conflict', 'conflict']);
      expect(await codeOf(ann.http('message.pin', { messageId }))).toBe('conflict');
      expect((await ann.http('message.pins', { conversationId })).items).toEqual([]);
      expect(await ben.fetch('DELETE', `/api/v1/messages/${messageId}`)).toMatchObject({
        status: 200,
        body: tombstone,
      });
      expect((await ann.http('conversation.get', { conversationId })).conversation.me).toMatchObject({
        unread: 0,
        mentions: 0,
      });
    });

    it('reactions have a count, at most 20 user ids and, in answers only, `mine`', async () => {
      const people = await deployment.guests(22);
      const [ann, ben] = people;
      const { id: conversationId } = await deployment.group(people);
      const { message } = await ann.send(conversationId, 'hello');
      const first = await ben.call('reaction.add', { messageId: message.id, emoji: '👍' });
      expect(first.message.reactions).toEqual([{ emoji: '👍', count: 1, userIds: [ben.user.id], mine: true }]);
      expect(await updateOf(ann, first.message)).toEqual({
        message: { ...first.message, reactions: [{ emoji: '👍', count: 1, userIds: [ben.user.id] }] },
        reaction: { userId: ben.user.id, emoji: '👍', added: true },
      });
      expect(
        await ben.fetch('PUT', `/api/v1/messages/${message.id}/reactions/${encodeURIComponent('👍')}`),
      ).toMatchObject({ status: 200, body: first.message });
      for (const who of people.slice(2)) await who.call('reaction.add', { messageId: message.id, emoji: '👍' });
      const [{ emoji, count, userIds, mine }] = (await read(ann, message)).reactions as [Message['reactions'][0]];
      expect([emoji, count, userIds.length, new Set(userIds).size, mine ?? false]).toEqual(['👍', 21, 20, 20, false]);
      expect((await read(ben, message)).reactions[0]!.mine).toBe(true);
      const removed = await ben.fetch('DELETE', `/api/v1/messages/${message.id}/reactions/${encodeURIComponent('👍')}`);
      expect(removed).toMatchObject({ status: 200, body: { reactions: [{ emoji: '👍', count: 20 }] } });
      expect(await updateOf(ann, removed.body as Message)).toMatchObject({
        reaction: { userId: ben.user.id, emoji: '👍', added: false },
      });
      expect(await codesOf(ben, 'reaction.add', { messageId: message.id, emoji: 'thumbs' })).toEqual([
        'invalid',
        'invalid',
      ]);
    });

    it('pinned messages are listed, last pinned first, until unpinned', async () => {
      const [ann, ben] = await deployment.guests(2);
      const { id: conversationId } = await deployment.group([ann, ben]);
      const sent = [await ben.send(conversationId, 'one'), await ben.send(conversationId, 'two')].map(
        ({ message }) => message,
      );
      expect(await codeOf(ben.http('message.pin', { messageId: sent[0]!.id }))).toBe('forbidden');
      for (const { id: messageId } of [sent[1]!, sent[0]!]) {
        const { message } = await ann.http('message.pin', { messageId });
        expect(message.pinnedAt).toEqual(expect.any(String));
        expect(await updateOf(ben, message)).toEqual({ message });
      }
      expect(idsOf((await ben.http('message.pins', { conversationId })).items)).toEqual(idsOf(sent));
      expect((await ann.http('message.unpin', { messageId: sent[0]!.id })).message).not.toHaveProperty('pinnedAt');
      expect(idsOf((await ben.http('message.pins', { conversationId })).items)).toEqual([sent[1]!.id]);
    });

    it('`changes` has each message once in its current state, tombstones and departures included', async () => {
      const [ann, ben, cem] = await deployment.guests(3);
      const { id: conversationId, rev: since } = await deployment.group([ann, ben, cem]);
      const sent = [await ann.send(conversationId, 'one'), await ann.send(conversationId, 'two')].map(
        ({ message }) => message,
      );
      await ann.call('message.edit', { messageId: sent[0]!.id, body: 'one again' });
      await ann.call('message.delete', { messageId: sent[1]!.id });
      await ann.http('conversation.update', { conversationId, topic: 'new' });
      await ann.http('member.remove', { conversationId, userId: cem.user.id });
      await ben.call('receipt.read', { conversationId, seq: 2 });
      const all = await ben.http('conversation.changes', { conversationId, since });
      expect(all.messages.map(({ seq, body, deletedAt }) => [seq, body, deletedAt !== undefined])).toEqual(
        expect.arrayContaining([
          [2, 'one again', false],
          [3, '', true],
          [4, '', false],
        ]),
      );
      expect(new Set(idsOf(all.messages)).size).toBe(all.messages.length);
      expect(all.members).toEqual([{ userId: cem.user.id, left: true }]);
      expect(all.conversation).toMatchObject({ topic: 'new', memberCount: 2 });
      expect(all.receipts).toEqual(
        expect.arrayContaining([expect.objectContaining({ userId: ben.user.id, readSeq: 2 })]),
      );
      expect([all.complete, all.rev]).toEqual([true, all.conversation!.rev]);
      const seen: number[] = [];
      for (let at = since, complete = false; !complete;) {
        const page = await ben.http('conversation.changes', { conversationId, since: at, limit: 1 });
        expect(page.rev).toBeGreaterThan(at);
        seen.push(...page.messages.map(({ seq }) => seq));
        ({ rev: at, complete } = page);
      }
      expect(seen.toSorted()).toEqual(all.messages.map(({ seq }) => seq).toSorted());
      const { rev, epoch } = all;
      expect(await ben.http('conversation.changes', { conversationId, since: rev })).toMatchObject({
        messages: [],
        rev,
        complete: true,
        epoch,
      });
    });

    it('`sync` returns changed, added and removed conversations', async () => {
      const [ann, ben] = await deployment.guests(2);
      const [{ id: kept, rev }, { id: lost }] = [
        await deployment.group([ann, ben]),
        await deployment.group([ann, ben]),
      ];
      const { message } = await ann.send(kept, 'hello');
      await ben.call('conversation.leave', { conversationId: lost });
      const { id: fresh } = await deployment.group([ann, ben]);
      const { epoch, changes, added, removed, complete } = await ben.call('sync', {
        cursors: { [kept]: rev, [lost]: 1 },
      });
      expect([
        changes.map(({ conversationId, messages }) => [conversationId, idsOf(messages)]),
        idsOf(added),
        removed,
        complete,
      ]).toEqual([[[kept, [message.id]]], [fresh], [lost], true]);
      const foreign = await ben.call('sync', { epoch: 'another', cursors: { [kept]: rev } });
      expect([foreign.epoch, foreign.changes, idsOf(foreign.added).toSorted()]).toEqual([
        epoch,
        [],
        [kept, fresh].toSorted(),
      ]);
    });

    it('`sync` also lists conversations in which only receipts moved, with no messages', async () => {
      const [ann, ben] = await deployment.guests(2);
      const { id: conversationId } = await deployment.group([ann, ben]);
      const { message } = await ann.send(conversationId, 'hello');
      await ann.waitFor('message:new', (event) => event.message.id === message.id);
      ann.disconnect();
      await ben.call('receipt.read', { conversationId, seq: message.seq });
      await ann.connect();
      const { changes } = await ann.call('sync', { cursors: { [conversationId]: message.rev } });
      expect(changes).toMatchObject([
        {
          conversationId,
          messages: [],
          receipts: expect.arrayContaining([expect.objectContaining({ userId: ben.user.id, readSeq: message.seq })]),
        },
      ]);
    });
  });

  describe('input', () => {
    it('that breaks its schema is `invalid`, over sockets and HTTP', async () => {
      const ann = await deployment.guest();
      const { id: conversationId } = await deployment.group([ann]);
      const { message } = await ann.send(conversationId, 'hello');
      const { id: messageId } = message;
      const send = (change: object) =>
        ann.emit('message:send', { conversationId, clientId: newId(), body: 'x', ...change });
      const broken = [
        { more: 1 },
        { body: '' },
        { body: ' \n' },
        { body: undefined },
        { type: 'system' },
        { type: 'telegram' },
        { clientId: '' },
        { clientId: 'x'.repeat(65) },
        { conversationId: 'nonsense' },
        { replyTo: 'nonsense' },
        { body: null },
      ];
      const answers = [
        ...broken.map(send),
        ann.emit('message:edit', { messageId, body: '' }),
        ann.emit('message:edit', { messageId: 'nonsense', body: 'x' }),
        ann.emit('conversation:open', { conversationId, limit: 101 }),
        ann.emit('conversation:history', { conversationId, before: 1, after: 1 }),
        ann.emit('conversation:create', { kind: 'group', title: 'x'.repeat(201) }),
        ann.emit('conversation:explode', {}),
        ann.emit('message:new', {}),
        ann.emit('typing', 'a text'),
      ];
      expect(await Promise.all(answers.map(codeOf))).toEqual(answers.map(() => 'invalid'));
      const at = `/api/v1/conversations/${conversationId}`;
      const requests: [string, string, object?][] = [
        ...broken
          .slice(0, 8)
          .map((change): [string, string, object] => [
            'POST',
            `${at}/messages`,
            { clientId: newId(), body: 'x', ...change },
          ]),
        ['PATCH', `/api/v1/messages/${messageId}`, { body: '' }],
        ['GET', '/api/v1/conversations/nonsense'],
        ['GET', `${at}/messages?limit=101`],
        ['GET', `${at}/messages?limit=0`],
        ...['before=1&after=1', 'before=1&around=1', 'after=1&around=1', 'before=-1', 'before=x', 'colour=red'].map(
          (query): [string, string] => ['GET', `${at}/messages?${query}`],
        ),
        ['GET', '/api/v1/conversations?cursor=nonsense'],
        ['GET', '/api/v1/users?cursor=nonsense'],
        ['GET', `${at}/members?cursor=nonsense`],
        ['GET', '/api/v1/conversations/public?order=random'],
        ['PATCH', at, { createdBy: ann.user.id }],
      ];
      for (const [method, path, body] of requests) {
        const { status, headers, body: problem } = await ann.fetch(method, path, body);
        expect([method, path, body, status, headers.get('content-type')?.split(';')[0], problem]).toEqual([
          method,
          path,
          body,
          400,
          'application/problem+json',
          expect.objectContaining({ status: 400, code: 'invalid', traceId: expect.any(String) }),
        ]);
      }
      expect((await ann.history(conversationId)).map(({ body }) => body)).toEqual(['', 'hello']);
    });

    it('has at most 8,192 bytes of UTF-8 in a body', async () => {
      const ann = await deployment.guest();
      const { id: conversationId } = await deployment.group([ann]);
      for (const [body, code] of [
        ['x'.repeat(8_192), 'ok'],
        ['é'.repeat(4_096), 'ok'],
        ['x'.repeat(8_193), 'too_large'],
        [`${'é'.repeat(4_096)}x`, 'too_large'],
      ] as const) {
        expect([
          await codeOf(ann.call('message.send', { conversationId, clientId: newId(), body })),
          await codeOf(ann.http('message.send', { conversationId, clientId: newId(), body })),
        ]).toEqual([code, code]);
      }
      const { message } = await ann.send(conversationId, 'short');
      expect(await codesOf(ann, 'message.edit', { messageId: message.id, body: 'x'.repeat(8_193) })).toEqual([
        'too_large',
        'too_large',
      ]);
    });

    it('over the packet limit ends the connection', async () => {
      const ann = await deployment.guest();
      const { id: conversationId } = await deployment.group([ann]);
      const lost = ann.emit('message:send', { conversationId, clientId: 'large', body: 'x'.repeat(70_000) }).then(
        () => 'answered',
        () => 'not answered',
      );
      await eventually(() => ann.readyCount === 2);
      expect(await lost).toBe('not answered');
      expect(await codeOf(ann.send(conversationId, 'here again'))).toBe('ok');
    });

    it('that names a missing or an invisible thing is `not_found` in both cases', async () => {
      const [ann, ben] = await deployment.guests(2);
      const { id: conversationId } = await deployment.group([ann]);
      const { message } = await ann.send(conversationId, 'secret');
      for (const [where, messageId] of [
        [conversationId, message.id],
        [newId(), newId()],
      ] as const) {
        expect(await codesOf(ben, 'message.send', { conversationId: where, clientId: 'c', body: 'x' })).toEqual([
          'not_found',
          'not_found',
        ]);
        expect(await codesOf(ben, 'reaction.add', { messageId, emoji: '👍' })).toEqual(['not_found', 'not_found']);
        expect(await codeOf(ben.http('conversation.get', { conversationId: where }))).toBe('not_found');
      }
    });
  });
});
