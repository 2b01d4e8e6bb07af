import { Injectable } from '@nestjs/common';
import { attachmentColumns, toAttachment, type AttachmentRow } from '@parley/chat';
import {
  ChatError,
  type Attachment,
  type RequestAnswer,
  type RequestPayload,
  type StoredAttachment,
} from '@parley/contracts';
import { Database, type Sql } from '@parley/store';
import { Settings } from '../config.js';

/** Sent attachments that one sweep looks at: a round over all of them takes as many sweeps as it needs. */
const LOOKED_AT = 5000;
const START = '00000000-0000-0000-0000-000000000000';
/** Leaves time for what began while the message was there, like forwarding it. */
const DELETED_FOR = `interval '1 hour'`;

// As with sending: what all messages lost is on its way to be dropped, and a message that was deleted shows it to nobody.
const PUBLISHABLE = `
  select a.media_type from chat.attachment a
   where a.id = $1 and a.uploader_id = $2 and a.thumbnail_of is null and a.dropped_at is null
     and (a.public or a.attached_at is null or exists (
       select 1 from chat.message_attachment l
         join chat.conversation c on c.id = l.conversation_id and c.deleted_at is null
         join chat.message m on m.conversation_id = l.conversation_id and m.id = l.message_id and m.deleted_at is null
        where l.attachment_id = a.id))
     for no key update of a`;

/** The rows of attachments; their bytes are the gateway's. */
@Injectable()
export class Attachments {
  private lookedAt = START;

  constructor(
    private readonly database: Database,
    private readonly settings: Settings,
  ) {}

  /** Refuses with `too_large` what is over the user's quota. Previews don't count. */
  admit({ userId, bytes }: RequestPayload<'attachment.admit.v1'>): Promise<void> {
    return this.demandRoom(this.database, userId, bytes);
  }

  /** Of one user one at a time, so that many at once don't pass the quota together. */
  record({ userId, stored, thumbnail }: RequestPayload<'attachment.record.v1'>): Promise<Attachment> {
    return this.database.transaction(async (sql) => {
      await lockUser(sql, userId);
      const known = await rowOf(sql, userId, stored.id);
      if (known) return toAttachment(known);
      await this.demandRoom(sql, userId, stored.size);
      await insert(sql, userId, stored, { preview: thumbnail?.id });
      if (thumbnail) await insert(sql, userId, thumbnail, { of: stored.id });
      const row = await rowOf(sql, userId, stored.id);
      if (!row) throw new ChatError('conflict', 'the id is taken');
      return toAttachment(row);
    });
  }

  /** Refuses with `not_found` what is not the user's to show, with `unsupported_media` what is no image. In a transaction it holds the row: it is not dropped meanwhile. */
  async demandPublishable(
    { userId, attachmentId }: RequestPayload<'attachment.publishable.v1'>,
    sql: Sql = this.database,
  ): Promise<void> {
    const [row] = await sql.query<{ media_type: string }>(PUBLISHABLE, [attachmentId, userId]);
    if (!row) throw new ChatError('not_found', 'No such attachment');
    if (!row.media_type.startsWith('image/')) throw new ChatError('unsupported_media', 'A profile picture is an image');
  }

  /** Of one user one at a time, so that only the last stays public. */
  publish({ userId, attachmentId }: RequestPayload<'attachment.publish.v1'>): Promise<void> {
    return this.database.transaction(async (sql) => {
      await lockUser(sql, userId);
      await this.demandPublishable({ userId, attachmentId }, sql);
      await sql.query(
        `update chat.attachment set public = not public
          where uploader_id = $1 and dropped_at is null and public <> (coalesce(thumbnail_of, id) = $2)`,
        [userId, attachmentId],
      );
    });
  }

  async sweep({ limit }: RequestPayload<'attachment.sweep.v1'>): Promise<RequestAnswer<'attachment.sweep.v1'>> {
    await this.dropUnsent(limit);
    await this.dropUnshown();
    // Previews first: the row of what they show takes theirs with it.
    const dropped = await this.database.query<{ id: string; key: string }>(
      `select id, key from chat.attachment where dropped_at is not null order by dropped_at, thumbnail_of is null limit $1`,
      [limit],
    );
    return { dropped };
  }

  async forget({ ids }: RequestPayload<'attachment.forget.v1'>): Promise<void> {
    await this.database.query(
      `delete from chat.attachment a where a.id = any($1::uuid[]) and a.dropped_at is not null
         and not exists (select 1 from chat.attachment t where t.thumbnail_of = a.id and t.id <> all($1::uuid[]))`,
      [ids],
    );
  }

  private async demandRoom(sql: Sql, userId: string, bytes: number): Promise<void> {
    const [row] = await sql.query<{ used: number }>(
      `select coalesce(sum(size), 0)::bigint as used from chat.attachment where uploader_id = $1 and dropped_at is null and thumbnail_of is null`,
      [userId],
    );
    if (row!.used + bytes > this.settings.quotaBytes)
      throw new ChatError('too_large', 'All your attachments together would be over the quota');
  }

  private async dropUnsent(limit: number): Promise<void> {
    await this.database.query(
      `with taken as (
         select id from chat.attachment where attached_at is null and not public and thumbnail_of is null and dropped_at is null and created_at < now() - interval '24 hours'
          order by created_at limit $1 for update skip locked)
       update chat.attachment a set dropped_at = now() from taken where (a.id = taken.id or a.thumbnail_of = taken.id) and a.dropped_at is null`,
      [limit],
    );
  }

  /** Looks at the next ones of all that were sent, by id, and begins again after the last. */
  private async dropUnshown(): Promise<void> {
    const looked = await this.database.query<{ id: string }>(
      `select id from chat.attachment where id > $1 and attached_at is not null and not public and thumbnail_of is null and dropped_at is null order by id limit ${LOOKED_AT}`,
      [this.lookedAt],
    );
    this.lookedAt = looked.length < LOOKED_AT ? START : looked.at(-1)!.id;
    if (looked.length === 0) return;
    await this.database.query(
      `with taken as (
         select a.id from chat.attachment a where a.id = any($1::uuid[]) and a.dropped_at is null and not a.public and not exists (
           select 1 from chat.message_attachment ma
             join chat.message m on m.conversation_id = ma.conversation_id and m.id = ma.message_id join chat.conversation c on c.id = ma.conversation_id
            where ma.attachment_id = a.id and coalesce(m.deleted_at, 'infinity') > now() - ${DELETED_FOR} and coalesce(c.deleted_at, 'infinity') > now() - ${DELETED_FOR})
         for update skip locked)
       update chat.attachment a set dropped_at = now() from taken where (a.id = taken.id or a.thumbnail_of = taken.id) and a.dropped_at is null`,
      [looked.map(({ id }) => id)],
    );
  }
}

/** Until the transaction ends, other changes of this user's attachments wait. */
async function lockUser(sql: Sql, userId: string): Promise<void> {
  await sql.query(`select pg_advisory_xact_lock(hashtextextended($1, 0))`, [userId]);
}

async function rowOf(sql: Sql, userId: string, id: string): Promise<AttachmentRow | undefined> {
  const [row] = await sql.query<AttachmentRow>(
    `select ${attachmentColumns('a')} from chat.attachment a where a.id = $1 and a.uploader_id = $2 and a.thumbnail_of is null and a.dropped_at is null`,
    [id, userId],
  );
  return row;
}

async function insert(
  sql: Sql,
  userId: string,
  { id, key, name, mediaType, size, width, height, durationMs }: StoredAttachment,
  { preview, of }: { preview?: string | undefined; of?: string },
): Promise<void> {
  await sql.query(
    `insert into chat.attachment (id, uploader_id, key, name, media_type, size, width, height, duration_ms, thumbnail_id, thumbnail_of, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now()) on conflict do nothing`,
    [id, userId, key, name, mediaType, size, width, height, durationMs, preview, of],
  );
}
