import { foldName, newId, type Reaction } from '@parley/contracts';
import type { Sql } from '@parley/store';

export interface Made {
  readonly kind?: 'direct' | 'group' | 'channel';
  readonly visibility?: 'private' | 'public';
  readonly title?: string;
}

/** Writes rows as the messages service does: every change takes the next `rev`, every message the next `seq`. */
export class Chat {
  private last = 0;

  constructor(private readonly sql: Sql) {}

  /** SQL: a time later than all earlier ones, so that contacts and blocks have one order. It may be ahead of the clock. */
  private tick(): string {
    this.last = Math.max(Date.now(), this.last + 1);
    return `'${new Date(this.last).toISOString()}'::timestamptz`;
  }

  /** Creates a conversation by its first member. A group begins with a system message. */
  async conversation(
    members: readonly string[],
    { kind = 'group', visibility = 'private', title }: Made = {},
  ): Promise<string> {
    const id = newId();
    await this.sql.query(
      `insert into chat.conversation (id, kind, visibility, created_by, created_at, active_at, rev, conversation_rev, members_rev, member_count, title, folded_title)
       values ($1, $2, $3, $4, clock_timestamp(), clock_timestamp(), 1, 1, 1, $5, $6, $7)`,
      [id, kind, visibility, members[0], members.length, title, title && foldName(title)],
    );
    await this.sql.query(
      `insert into chat.member (conversation_id, user_id, role, joined_at, rev)
       select $1, u, case when n = 1 or $3 = 'direct' then 'creator' else 'member' end, now(), 1 from unnest($2::uuid[]) with ordinality as m(u, n)`,
      [id, members, kind],
    );
    if (kind !== 'direct') await this.message(id, members[0]!, { type: 'system' });
    return id;
  }

  /** Returns the message's `seq`. */
  async message(
    conversationId: string,
    senderId: string,
    {
      type = 'text',
      body = 'hello',
      mentions = [] as readonly string[],
      replyTo = undefined as string | undefined,
    } = {},
  ): Promise<number> {
    const [row] = await this.sql.query<{ seq: number }>(
      `with c as (update chat.conversation set last_seq = last_seq + 1, rev = rev + 1, active_at = clock_timestamp() where id = $1 returning last_seq, rev, active_at)
       insert into chat.message (conversation_id, seq, rev, id, sender_id, client_id, type, body, mentions, reply_to, created_at)
       select $1, last_seq, rev, $2::uuid, $3, $2::uuid::text, $4, $5, $6::uuid[], $7, active_at from c returning seq`,
      [conversationId, newId(conversationId), senderId, type, body, mentions, replyTo],
    );
    return row!.seq;
  }

  async messages(conversationId: string, senderId: string, count: number): Promise<void> {
    for (let n = 0; n < count; n++) await this.message(conversationId, senderId, { body: `m${n}` });
  }

  idOf = async (conversationId: string, seq: number): Promise<string> =>
    (
      await this.sql.query<{ id: string }>(`select id from chat.message where conversation_id = $1 and seq = $2`, [
        conversationId,
        seq,
      ])
    )[0]!.id;

  async edit(conversationId: string, seq: number, body: string): Promise<void> {
    const before = `insert into chat.message_edit (conversation_id, message_id, rev, body, edited_at)
      select m.conversation_id, m.id, c.rev + 1, m.body, clock_timestamp() from chat.message m join chat.conversation c on c.id = m.conversation_id where m.conversation_id = $1 and m.seq = $2`;
    await this.sql.query(before, [conversationId, seq]);
    await this.change(
      conversationId,
      `update chat.message m set body = $3, edited_at = clock_timestamp(), rev = c.rev from c where m.conversation_id = $1 and m.seq = $2`,
      seq,
      body,
    );
  }
  /** Pins a message, with a later time than every earlier pin. */
  pin = (conversationId: string, seq: number, userId: string) =>
    this.change(
      conversationId,
      `update chat.message m set pinned_at = greatest(clock_timestamp(), (select max(pinned_at) + interval '1 ms' from chat.message where conversation_id = $1)), pinned_by = $3, rev = c.rev from c where m.conversation_id = $1 and m.seq = $2`,
      seq,
      userId,
    );

  /** Adds reactions of these users, in this order, with one emoji, in one change. */
  async react(conversationId: string, seq: number, emoji: string, users: readonly string[]): Promise<void> {
    await this.sql.query(
      `insert into chat.reaction (conversation_id, message_id, emoji, user_id, created_at)
       select m.conversation_id, m.id, $3, u, clock_timestamp() from chat.message m, unnest($4::uuid[]) u where m.conversation_id = $1 and m.seq = $2`,
      [conversationId, seq, emoji, users],
    );
    const summary: Reaction = { emoji, count: users.length, userIds: users.slice(0, 20) };
    await this.change(
      conversationId,
      `update chat.message m set reactions = coalesce(m.reactions, '[]') || $3::jsonb, rev = c.rev from c where m.conversation_id = $1 and m.seq = $2`,
      seq,
      JSON.stringify([summary]),
    );
  }

  async line(conversationId: string, userId: string, n: number): Promise<void> {
    await this.sql.query(
      `insert into chat.drawing_line (conversation_id, n, id, user_id, color, width, points, created_at) values ($1, $2, $3, $4, '#aabbcc', 1.5, $5::real[], clock_timestamp())`,
      [conversationId, n, `line ${n}`, userId, [0.5, -1, 2, 3.25]],
    );
  }
  async emptyBoard(conversationId: string): Promise<void> {
    await this.sql.query(`delete from chat.drawing_line where conversation_id = $1`, [conversationId]);
    await this.change(conversationId, `update chat.conversation x set drawing_rev = c.rev from c where x.id = $1`);
  }

  contact = (ownerId: string, userId: string) =>
    this.sql.query(`insert into chat.contact (owner_id, user_id, created_at) values ($1, $2, ${this.tick()})`, [
      ownerId,
      userId,
    ]);
  block = (blockerId: string, blockedId: string) =>
    this.sql.query(`insert into chat.block (blocker_id, blocked_id, created_at) values ($1, $2, ${this.tick()})`, [
      blockerId,
      blockedId,
    ]);
  unblock = (blockerId: string, blockedId: string) =>
    this.sql.query(`delete from chat.block where blocker_id = $1 and blocked_id = $2`, [blockerId, blockedId]);

  /** Returns the id. */
  async attachment(
    uploaderId: string,
    { thumbnailOf, isPublic = false }: { thumbnailOf?: string; isPublic?: boolean } = {},
  ): Promise<string> {
    const id = newId();
    await this.sql.query(
      `insert into chat.attachment (id, uploader_id, key, name, media_type, size, width, thumbnail_of, public, created_at) values ($1, $2, $3, 'a.png', 'image/png', 70, 9, $4, $5, clock_timestamp())`,
      [id, uploaderId, `k/${id}`, thumbnailOf, isPublic],
    );
    return id;
  }
  async attach(attachmentId: string, conversationId: string, seq: number): Promise<void> {
    await this.sql.query(`update chat.attachment set attached_at = clock_timestamp() where id = $1`, [attachmentId]);
    await this.sql.query(
      `insert into chat.message_attachment (attachment_id, conversation_id, message_id) select $1, conversation_id, id from chat.message where conversation_id = $2 and seq = $3`,
      [attachmentId, conversationId, seq],
    );
    const attachment = { id: attachmentId, name: 'a.png', mediaType: 'image/png', size: 70 };
    await this.sql.query(
      `update chat.message set attachments = coalesce(attachments, '[]') || $3::jsonb where conversation_id = $1 and seq = $2`,
      [conversationId, seq, JSON.stringify([attachment])],
    );
  }
  erase = (conversationId: string, seq: number) =>
    this.change(
      conversationId,
      `update chat.message m set deleted_at = clock_timestamp(), rev = c.rev from c where m.conversation_id = $1 and m.seq = $2`,
      seq,
    );
  rename = (conversationId: string, title: string) =>
    this.change(
      conversationId,
      `update chat.conversation x set title = $2, folded_title = $3, conversation_rev = c.rev from c where x.id = $1`,
      title,
      foldName(title),
    );

  /** Adds a member, also one who has left. */
  async join(conversationId: string, userId: string): Promise<void> {
    await this.change(
      conversationId,
      `insert into chat.member as m (conversation_id, user_id, role, joined_at, base_seq, rev) select $1, $2, 'member', clock_timestamp(), c.last_seq, c.rev from c
       on conflict (conversation_id, user_id) do update set left_at = null, joined_at = excluded.joined_at, base_seq = excluded.base_seq, rev = excluded.rev, status = 'active'`,
      userId,
    );
    await this.touchMembers(conversationId);
  }
  async leave(conversationId: string, userId: string): Promise<void> {
    await this.member(conversationId, userId, `left_at = clock_timestamp()`);
  }
  async member(conversationId: string, userId: string, set: string): Promise<void> {
    await this.change(
      conversationId,
      `update chat.member m set ${set}, rev = c.rev from c where m.conversation_id = $1 and m.user_id = $2`,
      userId,
    );
    await this.touchMembers(conversationId);
  }

  /** Does not count banned members. */
  private touchMembers(conversationId: string): Promise<unknown> {
    return this.sql.query(
      `update chat.conversation c set members_rev = rev, conversation_rev = rev,
         member_count = (select count(*) from chat.member m where m.conversation_id = c.id and m.left_at is null and m.status <> 'banned') where id = $1`,
      [conversationId],
    );
  }
  /** Two statements, because one statement cannot update a row twice. */
  private async change(conversationId: string, statement: string, ...parameters: unknown[]): Promise<void> {
    await this.sql.query(`update chat.conversation set rev = rev + 1 where id = $1`, [conversationId]);
    await this.sql.query(`with c as (select rev, last_seq from chat.conversation where id = $1) ${statement}`, [
      conversationId,
      ...parameters,
    ]);
  }
}
