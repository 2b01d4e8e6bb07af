import { Migration } from '@mikro-orm/migrations';
import { foldName } from '@parley/contracts';

/** Devanagari letters with a nukta, as folded texts have them: written apart, or as the three that Unicode composes. */
const NUKTA = '[\u093c\u0929\u0931\u0934]';

/** What usernames look like without separators; and texts in Devanagari are folded without nuktas. */
export class Migration0010Spelling extends Migration {
  override async up(): Promise<void> {
    await this.addBareSkeletons();
    await this.foldAgain('auth."user"', 'display_name', 'folded_name');
    await this.foldAgain('chat.conversation', 'title', 'folded_title');
    // The history service indexes these messages again in the background. Until then the old text is searched.
    this.addSql(
      `delete from history.text_progress p where exists (select 1 from history.message_text t where t.conversation_id = p.conversation_id and t.folded ~ '${NUKTA}')`,
    );
    this.addSql(`update history.message_text set rev = 0 where folded ~ '${NUKTA}'`);
  }

  private async addBareSkeletons(): Promise<void> {
    // As `bareSkeletonOf` of the auth service computes it. Null for a user of an earlier version whose name differs from
    // an older user's by separators only: they keep it, and nobody else gets one like it.
    this.addSql(`alter table auth."user" add column bare_skeleton text constraint user_bare_skeleton_key unique`);
    this.addSql(`alter table auth.former_username add column bare_skeleton text`);
    this.addSql(`
      with looks as (select id, created_at, ${bareSkeleton('username')} as bare from auth."user"),
        oldest as (select distinct on (bare) id, bare from looks order by bare, created_at, id)
      update auth."user" u set bare_skeleton = oldest.bare from oldest where oldest.id = u.id`);
    this.addSql(`update auth.former_username set bare_skeleton = ${bareSkeleton('username')}`);
    this.addSql(`create index former_username_bare_skeleton on auth.former_username (bare_skeleton)`);
  }

  private async foldAgain(table: string, column: string, folded: string): Promise<void> {
    const rows = (await this.execute(`select id, ${column} as name from ${table} where ${folded} ~ '${NUKTA}'`)) as {
      id: string;
      name: string;
    }[];
    await this.execute(
      `update ${table} t set ${folded} = q.folded from json_to_recordset(?) as q(id uuid, folded text) where t.id = q.id`,
      [JSON.stringify(rows.map(({ id, name }) => ({ id, folded: foldName(name) })))],
    );
  }
}

/** Between digits, separators are one `-`; elsewhere they are left out. A name of separators only stays as it is. */
function bareSkeleton(username: string): string {
  const bare = `translate(regexp_replace(${username}, '([0-9])[._-]+(?=[0-9])', '\\1~', 'g'), '~._-', '-')`;
  const named = `case when ${username} ~ '[a-z0-9]' then ${bare} else ${username} end`;
  return `replace(replace(replace(${named}, '0', 'o'), '1', 'l'), 'm', 'rn')`;
}
