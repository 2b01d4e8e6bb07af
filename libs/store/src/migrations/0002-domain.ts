import { Migration } from '@mikro-orm/migrations';

/**
 * The whole conversation domain: reactions, edits, pins, forwards, attachments, boards, contacts, blocks, webhooks,
 * bots, private settings, search.
 */
export class Migration0002Domain extends Migration {
  override async up(): Promise<void> {
    // For substring search. The database's owner may create this trusted extension.
    this.addSql(`create extension if not exists pg_trgm schema public`);

    // ── auth ─────────────────────────────────────────────────────────────────────────────────────────────────────
    // A bot's current token is its only session. Only the token's hash is kept.
    this.addSql(`create table auth.bot (
      user_id uuid primary key references auth."user" on delete cascade,
      owner_id uuid not null references auth."user" on delete cascade,
      session_id uuid not null references auth.session,
      token_hash bytea not null unique,
      created_at timestamptz(3) not null default now(),
      deleted_at timestamptz(3))`);
    this.addSql(`create index bot_session on auth.bot (session_id)`);
    this.addSql(`create index bot_owner on auth.bot (owner_id) where deleted_at is null`);

    // ── chat ─────────────────────────────────────────────────────────────────────────────────────────────────────
    // The title, folded by the service for searches; and the rev at which the board was last emptied.
    this.addSql(
      `alter table chat.conversation add column folded_title text, add column drawing_rev bigint not null default 0`,
    );
    this.addSql(`update chat.conversation set folded_title = lower(title) where title is not null`);
    this.addSql(
      `create index conversation_public_created on chat.conversation (created_at, id) where visibility = 'public' and deleted_at is null`,
    );
    this.addSql(
      `create index conversation_public_active on chat.conversation (active_at, id) where visibility = 'public' and deleted_at is null`,
    );
    this.addSql(
      `create index conversation_public_title on chat.conversation using gin (folded_title gin_trgm_ops) where visibility = 'public' and deleted_at is null`,
    );

    // Everything that a message shows beside its body is in its row, so that a page is one read. Null: nothing.
    // attachments: Attachment[]; reactions: {emoji, count, userIds (the first 20)}[] in the order of their first use;
    // forwarded_from: {messageId, senderId}.
    this.addSql(`alter table chat.message add column attachments jsonb, add column reactions jsonb, add column forwarded_from jsonb,
      add column pinned_at timestamptz(3), add column pinned_by uuid`);
    this.addSql(`create index message_pinned on chat.message (conversation_id, pinned_at) where pinned_at is not null`);
    this.addSql(`create table chat.reaction (
      conversation_id uuid not null,
      message_id uuid not null,
      emoji text not null,
      user_id uuid not null,
      created_at timestamptz(3) not null,
      primary key (conversation_id, message_id, emoji, user_id))`);
    this.addSql(`create index reaction_user on chat.reaction (conversation_id, message_id, user_id)`);
    // The body that an edit replaced, under the edit's rev; and the edit's request, so that a redelivery does not
    // repeat it.
    this.addSql(`create table chat.message_edit (
      conversation_id uuid not null,
      message_id uuid not null,
      rev bigint not null,
      body text not null,
      edited_at timestamptz(3) not null,
      request_id uuid,
      primary key (conversation_id, message_id, rev))`);

    // The bytes are in the file store under `key`. attached_at: when a message first carried it. Until then only the
    // uploader sees it, then everybody who sees one of its messages.
    this.addSql(`create table chat.attachment (
      id uuid primary key,
      uploader_id uuid not null,
      key text not null unique,
      name text not null,
      media_type text not null,
      size bigint not null,
      width int, height int, duration_ms int,
      -- The preview of another attachment is an attachment too, with the same visibility.
      thumbnail_id uuid,
      thumbnail_of uuid references chat.attachment on delete cascade,
      -- A profile picture, visible to every logged-in user.
      public boolean not null default false,
      created_at timestamptz(3) not null,
      attached_at timestamptz(3),
      -- No longer visible; its bytes are to be removed.
      dropped_at timestamptz(3))`);
    this.addSql(`create index attachment_uploader on chat.attachment (uploader_id)`);
    this.addSql(`create index attachment_thumbnail on chat.attachment (thumbnail_of)`);
    this.addSql(
      `create index attachment_unattached on chat.attachment (created_at) where attached_at is null and not public and thumbnail_of is null`,
    );
    this.addSql(`create index attachment_dropped on chat.attachment (dropped_at) where dropped_at is not null`);
    this.addSql(`create table chat.message_attachment (
      attachment_id uuid not null references chat.attachment on delete cascade,
      conversation_id uuid not null,
      message_id uuid not null,
      primary key (attachment_id, message_id))`);
    this.addSql(`create index message_attachment_message on chat.message_attachment (message_id)`);

    this.addSql(`create table chat.drawing_line (
      conversation_id uuid not null references chat.conversation on delete cascade,
      -- The order of drawing: 1, 2, 3 …, assigned under the conversation's lock.
      n bigint not null,
      id text not null,
      user_id uuid not null,
      color text not null,
      width real not null,
      points real[] not null,
      created_at timestamptz(3) not null,
      primary key (conversation_id, id))`);
    this.addSql(`create index drawing_line_order on chat.drawing_line (conversation_id, n)`);

    this.addSql(`create table chat.contact (
      owner_id uuid not null, user_id uuid not null, created_at timestamptz(3) not null,
      primary key (owner_id, user_id))`);
    this.addSql(`create table chat.block (
      blocker_id uuid not null, blocked_id uuid not null, created_at timestamptz(3) not null,
      primary key (blocker_id, blocked_id))`);
    this.addSql(`create index block_blocked on chat.block (blocked_id)`);

    this.addSql(`create table chat.webhook (
      id uuid primary key,
      conversation_id uuid not null references chat.conversation on delete cascade,
      url text not null,
      secret text not null,
      events text[] not null,
      created_by uuid not null,
      created_at timestamptz(3) not null,
      failures int not null default 0,
      disabled_at timestamptz(3))`);
    this.addSql(`create index webhook_conversation on chat.webhook (conversation_id)`);
    // The queue of deliveries. One row per webhook and event, also for a repeated event.
    this.addSql(`create table chat.webhook_delivery (
      id uuid primary key,
      webhook_id uuid not null references chat.webhook on delete cascade,
      event text not null,
      -- Identifies the event: the same when it is repeated.
      event_key text not null,
      payload jsonb not null,
      state text not null default 'waiting' check (state in ('waiting', 'delivered', 'dead')),
      attempts int not null default 0,
      created_at timestamptz(3) not null,
      next_attempt_at timestamptz(3),
      delivered_at timestamptz(3),
      status int, problem text,
      unique (webhook_id, event_key))`);
    this.addSql(`create index webhook_delivery_due on chat.webhook_delivery (next_attempt_at) where state = 'waiting'`);
    this.addSql(`create index webhook_delivery_newest on chat.webhook_delivery (webhook_id, id)`);
    this.addSql(`create index webhook_delivery_old on chat.webhook_delivery (created_at)`);
    // Secrets are only for the messages service.
    this.addSql(`revoke select on chat.webhook, chat.webhook_delivery from parley_history`);

    // For bans with an end.
    this.addSql(`create index member_banned on chat.member (banned_until) where status = 'banned' and left_at is null`);

    // ── history ──────────────────────────────────────────────────────────────────────────────────────────────────
    // A member's private settings. unread_from: the message from which on the conversation is unread for them, until
    // they read again.
    this.addSql(`create table history.preference (
      conversation_id uuid not null,
      user_id uuid not null,
      notifications text not null default 'all' check (notifications in ('all', 'mentions', 'none')),
      unread_from bigint,
      updated_at timestamptz(3) not null,
      primary key (conversation_id, user_id))`);
    this.addSql(`create index preference_user on history.preference (user_id)`);
    this.addSql(`alter table chat.member drop column notifications`);
    // The messages service reads positions and settings to show members.
    this.addSql(`grant usage on schema history to parley_messages`);
    this.addSql(`grant select on history.cursor, history.preference to parley_messages`);
    // The search index: the body folded by the service, and its words (runs of Chinese, Japanese and Korean as pairs of
    // characters). `rev`: the message's when it was indexed.
    this.addSql(`create table history.message_text (
      conversation_id uuid not null,
      seq bigint not null,
      rev bigint not null,
      message_id uuid not null,
      sender_id uuid not null,
      created_at timestamptz(3) not null,
      folded text not null,
      words tsvector not null,
      primary key (conversation_id, seq))`);
    this.addSql(`create index message_text_folded on history.message_text using gin (folded gin_trgm_ops)`);
    this.addSql(`create index message_text_words on history.message_text using gin (words)`);
    this.addSql(`create index message_text_newest on history.message_text (created_at, seq, message_id)`);
    // The rev of a conversation up to which the index is complete.
    this.addSql(`create table history.text_progress (conversation_id uuid primary key, rev bigint not null)`);
  }
}
