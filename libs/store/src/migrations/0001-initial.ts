import { Migration } from '@mikro-orm/migrations';

/** Hash partitions of `chat.message`. Fixed at creation; a power of two, so that they can be split later. */
const PARTITIONS = 16;

/**
 * The three schemas. Each schema is written by one service's role only. `seq` and `rev` count per conversation without
 * gaps, and are assigned under a lock of the conversation's row.
 */
export class Migration0001Initial extends Migration {
  override async up(): Promise<void> {
    // Roles belong to the whole server, so they may exist already; then the owner need not be allowed to create roles.
    // They cannot log in until an operator sets a password.
    for (const role of ['parley_auth', 'parley_messages', 'parley_history']) {
      this.addSql(
        `do $$ begin if not exists (select from pg_roles where rolname = '${role}') then create role ${role} nologin; end if; exception when duplicate_object or unique_violation then null; end $$`,
      );
    }

    // ── auth: written by the auth service ────────────────────────────────────────────────────────────────────────
    this.addSql(`create schema auth`);
    this.addSql(`create table auth."user" (
      id uuid primary key,
      username text not null unique,
      display_name text not null,
      -- The display name as searches compare it; folded by the service, since what lower() does depends on the server's locale.
      folded_name text not null default '',
      avatar_id uuid,
      kind text not null check (kind in ('person', 'guest', 'bot')),
      email text, first_name text, last_name text,
      created_at timestamptz(3) not null default now())`);
    this.addSql(`create table auth.credential (
      user_id uuid primary key references auth."user" on delete cascade,
      password_hash text not null,
      changed_at timestamptz(3) not null default now())`);
    this.addSql(`create table auth.session (
      id uuid primary key,
      user_id uuid not null references auth."user" on delete cascade,
      device_name text, address text,
      created_at timestamptz(3) not null default now(),
      last_seen_at timestamptz(3) not null default now(),
      expires_at timestamptz(3) not null,
      ended_at timestamptz(3), ended_reason text)`);
    this.addSql(`create index session_live on auth.session (user_id) where ended_at is null`);
    this.addSql(`create index session_ended on auth.session (ended_at) where ended_at is not null`);
    this.addSql(`create index session_expiry on auth.session (expires_at) where ended_at is null`);
    // Only hashes are kept. A spent token stays, so that its second use is recognised.
    this.addSql(`create table auth.refresh_token (
      hash bytea primary key,
      session_id uuid not null references auth.session on delete cascade,
      created_at timestamptz(3) not null default now(),
      spent_at timestamptz(3))`);
    this.addSql(`create index refresh_token_session on auth.refresh_token (session_id)`);
    this.addSql(`create index refresh_token_spent on auth.refresh_token (spent_at) where spent_at is not null`);
    this.addSql(`create table auth.signing_key (
      kid text primary key,
      private_jwk jsonb not null, public_jwk jsonb not null,
      created_at timestamptz(3) not null default now(),
      retired_at timestamptz(3))`);

    // ── chat: written by the messages service, read by history ───────────────────────────────────────────────────
    this.addSql(`create schema chat`);
    // One row that identifies this database. A restore from a backup must change it, so that clients drop their cursors.
    this.addSql(
      `create table chat.epoch (single boolean primary key default true check (single), epoch text not null)`,
    );
    this.addSql(`insert into chat.epoch (epoch) values (gen_random_uuid()::text)`);
    this.addSql(`create table chat.conversation (
      id uuid primary key,
      kind text not null check (kind in ('direct', 'group', 'channel')),
      visibility text not null check (visibility in ('private', 'public')),
      title text, topic text, color text,
      policy jsonb not null default '{}',
      created_by uuid not null,
      created_at timestamptz(3) not null,
      -- The newest message, the newest change, the change that last touched this row's description, the one that last touched its members.
      last_seq bigint not null default 0,
      rev bigint not null default 0,
      conversation_rev bigint not null default 0,
      members_rev bigint not null default 0,
      member_count int not null default 0,
      active_at timestamptz(3) not null,
      deleted_at timestamptz(3))`);
    // One direct conversation per pair; low < high.
    this.addSql(`create table chat.direct_pair (
      low uuid not null, high uuid not null, conversation_id uuid not null references chat.conversation on delete cascade,
      primary key (low, high), check (low < high))`);
    this.addSql(`create table chat.member (
      conversation_id uuid not null references chat.conversation on delete cascade,
      user_id uuid not null,
      role text not null check (role in ('creator', 'admin', 'member')),
      status text not null default 'active' check (status in ('active', 'muted', 'banned')),
      muted_until timestamptz(3), banned_until timestamptz(3),
      notifications text not null default 'all' check (notifications in ('all', 'mentions', 'none')),
      joined_at timestamptz(3) not null,
      -- What counts as delivered and read before the first receipt: last_seq when they joined.
      base_seq bigint not null default 0,
      -- The conversation's rev of the last change of this row. One who left stays as a row with left_at.
      rev bigint not null,
      left_at timestamptz(3),
      primary key (conversation_id, user_id))`);
    this.addSql(`create index member_user on chat.member (user_id, conversation_id) where left_at is null`);
    this.addSql(`create index member_rev on chat.member (conversation_id, rev)`);
    this.addSql(`create table chat.message (
      conversation_id uuid not null,
      seq bigint not null,
      rev bigint not null,
      id uuid not null,
      sender_id uuid not null,
      client_id text not null,
      type text not null,
      body text not null,
      reply_to uuid,
      mentions uuid[] not null default '{}',
      system jsonb,
      created_at timestamptz(3) not null,
      edited_at timestamptz(3), deleted_at timestamptz(3),
      primary key (conversation_id, seq),
      unique (conversation_id, sender_id, client_id)
    ) partition by hash (conversation_id)`);
    for (let part = 0; part < PARTITIONS; part++) {
      this.addSql(
        `create table chat.message_${part} partition of chat.message for values with (modulus ${PARTITIONS}, remainder ${part})`,
      );
    }
    this.addSql(`create index message_id on chat.message (id)`);
    this.addSql(`create index message_rev on chat.message (conversation_id, rev)`);
    // For exact unread counts: a user's own messages, messages that never count, and messages with mentions. Partial,
    // so that the planner does not use it instead of the unique key of (conversation, sender, clientId): without
    // statistics it takes either, and this one would read all messages of a sender.
    this.addSql(`create index message_sender on chat.message (conversation_id, sender_id, seq) where type <> 'system'`);
    this.addSql(
      `create index message_uncounted on chat.message (conversation_id, seq) where deleted_at is not null or type = 'system'`,
    );
    this.addSql(`create index message_mentioning on chat.message (conversation_id, seq) where mentions <> '{}'`);

    // ── history: written by the history service ──────────────────────────────────────────────────────────────────
    this.addSql(`create schema history`);
    this.addSql(`create table history.cursor (
      conversation_id uuid not null,
      user_id uuid not null,
      delivered_seq bigint not null,
      read_seq bigint not null,
      delivered_at timestamptz(3), read_at timestamptz(3),
      updated_at timestamptz(3) not null,
      primary key (conversation_id, user_id),
      check (delivered_seq >= read_seq))`);
    this.addSql(`create index cursor_user on history.cursor (user_id, updated_at)`);

    // ── rights: each service its own schema; history reads chat ──────────────────────────────────────────────────
    for (const [schema, role] of [
      ['auth', 'parley_auth'],
      ['chat', 'parley_messages'],
      ['history', 'parley_history'],
    ] as const) {
      this.addSql(`grant usage on schema ${schema} to ${role}`);
      this.addSql(`grant select, insert, update, delete on all tables in schema ${schema} to ${role}`);
      this.addSql(
        `alter default privileges in schema ${schema} grant select, insert, update, delete on tables to ${role}`,
      );
    }
    this.addSql(`revoke insert, update, delete on chat.epoch from parley_messages`);
    this.addSql(`grant usage on schema chat to parley_history`);
    this.addSql(`grant select on all tables in schema chat to parley_history`);
    this.addSql(`alter default privileges in schema chat grant select on tables to parley_history`);
  }
}
