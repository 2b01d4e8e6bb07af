import { Migration } from '@mikro-orm/migrations';

/** Reserves bytes of a user's quota for uploads that have begun. */
export class Migration0004Uploads extends Migration {
  override async up(): Promise<void> {
    // Under the id of the attachment that it becomes.
    this.addSql(`create table chat.upload (
      id uuid primary key,
      user_id uuid not null,
      bytes bigint not null,
      expires_at timestamptz(3) not null)`);
    this.addSql(`create index upload_user on chat.upload (user_id)`);
    this.addSql(`create index upload_expired on chat.upload (expires_at)`);
  }
}
