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
import { accountsOf, BotOwners, personBehind } from '../people/bot-owners.js';

/** The sent attachments that one sweep examines. A round over all of them takes several sweeps. */
const MAX_EXAMINED = 5000;
const SMALLEST_ID = '00000000-0000-0000-0000-000000000000';
/** Uploads that a user may have begun and not ended, at all gateways together. */
const MAX_OPEN_UPLOADS = 50;
/** Bytes that the open uploads of a guest reserve together, within the quota. */
const MAX_GUEST_BYTES = 256 * 1024 * 1024;
const OPEN_UPLOADS_RETRY_MS = 5_000;
/** Longer than gateways keep unfinished uploads and what a crash left behind. */
const RESERVED_FOR = `interval '25 hours'`;
/** Time that an attachment outlives its last message, because a forward may be under way. */
const KEPT_AFTER_DELETION = `interval '1 hour'`;

/** The accounts of the person behind `$1`. */
const ACCOUNTS = accountsOf(personBehind('$1::uuid'));

// As in sending, an attachment whose messages are all deleted is excluded, because the sweep will drop it.
const PUBLISHABLE = `
  select a.media_type from chat.attachment a
   where a.id = $1 and a.uploader_id = $2 and a.thumbnail_of is null and a.dropped_at is null
     and (a.public or a.attached_at is null or exists (
       select 1 from chat.message_attachment l
         join chat.conversation c on c.id = l.conversation_id and c.deleted_at is null
         join chat.message m on m.conversation_id = l.conversation_id and m.id = l.message_id and m.deleted_at is null
        where l.attachment_id = a.id))
     for no key update of a`;

/** The rows of attachments. The gateway stores their bytes. */
@Injectable()
export class Attachments {
  /** The last id that a sweep examined. */
  private examined = SMALLEST_ID;

  constructor(
    private readonly database: Database,
    private readonly settings: Settings,
    private readonly owners: BotOwners,
  ) {}

  /**
   * Rejects with `too_large` when the bytes would exceed the user's quota, of which open uploads and the files of their
   * bots have their part.
   * Previews do not count. With `id`, reserves bytes for an upload: as many as remain, from `bytes` up to `upTo`. The
   * open uploads of a guest reserve at most 256 MiB together: `rate_limited` while others have them, `too_large` beyond.
   */
  async admit({
    userId,
    ownerId,
    bytes,
    id,
    upTo = bytes,
    isGuest = false,
  }: RequestPayload<'attachment.admit.v1'>): Promise<RequestAnswer<'attachment.admit.v1'>> {
    await this.owners.learn([{ userId, ownerId }]);
    if (id === undefined) {
      await this.requireQuota(this.database, userId, bytes);
      return {};
    }
    return this.database.transaction(async (sql) => {
      await lockUser(sql, userId);
      const [open] = await sql.query<{ count: number; bytes: number; own: number | null }>(
        `select count(*)::int as count, coalesce(sum(bytes), 0)::bigint as bytes, max(bytes) filter (where id = $2) as own from chat.upload where user_id in ${ACCOUNTS} and expires_at > now()`,
        [userId, id],
      );
      if (open!.own !== null) return { reserved: Number(open!.own) };
      if (isGuest && bytes > MAX_GUEST_BYTES)
        throw new ChatError('too_large', `A guest’s upload has at most ${MAX_GUEST_BYTES} bytes`);
      const guestBytes = isGuest ? MAX_GUEST_BYTES - Number(open!.bytes) : Infinity;
      if (open!.count >= MAX_OPEN_UPLOADS || bytes > guestBytes)
        throw new ChatError('rate_limited', 'Too many of your uploads are open', {
          retryAfterMs: OPEN_UPLOADS_RETRY_MS,
        });
      const reserved = Math.min(upTo, guestBytes, await this.requireQuota(sql, userId, bytes));
      await sql.query(
        `insert into chat.upload (id, user_id, bytes, expires_at) values ($1, $2, $3, now() + ${RESERVED_FOR}) on conflict do nothing`,
        [id, userId, reserved],
      );
      return { reserved };
    });
  }

  /** Ends a reservation. */
  async release({ userId, id }: RequestPayload<'attachment.release.v1'>): Promise<void> {
    await this.database.query(`delete from chat.upload where id = $1 and user_id = $2`, [id, userId]);
  }

  /**
   * Records an attachment, and its preview if it has one. Calls for one person and their bots run one after another, so that concurrent
   * uploads do not exceed the quota together.
   */
  record({ userId, stored, thumbnail }: RequestPayload<'attachment.record.v1'>): Promise<Attachment> {
    return this.database.transaction(async (sql) => {
      await lockUser(sql, userId);
      const existing = await findRow(sql, userId, stored.id);
      if (existing) return toAttachment(existing);
      await sql.query(`delete from chat.upload where id = $1 and user_id = $2`, [stored.id, userId]);
      await this.requireQuota(sql, userId, stored.size);
      await insert(sql, userId, stored, { thumbnailId: thumbnail?.id });
      if (thumbnail) await insert(sql, userId, thumbnail, { thumbnailOf: stored.id });
      const row = await findRow(sql, userId, stored.id);
      if (!row) throw new ChatError('conflict', 'The id is taken');
      return toAttachment(row);
    });
  }

  /**
   * Refuses an attachment that cannot become the user's profile picture: `not_found` when it is not theirs or no longer
   * visible, `unsupported_media` when it is not an image. In a transaction the row is locked, so that a sweep does not
   * drop it.
   */
  async requirePublishable(
    { userId, attachmentId }: RequestPayload<'attachment.publishable.v1'>,
    sql: Sql = this.database,
  ): Promise<void> {
    const [row] = await sql.query<{ media_type: string }>(PUBLISHABLE, [attachmentId, userId]);
    if (!row) throw new ChatError('not_found', 'No such attachment');
    if (!row.media_type.startsWith('image/')) throw new ChatError('unsupported_media', 'A profile picture is an image');
  }

  /**
   * Makes an attachment the user's only public one, or takes the public one away. Calls for one user run one after another.
   */
  publish({ userId, attachmentId }: RequestPayload<'attachment.publish.v1'>): Promise<void> {
    return this.database.transaction(async (sql) => {
      await lockUser(sql, userId);
      if (attachmentId !== undefined) await this.requirePublishable({ userId, attachmentId }, sql);
      await sql.query(
        `update chat.attachment set public = not public
          where uploader_id = $1 and dropped_at is null and public <> coalesce(coalesce(thumbnail_of, id) = $2::uuid, false)`,
        [userId, attachmentId],
      );
    });
  }

  /**
   * Drops attachments that were never sent within a day, and those that no message carries any more. Returns the
   * dropped attachments whose bytes must be removed, also those of earlier sweeps. Previews come before their
   * attachments, whose deletion removes the previews' rows.
   */
  async sweep({ limit }: RequestPayload<'attachment.sweep.v1'>): Promise<RequestAnswer<'attachment.sweep.v1'>> {
    await this.dropUnsent(limit);
    await this.dropDetached();
    await this.database.query(`delete from chat.upload where expires_at < now()`);
    const dropped = await this.database.query<{ id: string; key: string }>(
      `select id, key from chat.attachment where dropped_at is not null order by dropped_at, thumbnail_of is null limit $1`,
      [limit],
    );
    return { dropped };
  }

  /** Deletes rows of dropped attachments whose bytes are removed. */
  async forget({ ids }: RequestPayload<'attachment.forget.v1'>): Promise<void> {
    await this.database.query(
      `delete from chat.attachment a where a.id = any($1::uuid[]) and a.dropped_at is not null
         and not exists (select 1 from chat.attachment t where t.thumbnail_of = a.id and t.id <> all($1::uuid[]))`,
      [ids],
    );
  }

  /** Returns how many more bytes the user may store, if these are as many at least. */
  private async requireQuota(sql: Sql, userId: string, bytes: number): Promise<number> {
    const [row] = await sql.query<{ used: number }>(
      `select (select coalesce(sum(size), 0) from chat.attachment where uploader_id in ${ACCOUNTS} and dropped_at is null and thumbnail_of is null)::bigint
            + (select coalesce(sum(bytes), 0) from chat.upload where user_id in ${ACCOUNTS} and expires_at > now())::bigint as used`,
      [userId],
    );
    const left = this.settings.quotaBytes - row!.used;
    if (bytes > left) throw new ChatError('too_large', 'Your attachments would exceed the quota');
    return left;
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

  /** Examines the next sent attachments in the order of ids, and begins again after the last. */
  private async dropDetached(): Promise<void> {
    const candidates = await this.database.query<{ id: string }>(
      `select id from chat.attachment where id > $1 and attached_at is not null and not public and thumbnail_of is null and dropped_at is null order by id limit ${MAX_EXAMINED}`,
      [this.examined],
    );
    this.examined = candidates.length < MAX_EXAMINED ? SMALLEST_ID : candidates.at(-1)!.id;
    if (candidates.length === 0) return;
    await this.database.query(
      `with taken as (
         select a.id from chat.attachment a where a.id = any($1::uuid[]) and a.dropped_at is null and not a.public and not exists (
           select 1 from chat.message_attachment ma
             join chat.message m on m.conversation_id = ma.conversation_id and m.id = ma.message_id join chat.conversation c on c.id = ma.conversation_id
            where ma.attachment_id = a.id and coalesce(m.deleted_at, 'infinity') > now() - ${KEPT_AFTER_DELETION} and coalesce(c.deleted_at, 'infinity') > now() - ${KEPT_AFTER_DELETION})
         for update skip locked)
       update chat.attachment a set dropped_at = now() from taken where (a.id = taken.id or a.thumbnail_of = taken.id) and a.dropped_at is null`,
      [candidates.map(({ id }) => id)],
    );
  }
}

/** Makes other changes of the attachments of this user, their owner and the owner's bots wait until the transaction ends. */
async function lockUser(sql: Sql, userId: string): Promise<void> {
  await sql.query(`select pg_advisory_xact_lock(hashtextextended((${personBehind('$1::uuid')})::text, 0))`, [userId]);
}

async function findRow(sql: Sql, userId: string, id: string): Promise<AttachmentRow | undefined> {
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
  { thumbnailId, thumbnailOf }: { thumbnailId?: string | undefined; thumbnailOf?: string },
): Promise<void> {
  await sql.query(
    `insert into chat.attachment (id, uploader_id, key, name, media_type, size, width, height, duration_ms, thumbnail_id, thumbnail_of, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now()) on conflict do nothing`,
    [id, userId, key, name, mediaType, size, width, height, durationMs, thumbnailId, thumbnailOf],
  );
}
