import { Migration } from '@mikro-orm/migrations';

/** Whose bots there are, as far as the messages service has to know it. */
export class Migration0009Bots extends Migration {
  override async up(): Promise<void> {
    // The service adds a bot with its first command.
    this.addSql(`create table chat.bot (user_id uuid primary key, owner_id uuid not null)`);
    this.addSql(`create index bot_of on chat.bot (owner_id)`);
    this.addSql(`insert into chat.bot (user_id, owner_id) select user_id, owner_id from auth.bot`);
  }
}
