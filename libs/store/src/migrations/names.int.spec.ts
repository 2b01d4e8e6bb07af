import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import type { Database } from '../database.js';
import { migrate } from '../migrate.js';
import { openPglite } from '../pglite/pglite.js';
import { quiet as logger, SpecDatabase } from '../spec/databases.js';

/** Opens a database as an earlier version left it, after `prepare`, and migrated by this one. */
type Upgraded = (prepare: (old: Database) => Promise<void>) => Promise<{ database: Database; close(): Promise<void> }>;

async function downgrade(database: Database): Promise<void> {
  for (const statement of [
    `alter table auth."user" drop column skeleton`,
    `drop table auth.former_username`,
    `alter table chat.member drop column added_by`,
    `drop table chat.departure`,
    `drop table auth.webhook_purge`,
    `drop table chat.bot`,
    `alter table auth."user" drop column bare_skeleton`,
    `drop index chat.message_files`,
    `delete from parley.migration where name in ('0005-names', '0006-folding', '0007-people', '0009-bots', '0010-spelling', '0011-message-files')`,
  ])
    await database.query(statement);
}

const engines: [string, Upgraded][] = [
  [
    'Postgres',
    async (prepare) => {
      const own = await SpecDatabase.create(inject('servers').databaseUrl);
      const old = await own.connect();
      await downgrade(old);
      await prepare(old);
      await migrate({ url: own.url, logger });
      return { database: await own.connect(), close: () => own.drop() };
    },
  ],
  [
    'PGlite',
    async (prepare) => {
      const folder = await mkdtemp(join(tmpdir(), 'parley-names-'));
      const open = () => openPglite({ dataDir: join(folder, 'data'), logger });
      const old = await open();
      await downgrade(old);
      await prepare(old);
      await old.close();
      const database = await open();
      return {
        database,
        close: async () => {
          await database.close();
          await rm(folder, { recursive: true });
        },
      };
    },
  ],
];

describe.each(engines)('an upgrade on %s', (_, upgraded) => {
  it('keeps confusable usernames, of which the oldest is protected, and folds names and titles again', async () => {
    const { database, close } = await upgraded(async (old) => {
      await old.query(`insert into auth."user" (id, username, display_name, folded_name, kind, created_at) values
        ('00000000-0000-7000-8000-000000000001', 'annal', 'José Müller', 'josé müller', 'person', now()),
        ('00000000-0000-7000-8000-000000000002', 'anna1', 'Plain', 'plain', 'person', now() - interval '1 day'),
        ('00000000-0000-7000-8000-000000000003', 'm0m', 'Straße', 'straße', 'person', now()),
        ('00000000-0000-7000-8000-000000000004', '_m-o.m', 'क़लम', 'क़लम', 'person', now() + interval '1 day'),
        ('00000000-0000-7000-8000-000000000005', 'a-1._2-b', 'Plain', 'plain', 'person', now()),
        ('00000000-0000-7000-8000-000000000006', '___', 'Plain', 'plain', 'person', now())`);
      await old.query(`insert into chat.conversation (id, kind, visibility, title, folded_title, created_by, created_at, active_at, rev) values
        ('00000000-0000-7000-8000-00000000000a', 'group', 'public', 'Łódź', 'łódź', '00000000-0000-7000-8000-000000000001', now(), now(), 1)`);
      await old.query(`insert into history.message_text (conversation_id, seq, rev, message_id, sender_id, created_at, folded, words)
        select '00000000-0000-7000-8000-00000000000a', n, 5, gen_random_uuid(), gen_random_uuid(), now(), folded, '' from (values (1, 'plain text'), (2, 'don’t'), (3, E'two\nlines'), (4, 'ज़मीन')) t (n, folded)`);
      await old.query(
        `insert into history.text_progress (conversation_id, rev) values ('00000000-0000-7000-8000-00000000000a', 1)`,
      );
    });
    try {
      expect(
        await database.query(`select username, skeleton, bare_skeleton, folded_name from auth."user" order by id`),
      ).toEqual([
        { username: 'annal', skeleton: null, bare_skeleton: null, folded_name: 'jose muller' },
        { username: 'anna1', skeleton: 'annal', bare_skeleton: 'annal', folded_name: 'plain' },
        { username: 'm0m', skeleton: 'rnorn', bare_skeleton: 'rnorn', folded_name: 'strasse' },
        { username: '_m-o.m', skeleton: '_rn-o.rn', bare_skeleton: null, folded_name: 'कलम' },
        { username: 'a-1._2-b', skeleton: 'a-l._2-b', bare_skeleton: 'al-2b', folded_name: 'plain' },
        { username: '___', skeleton: '___', bare_skeleton: '___', folded_name: 'plain' },
      ]);
      expect(await database.query(`select folded_title from chat.conversation`)).toEqual([{ folded_title: 'lodz' }]);
      // Messages whose text is folded otherwise now are indexed again.
      expect(
        (await database.query<{ rev: number }>(`select rev from history.message_text order by seq`)).map(({ rev }) =>
          Number(rev),
        ),
      ).toEqual([5, 0, 0, 0]);
      expect(await database.query(`select 1 from history.text_progress`)).toEqual([]);
    } finally {
      await close();
    }
  });
});
