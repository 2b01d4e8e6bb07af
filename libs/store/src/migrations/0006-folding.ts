import { Migration } from '@mikro-orm/migrations';
import { foldName } from '@parley/contracts';

const BATCH = 1000;

/**
 * Folds names and titles by the present rules, and has messages folded again. ASCII text was folded in the same way
 * before, except for white space.
 */
export class Migration0006Folding extends Migration {
  override async up(): Promise<void> {
    await this.foldAgain('auth."user"', 'display_name', 'folded_name');
    await this.foldAgain('chat.conversation', 'title', 'folded_title');
    // The history service indexes these messages again in the background. Until then the old text is searched.
    this.addSql(`update history.message_text set rev = 0 where folded ~ '[^ -~]|  '`);
    this.addSql(`delete from history.text_progress`);
  }

  private async foldAgain(table: string, column: string, folded: string): Promise<void> {
    for (let after = '00000000-0000-0000-0000-000000000000'; ;) {
      const rows = (await this.execute(
        `select id, ${column} as name from ${table} where id > '${after}' and (${column} ~ '[^ -~]|  ' or ${column} <> '' and coalesce(${folded}, '') = '') order by id limit ${BATCH}`,
      )) as { id: string; name: string }[];
      if (rows.length === 0) return;
      await this.execute(
        `update ${table} t set ${folded} = q.folded from json_to_recordset(?) as q(id uuid, folded text) where t.id = q.id`,
        [JSON.stringify(rows.map(({ id, name }) => ({ id, folded: foldName(name) })))],
      );
      after = rows.at(-1)!.id;
    }
  }
}
