import { Migration } from '@mikro-orm/migrations';

/** What usernames look like, so that no two are confusable; and usernames that somebody gave up. */
export class Migration0005Names extends Migration {
  override async up(): Promise<void> {
    // As `skeletonOf` of the auth service computes it. Null for a user of an earlier version whose name looks like an
    // older user's: they keep it, and nobody else gets one like it.
    this.addSql(`alter table auth."user" add column skeleton text constraint user_skeleton_key unique`);
    this.addSql(`
      with looks as (select id, created_at, replace(replace(replace(username, '0', 'o'), '1', 'l'), 'm', 'rn') as skeleton from auth."user"),
        oldest as (select distinct on (skeleton) id, skeleton from looks order by skeleton, created_at, id)
      update auth."user" u set skeleton = oldest.skeleton from oldest where oldest.id = u.id`);
    // The last holder of a username that nobody has. Others may take it 30 days after given_up_at.
    this.addSql(`create table auth.former_username (
      username text primary key,
      skeleton text not null,
      user_id uuid not null references auth."user" on delete cascade,
      given_up_at timestamptz(3) not null default now())`);
    this.addSql(`create index former_username_skeleton on auth.former_username (skeleton)`);
  }
}
