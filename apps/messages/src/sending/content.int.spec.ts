import { newId, type Attachment } from '@parley/contracts';
import { engines, running } from '@parley/store/testing';
import { codeOf, eventually, range } from '@parley/testing';
import { describe, expect, inject, it } from 'vitest';
import { Service } from '../spec/service.js';

describe.each(engines(inject('servers').databaseUrl, 'messages'))('references of messages on %s', (_, open) => {
  const on = running(open, (database) => Service.start(database));

  const upload = async (
    userId: string,
    more: { thumbnailOf?: string; dropped?: boolean } = {},
  ): Promise<Attachment> => {
    const id = newId();
    await on.engine.owner.query(
      `insert into chat.attachment (id, uploader_id, key, name, media_type, size, width, height, thumbnail_of, dropped_at, created_at)
       values ($1, $2, $3, 'a "cat".png', 'image/png', 1234, 640, 480, $4, $5, now())`,
      [id, userId, `files/${id}`, more.thumbnailOf, more.dropped ? new Date() : undefined],
    );
    return {
      id,
      name: 'a "cat".png',
      mediaType: 'image/png',
      size: 1234,
      width: 640,
      height: 480,
      url: `/api/v1/attachments/${id}`,
    };
  };
  const linksOf = async (attachment: Attachment) =>
    (
      await on.engine.owner.query<{ message_id: string }>(
        `select message_id from chat.message_attachment where attachment_id = $1 order by message_id`,
        [attachment.id],
      )
    ).map(({ message_id }) => message_id);
  const person = async (username: string): Promise<string> => {
    const userId = newId();
    on.service.usernames.set(username, userId);
    return userId;
  };

  describe('attachments', () => {
    it('are shown by the message in the requested order', async () => {
      const anna = newId();
      const conversationId = await on.service.group(anna);
      const [first, second] = [await upload(anna), await upload(anna)];
      await on.engine.owner.query(`update chat.attachment set thumbnail_id = $2, duration_ms = 7 where id = $1`, [
        second.id,
        first.id,
      ]);
      const { message } = await on.service.send(anna, {
        conversationId,
        type: 'image',
        body: '',
        attachmentIds: [second.id, first.id, second.id],
      });
      expect(message).toMatchObject({ type: 'image', body: '' });
      expect(message.attachments).toEqual([{ ...second, thumbnailId: first.id, durationMs: 7 }, first]);
      expect([await linksOf(first), await linksOf(second)]).toEqual([[message.id], [message.id]]);
      const attached = await on.engine.owner.query(
        `select 1 from chat.attachment where id = any($1::uuid[]) and attached_at is not null`,
        [[first.id, second.id]],
      );
      expect(attached).toHaveLength(2);
      const again = await on.service.send(anna, {
        conversationId,
        clientId: message.clientId,
        attachmentIds: [second.id],
      });
      expect(again).toEqual({ message, duplicate: true });
    });

    it('must be uploaded by the sender and still exist', async () => {
      const [anna, ben] = [newId(), newId()];
      const conversationId = await on.service.group(anna, ben);
      const [mine, others, dropped] = [await upload(anna), await upload(ben), await upload(anna, { dropped: true })];
      const thumbnail = await upload(anna, { thumbnailOf: mine.id });
      const wrong = [[others.id], [dropped.id], [thumbnail.id], [newId()], [mine.id, others.id]];
      const codes = await Promise.all(
        [...wrong, [mine.id]].map((attachmentIds) => codeOf(on.service.send(anna, { conversationId, attachmentIds }))),
      );
      expect(codes).toEqual([...wrong.map(() => 'not_found'), 'answered']);
      expect(await linksOf(mine)).toHaveLength(1);
    });

    it('may be sent again until all their messages are deleted', async () => {
      const anna = newId();
      const conversationId = await on.service.group(anna);
      const attachment = await upload(anna);
      const sent = [
        await on.service.send(anna, { conversationId, attachmentIds: [attachment.id] }),
        await on.service.send(anna, { conversationId, attachmentIds: [attachment.id] }),
      ];
      await on.service.call('message.delete.v1', anna, { messageId: sent[0]!.message.id });
      expect(await linksOf(attachment)).toEqual([sent[1]!.message.id]);
      expect(await codeOf(on.service.send(anna, { conversationId, attachmentIds: [attachment.id] }))).toBe('answered');
      const links = await linksOf(attachment);
      for (const messageId of links) await on.service.call('message.delete.v1', anna, { messageId });
      expect(await codeOf(on.service.send(anna, { conversationId, attachmentIds: [attachment.id] }))).toBe('not_found');
    });
  });

  describe('forwards', () => {
    it('copy the content and name the original after any number of forwards', async () => {
      const [anna, ben, cara] = [await person('anna.f'), newId(), newId()];
      const [here, there, beyond] = [
        await on.service.group(anna, ben),
        await on.service.group(anna, ben),
        await on.service.group(ben, cara),
      ];
      const attachment = await upload(anna);
      const { message } = await on.service.send(anna, {
        conversationId: here,
        type: 'image',
        body: 'for @anna.f',
        attachmentIds: [attachment.id],
      });
      const once = (await on.service.send(ben, { conversationId: there, body: '', forwardOf: message.id })).message;
      expect(once).toMatchObject({
        conversationId: there,
        senderId: ben,
        type: 'image',
        body: 'for @anna.f',
        attachments: [attachment],
        mentions: [],
        forwardedFrom: { messageId: message.id, senderId: anna },
      });
      const twice = (await on.service.send(ben, { conversationId: beyond, body: '', forwardOf: once.id })).message;
      expect(twice.forwardedFrom).toEqual({ messageId: message.id, senderId: anna });
      expect(new Set(await linksOf(attachment))).toEqual(new Set([message.id, once.id, twice.id]));
      const again = await on.service.send(ben, {
        conversationId: there,
        body: '',
        clientId: once.clientId,
        forwardOf: once.id,
      });
      expect(again).toEqual({ message: once, duplicate: true });
    });

    it('are refused for system messages and messages that the sender cannot see now', async () => {
      const [anna, ben, stranger] = [newId(), newId(), newId()];
      const [here, there] = [await on.service.group(anna, ben), await on.service.group(anna, ben, stranger)];
      const { message } = await on.service.send(anna, { conversationId: here });
      const forward = (userId: string, forwardOf = message.id) =>
        codeOf(on.service.send(userId, { conversationId: there, body: '', forwardOf }));
      expect([await forward(stranger), await forward(ben), await forward(ben, newId())]).toEqual([
        'not_found',
        'answered',
        'not_found',
      ]);
      const [system] = await on.engine.owner.query<{ id: string }>(
        `select id from chat.message where conversation_id = $1 and type = 'system'`,
        [here],
      );
      expect(await forward(ben, system!.id)).toBe('conflict');
      await on.engine.owner.query(
        `update chat.member set status = 'banned', rev = rev + 1 where conversation_id = $1 and user_id = $2`,
        [here, ben],
      );
      expect(await forward(ben)).toBe('not_found');
      await on.service.call('message.delete.v1', anna, { messageId: message.id });
      expect(await forward(anna)).toBe('conflict');
      await on.engine.owner.query(`update chat.conversation set deleted_at = now() where id = $1`, [here]);
      expect(await forward(anna)).toBe('not_found');
    });

    it('keep their body and attachments when the original is deleted', async () => {
      const anna = newId();
      const conversationId = await on.service.group(anna);
      const attachment = await upload(anna);
      const { message } = await on.service.send(anna, { conversationId, attachmentIds: [attachment.id] });
      const forward = (await on.service.send(anna, { conversationId, body: '', forwardOf: message.id })).message;
      await on.service.call('message.delete.v1', anna, { messageId: message.id });
      expect(await linksOf(attachment)).toEqual([forward.id]);
      expect(
        (await on.service.send(anna, { conversationId, body: '', forwardOf: forward.id })).message.attachments,
      ).toEqual([attachment]);
    });
  });

  describe('mentions', () => {
    it('are the members whose usernames the body contains', async () => {
      const [anna, ben, cara, away, banned] = [
        await person('anna'),
        await person('ben.b'),
        await person('cara-'),
        await person('away'),
        await person('banned'),
      ];
      await person('stranger');
      const conversationId = await on.service.group(anna, ben, cara, away, banned);
      await on.engine.owner.query(
        `update chat.member set left_at = now() where conversation_id = $1 and user_id = $2`,
        [conversationId, away],
      );
      await on.engine.owner.query(
        `update chat.member set status = 'banned' where conversation_id = $1 and user_id = $2`,
        [conversationId, banned],
      );
      const said = async (body: string) => (await on.service.send(anna, { conversationId, body })).message.mentions;
      expect(await said('@Cara-. @BEN.B, @ben.b! @anna @stranger @nobody @away @banned mail@anna')).toEqual([
        cara,
        ben,
        anna,
      ]);
      expect(await said('nobody')).toEqual([]);
      const { message } = await on.service.send(ben, { conversationId, body: 'and @anna' });
      const [row] = await on.engine.owner.query(`select mentions from chat.message where id = $1`, [message.id]);
      expect(row).toEqual({ mentions: [anna] });
      await eventually(() =>
        on.service.created().some(({ id, mentions }) => id === message.id && mentions.includes(anna)),
      );
    });

    it('are limited to 50 in a message', async () => {
      const anna = newId();
      const people = await Promise.all(range(52).map((n) => person(`crowd${n}`)));
      const conversationId = await on.service.group(anna, ...people);
      const { message } = await on.service.send(anna, {
        conversationId,
        body: range(52)
          .map((n) => `@crowd${n}`)
          .join(' '),
      });
      expect(message.mentions).toEqual(people.slice(0, 50));
    });

    it('refuse only new messages with usernames while auth is unavailable', async () => {
      const anna = newId();
      const conversationId = await on.service.group(anna);
      await on.service.send(anna, { conversationId, clientId: 'known', body: '@anna' });
      const alone = await Service.start(on.engine.database, { auth: false });
      const codes = await Promise.all([
        codeOf(alone.send(anna, { conversationId, body: 'hi @anna' })),
        codeOf(alone.send(anna, { conversationId, body: 'hi' })),
        codeOf(alone.send(anna, { conversationId, body: 'a@b.example' })),
        alone.send(anna, { conversationId, clientId: 'known', body: '@anna' }).then(({ duplicate }) => duplicate),
      ]);
      expect(codes).toEqual(['unavailable', 'answered', 'answered', true]);
      await alone.stop();
    });
  });
});
