import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { StartError } from '@parley/service-kit';
import { migrations, type Sql } from '@parley/store';
import { z } from 'zod';
import { required, UsageError, type Command, type Say } from '../command.js';
import { demandStopped, openCluster, openFolder, openPlace, within, type Place } from './deployment.js';
import { batchSize, rowsOf, snapshot, storeRows, tablesOf, type Table } from './tables.js';

const Manifest = z.object({
  format: z.literal(1),
  createdAt: z.string(),
  migrations: z.array(z.string()),
  tables: z.array(z.object({ name: z.string(), rows: z.int(), sha256: z.string() })),
  /** Keys of files whose bytes are in the folder `files`. */
  files: z.int().nullable(),
});
export type Manifest = z.infer<typeof Manifest>;

const known = migrations.map(({ name }) => name);
/** What a database that was never used has: each is exchanged for what the backup has. */
const seeded = ['chat.epoch', 'auth.signing_key'];
const fileOf = (folder: string, { name }: Pick<Table, 'name'>): string =>
  join(folder, 'tables', `${name.replaceAll('"', '')}.jsonl`);

/** Writes one table's rows as lines; answers what the manifest says of it. */
async function writeTable(sql: Sql, table: Table, folder: string): Promise<Manifest['tables'][number]> {
  const handle = await open(fileOf(folder, table), 'wx', 0o600);
  const hash = createHash('sha256');
  let rows = 0;
  try {
    for await (const lines of rowsOf(sql, table)) {
      const text = `${lines.join('\n')}\n`;
      hash.update(text);
      await handle.write(text);
      rows += lines.length;
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  return { name: table.name, rows, sha256: hash.digest('hex') };
}

interface StoredFile extends Record<string, unknown> {
  readonly key: string;
  readonly media_type: string;
}
const filesOf = (sql: Sql): Promise<StoredFile[]> =>
  sql.query<StoredFile>(`select key, media_type from chat.attachment where dropped_at is null order by key`);

/**
 * Writes a backup into a new folder: one snapshot of all tables, and after that the files that it names, which never change. Services may go on. The manifest comes last: without it, it is none.
 * It holds all that people wrote, and the keys that sign tokens.
 */
export async function backup(place: Place, folder: string): Promise<Manifest> {
  await mkdir(folder, { mode: 0o700 });
  await mkdir(join(folder, 'tables'), { mode: 0o700 });
  const { tables, files } = await snapshot(place.database, async (sql) => {
    const written: Manifest['tables'] = [];
    for (const table of await tablesOf(sql)) written.push(await writeTable(sql, table, folder));
    return { tables: written, files: await filesOf(sql) };
  });
  if (place.files) {
    await mkdir(join(folder, 'files'), { mode: 0o700 });
    for (const { key } of files)
      await pipeline(await place.files.read(key), createWriteStream(join(folder, 'files', key), { mode: 0o600 }));
  }
  const manifest: Manifest = {
    format: 1,
    createdAt: new Date().toISOString(),
    migrations: known,
    tables,
    files: place.files ? files.length : null,
  };
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest, null, 2), { mode: 0o600 });
  return manifest;
}

async function readManifest(folder: string): Promise<Manifest> {
  const text = await readFile(join(folder, 'manifest.json'), 'utf8').catch(() => {
    throw new StartError(`${folder} holds no backup that was finished (manifest.json is missing)`);
  });
  const manifest = Manifest.parse(JSON.parse(text));
  const strange = manifest.migrations.filter((name) => !known.includes(name));
  if (strange.length > 0)
    throw new StartError(`the backup is newer than this version of Parley (it has ${strange.join(', ')})`);
  if (manifest.migrations.length < known.length)
    throw new StartError(
      `the backup is of an older release: restore it with that release (its last migration is ${manifest.migrations.at(-1)}), then upgrade`,
    );
  return manifest;
}

/** Throws a `StartError` unless the database is as the migrations made it. */
async function demandEmpty(sql: Sql, tables: readonly Table[], title: string): Promise<void> {
  for (const { name } of tables) {
    if (seeded.includes(name)) continue;
    const [row] = await sql.query<{ there: boolean }>(`select exists (select from ${name}) as there`);
    if (row!.there)
      throw new StartError(`${title} is in use: ${name} has rows. Restore into a database or folder that is new`);
  }
}

/** Lines between line feeds alone: `readline` would split at separators that stand in what people wrote. */
async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest = '';
  const decoder = new TextDecoder('utf-8', { fatal: true });
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop()!;
    yield* lines;
  }
  if (rest !== '') yield rest;
}

async function readTable(sql: Sql, table: Table, folder: string, expected: Manifest['tables'][number]): Promise<void> {
  const hash = createHash('sha256');
  async function* hashed(): AsyncGenerator<Buffer> {
    for await (const chunk of createReadStream(fileOf(folder, table)) as AsyncIterable<Buffer>) {
      hash.update(chunk);
      yield chunk;
    }
  }
  let [lines, rows]: [string[], number] = [[], 0];
  for await (const line of linesOf(hashed())) {
    lines.push(line);
    rows += 1;
    if (lines.length < batchSize) continue;
    await storeRows(sql, table, lines);
    lines = [];
  }
  await storeRows(sql, table, lines);
  if (rows !== expected.rows || hash.digest('hex') !== expected.sha256)
    throw new StartError(`the backup is damaged: ${table.name} is not what the manifest says`);
}

/**
 * Stores a backup in a place that is new, all or nothing, and gives it a new `epoch`: clients that remember what came after the backup drop it, and load afresh. Every session of the backup goes on.
 * Throws a `StartError` when the place is in use, or the backup damaged, unfinished or of another schema.
 */
export async function restore(place: Place, folder: string): Promise<Manifest> {
  const manifest = await readManifest(folder);
  const { files } = place;
  if (manifest.files && !files)
    throw new UsageError('the backup has files: say where they go, with FILES_DIR or S3_BUCKET');
  await place.database.transaction(async (sql) => {
    const tables = await tablesOf(sql);
    await demandEmpty(sql, tables, place.title);
    for (const name of seeded) await sql.query(`delete from ${name}`);
    for (const table of tables) {
      const expected = manifest.tables.find(({ name }) => name === table.name);
      if (!expected) throw new StartError(`the backup lacks ${table.name}`);
      await readTable(sql, table, folder, expected);
    }
    // Before the commit: rows never name bytes that are not there.
    if (files && manifest.files !== null)
      for (const { key, media_type } of await filesOf(sql))
        await files.put(key, join(folder, 'files', key), media_type);
    await sql.query(`update chat.epoch set epoch = gen_random_uuid()::text`);
  });
  return manifest;
}

/** Copies everything from one place to another that is new, all or nothing; also the `epoch`, because nothing is lost, so clients go on where they were. Answers rows by table, and files. */
export async function copyPlace(from: Place, to: Place): Promise<{ rows: ReadonlyMap<string, number>; files: number }> {
  const rows = new Map<string, number>();
  const files = await snapshot(from.database, (source) =>
    to.database.transaction(async (target) => {
      const tables = await tablesOf(source);
      await demandEmpty(target, tables, to.title);
      for (const name of seeded) await target.query(`delete from ${name}`);
      for (const table of tables) {
        rows.set(table.name, 0);
        for await (const lines of rowsOf(source, table)) {
          await storeRows(target, table, lines);
          rows.set(table.name, rows.get(table.name)! + lines.length);
        }
      }
      return copyFiles(from, to, await filesOf(source));
    }),
  );
  return { rows, files };
}

async function copyFiles(from: Place, to: Place, files: readonly StoredFile[]): Promise<number> {
  if (files.length === 0) return 0;
  if (!from.files || !to.files) throw new UsageError('there are files: say where they go, with FILES_DIR or S3_BUCKET');
  const folder = await mkdtemp(join(tmpdir(), 'parley-migrate-'));
  try {
    for (const { key, media_type } of files) {
      const path = join(folder, key);
      await pipeline(await from.files.read(key), createWriteStream(path, { mode: 0o600 }));
      await to.files.put(key, path, media_type);
      await rm(path);
    }
    return files.length;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const total = ({ tables }: Manifest): number => tables.reduce((sum, { rows }) => sum + rows, 0);

export const backupCommand: Command = {
  usage: 'backup --to DIR [--data-dir DIR]',
  does: 'writes everything into a new folder: of a stopped data folder, or of a cluster that may go on (DATABASE_URL as owner; files: FILES_DIR or S3_*)',
  async run(args, say) {
    const { values } = parseArgs({
      args: [...args],
      options: { to: { type: 'string' }, 'data-dir': { type: 'string' } },
    });
    const to = required('to', values.to);
    if (
      await stat(to).then(
        () => true,
        () => false,
      )
    )
      throw new UsageError(`${to} is there already; a backup takes a new folder`);
    return within(openPlace(values['data-dir']), async (place) => {
      const manifest = await backup(place, to);
      say(
        `${total(manifest)} rows of ${manifest.tables.length} tables are in ${to}${manifest.files === null ? '; files were not asked for (FILES_DIR or S3_BUCKET): back them up beside it, after this' : `, and ${manifest.files} files`}`,
      );
      return 0;
    });
  },
};

export const restoreCommand: Command = {
  usage: 'restore --from DIR [--data-dir DIR]',
  does: 'stores a backup in a new data folder, or in a new database that is migrated (DATABASE_URL as owner); clients load afresh after it',
  async run(args, say) {
    const { values } = parseArgs({
      args: [...args],
      options: { from: { type: 'string' }, 'data-dir': { type: 'string' } },
    });
    const from = required('from', values.from);
    return within(openPlace(values['data-dir']), async (place) => {
      if (values['data-dir'] === undefined) await demandStopped(place);
      const manifest = await restore(place, from);
      say(
        `${total(manifest)} rows${manifest.files === null ? '' : ` and ${manifest.files} files`} of ${manifest.createdAt} are in ${place.title}, under a new epoch`,
      );
      return 0;
    });
  },
};

export const migrateCommand: Command = {
  usage: 'migrate --from DATA_DIR --to DATABASE_URL',
  does: 'copies embedded mode (stopped) into a new, migrated database of a cluster (as owner), with its files (FILES_DIR or S3_*); DATABASE_URL may say where, instead of --to',
  async run(args, say: Say) {
    const { values } = parseArgs({ args: [...args], options: { from: { type: 'string' }, to: { type: 'string' } } });
    const from = required('from', values.from);
    await stat(join(from, 'database')).catch(() => {
      throw new UsageError(`${from} is no data folder`);
    });
    return within(openFolder(from), (source) =>
      within(openCluster(values.to), async (target) => {
        await demandStopped(target);
        const { rows, files } = await copyPlace(source, target);
        for (const [name, count] of rows)
          if (count > 0) say(`${String(count).padStart(9)}  ${name.replaceAll('"', '')}`);
        say(`${String(files).padStart(9)}  files`);
        say(`${from} is in ${target.title}; it was not changed`);
        return 0;
      }),
    );
  },
};
