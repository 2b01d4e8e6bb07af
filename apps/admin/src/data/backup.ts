import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { access, mkdir, mkdtemp, open, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { MissingFile, type FileStore } from '@parley/gateway';
import { StartError } from '@parley/service-kit';
import { migrations, type Row, type Sql } from '@parley/store';
import { z } from 'zod';
import { FILES_MISSING, required, UsageError, type Command, type Print } from '../command.js';
import { replaceControls } from '../users.js';
import {
  requireFolder,
  requireServicesStopped,
  openCluster,
  openDataFolder,
  openDeployment,
  openNewDataFolder,
  withDeployment,
  type Deployment,
} from './deployment.js';
import { BATCH_SIZE, rowsOf, snapshot, storeRows, tablesOf, type Table } from './tables.js';

const Manifest = z.object({
  format: z.literal(1),
  createdAt: z.string(),
  migrations: z.array(z.string()),
  tables: z.array(z.object({ name: z.string(), rows: z.int(), sha256: z.string() })),
  /** The number of files whose bytes are in the folder `files`. */
  files: z.int().nullable(),
  /** Files whose bytes were missing when the backup was made. */
  missing: z.array(z.object({ key: z.string(), name: z.string() })).default([]),
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

const StoredFile = z.object({
  key: z.string(),
  name: z.string(),
  media_type: z.string(),
  dropped_at: z.string().nullable(),
});
type StoredFile = Pick<z.infer<typeof StoredFile>, 'key' | 'name' | 'media_type'>;
const ATTACHMENTS = { name: 'chat.attachment' };
const filesOf = (sql: Sql): Promise<StoredFile[]> =>
  sql.query<StoredFile & Row>(
    `select key, name, media_type from ${ATTACHMENTS.name} where dropped_at is null order by key`,
  );

/** Copies the files one after another. Returns those whose bytes are missing. */
async function copyEach(
  files: readonly StoredFile[],
  copy: (file: StoredFile) => Promise<void>,
): Promise<Manifest['missing']> {
  const missing: Manifest['missing'] = [];
  for (const file of files)
    await copy(file).catch((error: unknown) => {
      if (!(error instanceof MissingFile)) throw error;
      missing.push({ key: file.key, name: file.name });
    });
  return missing;
}

const save = async (store: FileStore, key: string, path: string): Promise<void> =>
  pipeline(await store.read(key), createWriteStream(path, { mode: 0o600 }));

/**
 * Writes a backup into a new folder: one snapshot of all tables, then the files of its attachments, which never change. Services may continue. The manifest appears last and whole, so a folder without one is no
 * complete backup; after a failure, the folder is removed. Files whose bytes are missing are in the manifest. A backup contains everything that people wrote, and the keys that sign tokens.
 */
export async function backup(deployment: Deployment, folder: string): Promise<Manifest> {
  await mkdir(folder, { mode: 0o700 });
  try {
    return await writeBackup(deployment, folder);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function writeBackup({ database, files: store, filesDir }: Deployment, folder: string): Promise<Manifest> {
  await mkdir(join(folder, 'tables'), { mode: 0o700 });
  const { tables, files } = await snapshot(database, async (sql) => {
    const written: Manifest['tables'] = [];
    for (const table of await tablesOf(sql)) written.push(await writeTable(sql, table, folder));
    return { tables: written, files: await filesOf(sql) };
  });
  let missing: Manifest['missing'] = [];
  if (files.length > 0 && filesDir !== undefined) await requireFolder(filesDir, 'FILES_DIR');
  if (store) {
    await mkdir(join(folder, 'files'), { mode: 0o700 });
    missing = await copyEach(files, ({ key }) => save(store, key, join(folder, 'files', key)));
  }
  const manifest: Manifest = {
    format: 1,
    createdAt: new Date().toISOString(),
    migrations: knownMigrations,
    tables,
    files: store ? files.length - missing.length : null,
    missing,
  };
  const draft = join(folder, 'manifest.json.part');
  await writeFile(draft, JSON.stringify(manifest, null, 2), { mode: 0o600, flush: true });
  await rename(draft, join(folder, 'manifest.json'));
  return manifest;
}

/** Reads and checks the manifest of a backup, before anything is opened or created for it. */
export async function readManifest(folder: string): Promise<Manifest> {
  await requireFolder(folder, 'the backup');
  const text = await readFile(join(folder, 'manifest.json'), 'utf8').catch(() => {
    throw new StartError(`${folder} holds no complete backup (manifest.json is missing)`);
  });
  const manifest = parseManifest(folder, text);
  const unknown = manifest.migrations.filter((name) => !knownMigrations.includes(name));
  if (unknown.length > 0)
    throw new StartError(`the backup is newer than this version of Parley (it has ${unknown.join(', ')})`);
  if (manifest.migrations.length < knownMigrations.length)
    throw new StartError(
      `the backup is of an older release: restore it with that release (its last migration is ${manifest.migrations.at(-1)}), then upgrade`,
    );
  return manifest;
}

function parseManifest(folder: string, text: string): Manifest {
  try {
    return Manifest.parse(JSON.parse(text));
  } catch {
    throw new StartError(`the backup in ${folder} is damaged: manifest.json cannot be read`);
  }
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

/** The files of a backup's attachments, with their kinds, from the lines of their table. */
async function filesIn(folder: string): Promise<StoredFile[]> {
  const files: StoredFile[] = [];
  const chunks = createReadStream(fileOf(folder, ATTACHMENTS)) as AsyncIterable<Buffer>;
  for await (const line of linesOf(chunks)) {
    const file = StoredFile.parse(JSON.parse(line));
    if (file.dropped_at === null) files.push(file);
  }
  return files;
}

/** Stores the bytes of a backup's files. Those of a failed restore stay: a repeated one needs them, and the store may be that of the lost deployment. */
async function restoreFiles(store: FileStore, folder: string, { missing }: Manifest): Promise<void> {
  const unknown = new Set(missing.map(({ key }) => key));
  const files = (await filesIn(folder)).filter(({ key }) => !unknown.has(key));
  const [lost] = await copyEach(files, async ({ key, media_type }) => {
    const path = join(folder, 'files', key);
    await access(path).catch(() => {
      throw new MissingFile(key);
    });
    await store.put(key, path, media_type);
  });
  if (lost)
    throw new StartError(`the backup is damaged: files/${lost.key} is missing, and the manifest does not say so`);
}

/**
 * Stores a backup in a new deployment, all or nothing, and gives it a new `epoch`: clients discard state from after the
 * backup and load everything again. Every session of the backup stays valid. Throws a `StartError` when the deployment
 * is in use, or the backup is damaged, incomplete or of another schema.
 */
export async function restore(deployment: Deployment, folder: string): Promise<Manifest> {
  const manifest = await readManifest(folder);
  const { database, files, title } = deployment;
  if (manifest.files && !files)
    throw new UsageError('the backup has files: say where they go, with FILES_DIR or S3_BUCKET');
  await requireEmpty(database, await tablesOf(database), title);
  // Before the rows, so that no row names missing bytes; and outside of the transaction, which Postgres ends when it is idle for long.
  if (files && manifest.files !== null) await restoreFiles(files, folder, manifest);
  await database.transaction(async (sql) => {
    const tables = await tablesOf(sql);
    await requireEmpty(sql, tables, title);
    for (const name of seededTables) await sql.query(`delete from ${name}`);
    for (const table of tables) {
      const expected = manifest.tables.find(({ name }) => name === table.name);
      if (!expected) throw new StartError(`the backup lacks ${table.name}`);
      await readTable(sql, table, folder, expected);
    }
    await sql.query(`update chat.epoch set epoch = gen_random_uuid()::text`);
  });
  return manifest;
}

/** What {@link copyDeployment} copied: the number of rows of each table, and of files; and the files whose bytes were missing. */
export interface Copied {
  readonly rows: ReadonlyMap<string, number>;
  readonly files: number;
  readonly missing: Manifest['missing'];
}

/**
 * Copies everything from one deployment, which nobody uses, to a new one, all or nothing, including the `epoch`: nothing is lost, so clients continue where they were.
 */
export async function copyDeployment(from: Deployment, to: Deployment): Promise<Copied> {
  await requireEmpty(to.database, await tablesOf(to.database), to.title);
  // As in a restore: before the rows, and outside of the transaction.
  const files = await filesOf(from.database);
  const missing = await copyFiles(from, to, files);
  const rows = new Map<string, number>();
  await snapshot(from.database, (source) =>
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
    }),
  );
  return { rows, files: files.length - missing.length, missing };
}

async function copyFiles(from: Deployment, to: Deployment, files: readonly StoredFile[]): Promise<Manifest['missing']> {
  if (files.length === 0) return [];
  const [source, target] = [from.files, to.files];
  if (!source || !target) throw new UsageError('there are files: say where they go, with FILES_DIR or S3_BUCKET');
  const folder = await mkdtemp(join(tmpdir(), 'parley-migrate-'));
  try {
    return await copyEach(files, async ({ key, media_type }) => {
      const path = join(folder, key);
      await save(source, key, path);
      await target.put(key, path, media_type);
      await rm(path);
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Names the missing files, and returns the exit code. */
function reportMissing(missing: Manifest['missing'], warn: Print): number {
  for (const { key, name } of missing) warn(`missing: the bytes of ${key} (${replaceControls(name)})`);
  if (missing.length === 0) return 0;
  warn(`${missing.length} ${missing.length === 1 ? 'file is' : 'files are'} missing; everything else is done`);
  return FILES_MISSING;
}

const total = ({ tables }: Manifest): number => tables.reduce((sum, { rows }) => sum + rows, 0);

/** Throws a {@link UsageError} for a new folder inside `data`, through whatever links and `..` it is named: it would be a part of what it saves. */
async function requireOutside(to: string, data: string | undefined): Promise<void> {
  if (data === undefined) return;
  // As the system follows them, which differs from `resolve` where a link comes before `..`.
  const [parent, inside] = await Promise.all([dirname(to), data].map((path) => realpath(path).catch(() => undefined)));
  if (parent === undefined || inside === undefined) return;
  const path = relative(inside, parent);
  if (path !== '..' && !path.startsWith(`..${sep}`) && !isAbsolute(path))
    throw new UsageError(`${to} is inside ${data}: a backup takes a folder outside of what it saves`);
}

export const backupCommand: Command = {
  usage: 'backup --to DIR [--data-dir DIR]',
  does: 'writes everything into a new folder: from a data folder, or from a cluster, both of which may be running (DATABASE_URL as owner; files: FILES_DIR or S3_*)',
  async run(args, print, warn = print) {
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
    await requireOutside(to, values['data-dir']);
    return withDeployment(
      openDeployment(values['data-dir'], { by: 'copy', copyIn: dirname(to) }),
      async (deployment) => {
        await requireOutside(to, deployment.filesDir);
        const manifest = await backup(deployment, to);
        print(
          `${total(manifest)} rows of ${manifest.tables.length} tables are in ${to}${manifest.files === null ? '; without files, because neither FILES_DIR nor S3_BUCKET is set: back them up beside it, after this' : `, and ${manifest.files} files`}`,
        );
        return reportMissing(manifest.missing, warn);
      },
    );
  },
};

export const restoreCommand: Command = {
  usage: 'restore --from DIR [--data-dir DIR]',
  does: 'stores a backup in a new data folder, or in a new, migrated database (DATABASE_URL as owner); clients then load everything again',
  async run(args, print, warn = print) {
    const { values } = parseArgs({
      args: [...args],
      options: { from: { type: 'string' }, 'data-dir': { type: 'string' } },
    });
    const from = required('from', values.from);
    await readManifest(from);
    const dataDir = values['data-dir'];
    const opening = dataDir === undefined ? openCluster() : openNewDataFolder(dataDir);
    return withDeployment(opening, async (deployment) => {
      if (dataDir === undefined) await requireServicesStopped(deployment);
      const manifest = await restore(deployment, from);
      print(
        `${total(manifest)} rows${manifest.files === null ? '' : ` and ${manifest.files} files`} of ${manifest.createdAt} are in ${deployment.title}, under a new epoch`,
      );
      return reportMissing(manifest.missing, warn);
    });
  },
};

export const migrateCommand: Command = {
  usage: 'migrate --from DATA_DIR --to DATABASE_URL',
  does: 'copies embedded mode (stopped) into a new, migrated database of a cluster (as owner), with its files (FILES_DIR or S3_*); DATABASE_URL may replace --to',
  async run(args, print, warn = print) {
    const { values } = parseArgs({ args: [...args], options: { from: { type: 'string' }, to: { type: 'string' } } });
    const from = required('from', values.from);
    return withDeployment(openDataFolder(from), (source) =>
      withDeployment(openCluster(values.to), async (target) => {
        await requireServicesStopped(target);
        const { rows, files, missing } = await copyDeployment(source, target);
        for (const [name, count] of rows)
          if (count > 0) print(`${String(count).padStart(9)}  ${name.replaceAll('"', '')}`);
        print(`${String(files).padStart(9)}  files`);
        print(`${from} is in ${target.title}; it was not changed`);
        return reportMissing(missing, warn);
      }),
    );
  },
};
