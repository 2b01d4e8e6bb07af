import { Migration } from '@mikro-orm/migrations';

/** Who added members, so that nobody adds again those who left; and webhooks to be deleted after a change of password. */
export class Migration0007People extends Migration {
  override async up(): Promise<void> {
    // Null: joined by themselves, created the conversation, or was added before this version.
    this.addSql(`alter table chat.member add column added_by uuid`);
    // The user left, after added_by had added them: added_by may not add them again for a day.
    this.addSql(`create table chat.departure (
      conversation_id uuid not null references chat.conversation on delete cascade,
      user_id uuid not null,
      added_by uuid not null,
      left_at timestamptz(3) not null,
      primary key (conversation_id, user_id, added_by))`);
    // The user changed the password and ended bots and webhooks: those made until then are to be deleted.
    this.addSql(`create table auth.webhook_purge (
      user_id uuid primary key references auth."user" on delete cascade,
      requested_at timestamptz(3) not null)`);
  }
}
