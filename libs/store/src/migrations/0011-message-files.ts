import { Migration } from '@mikro-orm/migrations';

/** An index of the messages with files, for the list of a conversation's files. */
export class Migration0011MessageFiles extends Migration {
  override async up(): Promise<void> {
    this.addSql(
      `create index message_files on chat.message (conversation_id, seq) where attachments is not null and deleted_at is null`,
    );
  }
}
