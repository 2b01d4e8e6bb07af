import { newId, type Attachment, type StoredAttachment } from '@parley/contracts';
import { engines, running } from '@parley/store/testing';
import { codeOf } from '@parley/testing';
import { describe, expect, inject, it } from 'vitest';
import { Service } from '../spec/service.js';

const stored = (more: Partial<StoredAttachment> = {}): StoredAttachment => {
  const id = newId();
  return { id, key: id, name: 'cat.png', mediaType: 'image/png', size: 100, width: 4, height: 3, ...more };
};

describe.each(engines(inject('servers').databaseUrl, 'messages'))('attachments on %s', (_, open) => {
  const on = running(open, (database) => Service.start(database, { settings: { quotaBytes: 1000 } }));

  const record = async (userId: string, file = stored(), thumbnail?: StoredAttachment): Promise<Attachment> =>
    (await on.service.broker.request('attachment.record.v1', { userId, stored: file, ...(thumbnail && { thumbnail }) }))
      .attachment;
  const publish = (userId: string, attachmentId?: string) =>
    codeOf(on.service.broker.request('attachment.publish.v1', { userId, ...(attachmentId && { attachmentId }) }));
  const publishable = (userId: string, attachmentId: string) =>
    codeOf(on.service.broker.request('attachment.publishable.v1', { userId, attachmentId }));
  const publicOf = async (userId: string) =>
    (
      await on.engine.owner.query<{ id: string }>(
        `select id from chat.attachment where uploader_id = $1 and public order by id`,
        [userId],
      )
    ).map(({ id }) => id);
  const sweep = async () =>
    (await on.service.broker.request('attachment.sweep.v1', { limit: 1000 })).dropped.map(({ id }) => id);
  const age = (id: string, hours: number) =>
    on.engine.owner.query(`update chat.attachment set created_at = now() - $2 * interval '1 hour' where id = $1`, [
      id,
      hours,
    ]);
  /** Links an attachment to a message, as sending does. */
  const attach = async (userId: string, attachmentId: string) => {
    const conversationId = await on.service.group(userId);
    const { message } = await on.service.send(userId, { conversationId });
    await on.engine.owner.query(
      `insert into chat.message_attachment (attachment_id, conversation_id, message_id) values ($1, $2, $3)`,
      [attachmentId, conversationId, message.id],
    );
    await on.engine.owner.query(`update chat.attachment set attached_at = now() where id = $1`, [attachmentId]);
    return { conversationId, messageId: message.id };
  };

  it('are answered as clients see them, for any number of repeated records', async () => {
    const userId = newId();
    const [file, thumbnail] = [stored({ durationMs: 5 }), stored({ mediaType: 'image/webp', size: 10 })];
    const attachment = await record(userId, file, thumbnail);
    expect(attachment).toEqual({
      id: file.id,
      name: 'cat.png',
      mediaType: 'image/png',
      size: 100,
      width: 4,
      height: 3,
      durationMs: 5,
      thumbnailId: thumbnail.id,
      url: `/api/v1/attachments/${file.id}`,
    });
    expect(await record(userId, file, stored())).toEqual(attachment);
    expect(await on.engine.owner.query(`select id from chat.attachment where uploader_id = $1`, [userId])).toHaveLength(
      2,
    );
    expect(await codeOf(record(newId(), file))).toBe('conflict');
  });

  it('stay within the quota of their uploader, also under concurrent uploads', async () => {
    const userId = newId();
    const outcomes = await Promise.all(
      Array.from({ length: 6 }, () => codeOf(record(userId, stored({ size: 300 }), stored({ size: 50 })))),
    );
    expect(outcomes.toSorted()).toEqual(['answered', 'answered', 'answered', 'too_large', 'too_large', 'too_large']);
    const admit = (bytes: number) => codeOf(on.service.broker.request('attachment.admit.v1', { userId, bytes }));
    expect([await admit(100), await admit(101)]).toEqual(['answered', 'too_large']);
  });

  it('of a person and their bots have one quota', async () => {
    const [owner, bot, other, stranger] = [newId(), newId(), newId(), newId()];
    const admit = (userId: string, bytes: number, ownerId?: string, id?: string) =>
      codeOf(
        on.service.broker.request('attachment.admit.v1', {
          userId,
          bytes,
          ...(ownerId && { ownerId }),
          ...(id && { id }),
        }),
      );
    await record(owner, stored({ size: 300 }));
    expect(await admit(bot, 701, owner)).toBe('too_large');
    expect(await admit(bot, 200, owner, newId())).toBe('answered');
    expect(await codeOf(record(other, stored({ size: 501 })))).toBe('answered');
    expect(await admit(other, 1, owner)).toBe('too_large');
    expect(await admit(owner, 1)).toBe('too_large');
    expect(await codeOf(record(bot, stored({ size: 1 })))).toBe('too_large');
    expect(await admit(stranger, 1000)).toBe('answered');
  });

  it('of a person and their bots stay within the quota under concurrent uploads', async () => {
    const owner = newId();
    const bots = Array.from({ length: 6 }, () => newId());
    const outcomes = await Promise.all(
      bots.map((userId) =>
        codeOf(on.service.broker.request('attachment.admit.v1', { userId, ownerId: owner, id: newId(), bytes: 300 })),
      ),
    );
    expect(outcomes.toSorted()).toEqual(['answered', 'answered', 'answered', 'too_large', 'too_large', 'too_large']);
  });

  describe('the quota of uploads that have begun', () => {
    const admit = async (userId: string, bytes: number, upTo?: number, id = newId()) =>
      (await on.service.broker.request('attachment.admit.v1', { userId, id, bytes, ...(upTo && { upTo }) })).reserved;

    it('is reserved, whoever asks, until the upload is recorded or released', async () => {
      const [userId, id, other] = [newId(), newId(), newId()];
      const outcomes = await Promise.all(Array.from({ length: 6 }, () => codeOf(admit(userId, 300))));
      expect(outcomes.toSorted()).toEqual(['answered', 'answered', 'answered', 'too_large', 'too_large', 'too_large']);
      expect(await codeOf(record(userId, stored({ size: 101 })))).toBe('too_large');
      expect(await admit(userId, 60, 60, id)).toBe(60);
      expect(await admit(userId, 60, 60, id)).toBe(60);
      expect(await codeOf(admit(userId, 41))).toBe('too_large');
      await record(userId, stored({ id, key: id, size: 50 }));
      expect(await codeOf(admit(userId, 51))).toBe('too_large');
      expect(await admit(userId, 50, 50, other)).toBe(50);
      await on.service.broker.request('attachment.release.v1', { userId: newId(), id: other });
      expect(await codeOf(admit(userId, 1))).toBe('too_large');
      await on.service.broker.request('attachment.release.v1', { userId, id: other });
      expect(await admit(userId, 1, 5000)).toBe(50);
    });

    it('reserves at most 256 MiB for a guest at a time', async () => {
      const large = await Service.start(on.engine.database, { settings: { quotaBytes: 5 * 1024 ** 3 } });
      const reserve = (userId: string, bytes: number, more: object = { isGuest: true }, id = newId()) =>
        large.broker.request('attachment.admit.v1', { userId, id, bytes, ...more });
      try {
        const [guest, id, MiB] = [newId(), newId(), 1024 ** 2];
        expect(await codeOf(reserve(guest, 256 * MiB + 1))).toBe('too_large');
        expect(await reserve(guest, 200 * MiB, { isGuest: true }, id)).toEqual({ reserved: 200 * MiB });
        expect(await codeOf(reserve(guest, 57 * MiB))).toBe('rate_limited');
        expect(await reserve(guest, 1, { isGuest: true, upTo: 1024 * MiB })).toEqual({ reserved: 56 * MiB });
        expect(await codeOf(reserve(guest, 1))).toBe('rate_limited');
        await large.broker.request('attachment.release.v1', { userId: guest, id });
        expect(await reserve(guest, 200 * MiB)).toEqual({ reserved: 200 * MiB });
        expect(await reserve(newId(), 1024 * MiB, {})).toEqual({ reserved: 1024 * MiB });
      } finally {
        await large.stop();
      }
    });

    it('is free again when a crashed gateway’s upload has expired', async () => {
      const userId = newId();
      await admit(userId, 1000);
      expect(await codeOf(admit(userId, 1))).toBe('too_large');
      await on.engine.owner.query(
        `update chat.upload set expires_at = now() - interval '1 second' where user_id = $1`,
        [userId],
      );
      expect(await admit(userId, 1000)).toBe(1000);
      await sweep();
      expect(await on.engine.owner.query(`select bytes from chat.upload where user_id = $1`, [userId])).toHaveLength(1);
    });

    it('is not all that limits how many there are', async () => {
      const userId = newId();
      for (let open = 0; open < 50; open++) await admit(userId, 1);
      expect(await codeOf(admit(userId, 1))).toBe('rate_limited');
      expect(await codeOf(admit(newId(), 1))).toBe('answered');
    });
  });

  it('become public as profile pictures if they are the user’s own images', async () => {
    const userId = newId();
    const thumbnail = stored({ mediaType: 'image/webp' });
    const [image, text] = [
      await record(userId, stored(), thumbnail),
      await record(userId, stored({ mediaType: 'text/plain' })),
    ];
    for (const attempt of [publishable, publish]) {
      expect(await attempt(newId(), image.id)).toBe('not_found');
      expect(await attempt(userId, thumbnail.id)).toBe('not_found');
      expect(await attempt(userId, newId())).toBe('not_found');
      expect(await attempt(userId, text.id)).toBe('unsupported_media');
    }
    expect(await publishable(userId, image.id)).toBe('answered');
    expect(await publicOf(userId)).toEqual([]);
    expect(await publish(userId, image.id)).toBe('answered');
    expect(await publicOf(userId)).toEqual([image.id, thumbnail.id].toSorted());
  });

  it('cannot become profile pictures once all their messages are deleted', async () => {
    const userId = newId();
    const [kept, wiped, dissolved] = [await record(userId), await record(userId), await record(userId)];
    await attach(userId, kept.id);
    const [first, last] = [await attach(userId, wiped.id), await attach(userId, dissolved.id)];
    await on.engine.owner.query(`delete from chat.message_attachment where message_id = $1`, [first.messageId]);
    await on.engine.owner.query(`update chat.conversation set deleted_at = now() where id = $1`, [last.conversationId]);
    for (const attempt of [publishable, publish]) {
      expect(await attempt(userId, wiped.id)).toBe('not_found');
      expect(await attempt(userId, dissolved.id)).toBe('not_found');
    }
    expect(await publicOf(userId)).toEqual([]);
    expect(await publish(userId, kept.id)).toBe('answered');
  });

  it('are not public after another picture replaces them', async () => {
    const userId = newId();
    const thumbnail = stored({ mediaType: 'image/webp' });
    const [first, sent, next] = [await record(userId, stored(), thumbnail), await record(userId), await record(userId)];
    await attach(userId, sent.id);
    for (const { id } of [first, sent, next]) expect(await publish(userId, id)).toBe('answered');
    expect(await publicOf(userId)).toEqual([next.id]);
    expect(await publish(userId)).toBe('answered');
    expect(await publicOf(userId)).toEqual([]);
    expect(await publish(userId, next.id)).toBe('answered');
    await Promise.all([first.id, sent.id, next.id].map((id) => age(id, 25)));
    expect((await sweep()).filter((id) => [first.id, thumbnail.id, sent.id, next.id].includes(id)).toSorted()).toEqual(
      [first.id, thumbnail.id].toSorted(),
    );
    await Promise.all([first, sent, next].map(({ id }) => publish(userId, id)));
    expect(await publicOf(userId)).toHaveLength(1);
  });

  it('are dropped with their previews when not sent within a day', async () => {
    const userId = newId();
    const thumbnail = stored({ mediaType: 'image/webp' });
    const [old, fresh, picture] = [
      await record(userId, stored(), thumbnail),
      await record(userId),
      await record(userId),
    ];
    await publish(userId, picture.id);
    await Promise.all([age(old.id, 25), age(fresh.id, 23), age(picture.id, 25)]);
    expect((await sweep()).filter((id) => [old.id, thumbnail.id, fresh.id, picture.id].includes(id))).toEqual([
      thumbnail.id,
      old.id,
    ]);
    expect(await sweep()).toEqual(expect.arrayContaining([thumbnail.id, old.id]));
    expect(await publish(userId, old.id)).toBe('not_found');
    await on.service.broker.request('attachment.forget.v1', { ids: [old.id, fresh.id] });
    expect(await sweep()).toEqual(expect.arrayContaining([thumbnail.id, old.id]));
    await on.service.broker.request('attachment.forget.v1', { ids: [old.id, thumbnail.id] });
    expect((await sweep()).filter((id) => [old.id, thumbnail.id].includes(id))).toEqual([]);
    expect(
      await on.engine.owner.query(`select id from chat.attachment where uploader_id = $1 order by id`, [userId]),
    ).toEqual([fresh.id, picture.id].toSorted().map((id) => ({ id })));
  });

  it('are dropped when no message carries them any more', async () => {
    const userId = newId();
    const [gone, shown, dissolved] = [await record(userId), await record(userId), await record(userId)];
    const first = await attach(userId, gone.id);
    await attach(userId, shown.id);
    const last = await attach(userId, dissolved.id);
    await Promise.all([gone.id, shown.id, dissolved.id].map((id) => age(id, 1000)));
    expect(await sweep()).not.toEqual(expect.arrayContaining([gone.id]));
    await on.engine.owner.query(`update chat.message set deleted_at = now() - interval '2 hours' where id = $1`, [
      first.messageId,
    ]);
    await on.engine.owner.query(`update chat.conversation set deleted_at = now() - interval '2 hours' where id = $1`, [
      last.conversationId,
    ]);
    expect((await sweep()).filter((id) => [gone.id, shown.id, dissolved.id].includes(id)).toSorted()).toEqual(
      [gone.id, dissolved.id].toSorted(),
    );
  });
});
