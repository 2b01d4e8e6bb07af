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
import { required, UsageError, type Command, type Print } from '../command.js';
import { requireServicesStopped, openCluster, openDataFolder, openDeployment, withDeployment, type Deployment } from './deployment.js';
import { BATCH_SIZE, rowsOf, snapshot, storeRows, tablesOf, type Table } from './tables.js';

const Manifest = z.object({
  format: z.literal(1),
  createdAt: z.string(),
  migrations: z.array(z.string()),
  tables: z.array(z.object({ name: z.string(), rows: z.int(), sha256: z.string() })),
  /** Keys of files whose bytes are in the folder `files`. */
  files: z.int().nullable(),
});
export type Manifest = z.infer<typeof Manifest>;

const knownMigrations = migrations.map(({ name }) => name);
/** Tables in which even an unused database has rows. They are replaced by those of the backup. */
const seededTables = ['chat.epoch', 'auth.signing_key'];
const fileOf = (folder: string, { name }: Pick<Table, 'name'>): string =>
  join(folder, 'tables', `${name.replaceAll('"', '')}.jsonl`);

/** Writes one table's rows as lines, and returns its entry in the manifest. */
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
 * Writes a backup into a new folder: one snapshot of all tables, then the files of its attachments, which never change.
 * Services may continue. The manifest is written last, so a folder without one is no complete backup. A backup contains
 * everything that people wrote, and the keys that sign tokens.
 */
export async function backup(deployment: Deployment, folder: string): Promise<Manifest> {
  await mkdir(folder, { mode: 0o700 });
  await mkdir(join(folder, 'tables'), { mode: 0o700 });
  const { tables, files } = await snapshot(deployment.database, async (sql) => {
    const written: Manifest['tables'] = [];
    for (const table of await tablesOf(sql)) written.push(await writeTable(sql, table, folder));
    return { tables: written, files: await filesOf(sql) };
  });
  if (deployment.files) {
    await mkdir(join(folder, 'files'), { mode: 0o700 });
    for (const { key } of files)
      await pipeline(await deployment.files.read(key), createWriteStream(join(folder, 'files', key), { mode: 0o600 }));
  }
  const manifest: Manifest = {
    format: 1,
    createdAt: new Date().toISOString(),
    migrations: knownMigrations,
    tables,
    files: deployment.files ? files.length : null,
  };
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest, null, 2), { mode: 0o600 });
  return manifest;
}

async function readManifest(folder: string): Promise<Manifest> {
  const text = await readFile(join(folder, 'manifest.json'), 'utf8').catch(() => {
    throw new StartError(`${folder} holds no complete backup (manifest.json is missing)`);
  });
  const manifest = Manifest.parse(JSON.parse(text));
  const unknown = manifest.migrations.filter((name) => !knownMigrations.includes(name));
  if (unknown.length > 0)
    throw new StartError(`the backup is newer than this version of Parley (it has ${unknown.join(', ')})`);
  if (manifest.migrations.length < knownMigrations.length)
    throw new StartError(
      `the backup is of an older release: restore it with that release (its last migration is ${manifest.migrations.at(-1)}), then upgrade`,
    );
  return manifest;
}

/** Throws a `StartError` unless the database is as the migrations created it. */
async function requireEmpty(sql: Sql, tables: readonly Table[], title: string): Promise<void> {
  for (const { name } of tables) {
    if (seededTables.includes(name)) continue;
    const [row] = await sql.query<{ used: boolean }>(`select exists (select from ${name}) as used`);
    if (row!.used)
      throw new StartError(`${title} is in use: ${name} has rows. Restore into a database or folder that is new`);
  }
}

/** Lines between line feeds only: `readline` would also split at separators inside people's texts. */
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
    if (lines.length < BATCH_SIZE) continue;
    await storeRows(sql, table, lines);
    lines = [];
  }
  await storeRows(sql, table, lines);
  if (rows !== expected.rows || hash.digest('hex') !== expected.sha256)
    throw new StartError(`the backup is damaged: ${table.name} is not what the manifest says`);
}

/**
 * Stores a backup in a new deployment, all or nothing, and gives it a new `epoch`: clients discard state from after the
 * backup and load everything again. Every session of the backup stays valid. Throws a `StartError` when the deployment
 * is in use, or the backup is damaged, incomplete or of another schema.
 */
export async function restore(deployment: Deployment, folder: string): Promise<Manifest> {
  const manifest = await readManifest(folder);
  const { files } = deployment;
  if (manifest.files && !files)
    throw new UsageError('the backup has files: say where they go, with FILES_DIR or S3_BUCKET');
  await deployment.database.transaction(async (sql) => {
    const tables = await tablesOf(sql);
    await requireEmpty(sql, tables, deployment.title);
    for (const name of seededTables) await sql.query(`delete from ${name}`);
    for (const table of tables) {
      const expected = manifest.tables.find(({ name }) => name === table.name);
      if (!expected) throw new StartError(`the backup lacks ${table.name}`);
      await readTable(sql, table, folder, expected);
    }
    // Before the commit, so that no row names missing bytes.
    if (files && manifest.files !== null)
      for (const { key, media_type } of await filesOf(sql))
        await files.put(key, join(folder, 'files', key), media_type);
    await sql.query(`update chat.epoch set epoch = gen_random_uuid()::text`);
  });
  return manifest;
}

/**
 * Copies everything from one deployment to a new one, all or nothing, including the `epoch`: nothing is lost, so
 * clients continue where they were. Returns the number of rows of each table, and of files.
 */
export async function copyDeployment(from: Deployment, to: Deployment): Promise<{ rows: ReadonlyMap<string, number>; files: number }> {
  const rows = new Map<string, number>();
  const files = await snapshot(from.database, (source) =>
    to.database.transaction(async (target) => {
      const tables = await tablesOf(source);
      await requireEmpty(target, tables, to.title);
      for (const name of seededTables) await target.query(`delete from ${name}`);
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

async function copyFiles(from: Deployment, to: Deployment, files: readonly StoredFile[]): Promise<number> {
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
  does: 'writes everything into a new folder: from a stopped data folder, or from a running cluster (DATABASE_URL as owner; files: FILES_DIR or S3_*)',
  async run(args, print) {
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
      throw new UsageError(`${to} exists already; a backup takes a new folder`);
    return withDeployment(openDeployment(values['data-dir']), async (deployment) => {
      const manifest = await backup(deployment, to);
      print(
        `${total(manifest)} rows of ${manifest.tables.length} tables are in ${to}${manifest.files === null ? '; without files, because neither FILES_DIR nor S3_BUCKET is set: back them up beside it, after this' : `, and ${manifest.files} files`}`,
      );
      return 0;
    });
  },
};

export const restoreCommand: Command = {
  usage: 'restore --from DIR [--data-dir DIR]',
  does: 'stores a backup in a new data folder, or in a new, migrated database (DATABASE_URL as owner); clients then load everything again',
  async run(args, print) {
    const { values } = parseArgs({
      args: [...args],
      options: { from: { type: 'string' }, 'data-dir': { type: 'string' } },
    });
    const from = required('from', values.from);
    return withDeployment(openDeployment(values['data-dir']), async (deployment) => {
      if (values['data-dir'] === undefined) await requireServicesStopped(deployment);
      const manifest = await restore(deployment, from);
      print(
        `${total(manifest)} rows${manifest.files === null ? '' : ` and ${manifest.files} files`} of ${manifest.createdAt} are in ${deployment.title}, under a new epoch`,
      );
      return 0;
    });
  },
};

export const migrateCommand: Command = {
  usage: 'migrate --from DATA_DIR --to DATABASE_URL',
  does: 'copies embedded mode (stopped) into a new, migrated database of a cluster (as owner), with its files (FILES_DIR or S3_*); DATABASE_URL may replace --to',
  async run(args, print) {
    const { values } = parseArgs({ args: [...args], options: { from: { type: 'string' }, to: { type: 'string' } } });
    const from = required('from', values.from);
    await stat(join(from, 'database')).catch(() => {
      throw new UsageError(`${from} is no data folder`);
    });
    return withDeployment(openDataFolder(from), (source) =>
      withDeployment(openCluster(values.to), async (target) => {
        await requireServicesStopped(target);
        const { rows, files } = await copyDeployment(source, target);
        for (const [name, count] of rows)
          if (count > 0) print(`${String(count).padStart(9)}  ${name.replaceAll('"', '')}`);
        print(`${String(files).padStart(9)}  files`);
        print(`${from} is in ${target.title}; it was not changed`);
        return 0;
      }),
    );
  },
};
