import { Migration } from '@mikro-orm/migrations';

export class Migration0003Trace extends Migration {
  override async up(): Promise<void> {
    // Under which trace a message was sent; log lines are found by it. Of messages from before, and of the server's own, it is not known.
    this.addSql(`alter table chat.message add column trace_id uuid`);
  }
}
