import { Migration } from '@mikro-orm/migrations';

/** Stores the trace id of every sent message, for `GET /messages/:id/trace`. */
export class Migration0003Trace extends Migration {
  override async up(): Promise<void> {
    // The trace id of the send; null for older and system messages.
    this.addSql(`alter table chat.message add column trace_id uuid`);
  }
}
