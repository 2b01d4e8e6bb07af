import { Migration } from '@mikro-orm/migrations';

/** Replies, to find those to a user's messages. */
export class Migration0008Replies extends Migration {
  override async up(): Promise<void> {
    this.addSql(`create index message_replying on chat.message (conversation_id, seq) where reply_to is not null`);
  }
}
