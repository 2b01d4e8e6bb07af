import { appendFile, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FolderStore } from '@parley/gateway';
import { createLogger } from '@parley/service-kit';
import { migrate } from '@parley/store';
import {
  ChatClient,
  eventually,
  freshDatabase,
  launch,
  startEmbedded,
  type FreshDatabase,
  type ServiceProcess,
} from '@parley/testing';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { backup, backupCommand, copyDeployment, restore, restoreCommand } from './backup.js';
import type { Command } from '../command.js';
import { conversationsCommand } from '../conversations.js';
import { exportConversation } from './export.js';
import { openCluster, openDataFolder, openNewDataFolder, withDeployment, type Deployment } from './deployment.js';
import { reconcile } from './reconcile.js';
import { rowsOf, snapshot, tablesOf } from './tables.js';
import { revokeCommand, usersCommand } from '../users.js';

const PASSWORD = 'correct horse battery';

/** Every row of every table, as text. */
const everything = ({ database }: Deployment): Promise<Record<string, string[]>> =>
  snapshot(database, async (sql) => {
    const tables: Record<string, string[]> = {};
    for (const table of await tablesOf(sql)) {
      tables[table.name] = [];
      for await (const lines of rowsOf(sql, table)) tables[table.name]!.push(...lines);
    }
    return tables;
  });

/** The state that a user sees after a new login. */
async function viewOf(url: string, username: string) {
  const client = await ChatClient.login(url, username, PASSWORD);
  const { epoch } = await client.connect();
  const { items } = await client.http('conversation.list', {});
  const histories = await Promise.all(items.map(({ id }) => client.history(id)));
  const unread = await client.http('unread.list', {});
  const attachment = histories.flat().flatMap(({ attachments }) => attachments)[0]!;
  const bytes = await fetch(`${url}/api/v1/attachments/${attachment.id}`, {
    headers: { authorization: `Bearer ${client.session.accessToken}` },
  }).then((answer) => answer.text());
  client.disconnect();
  return { epoch, view: { items, histories, unread, bytes } };
}

/** A folder of files that looks around whenever a file is stored. */
class ObservedStore extends FolderStore {
  constructor(
    folder: string,
    private readonly look: () => Promise<void>,
  ) {
    super(folder);
  }
  override async put(key: string, path: string): Promise<void> {
    await this.look();
    return super.put(key, path);
  }
}

describe('the data of a deployment', { timeout: 180_000 }, () => {
  let folder: string;
  let dataDir: string;
  let filesDir: string;
  let database: FreshDatabase;
  let ann: ChatClient;
  let ben: ChatClient;
  let conversationId: string;
  let before: Awaited<ReturnType<typeof viewOf>>;
  const cluster = async (): Promise<Deployment> => {
    process.env['FILES_DIR'] = filesDir;
    return openCluster(database.url);
  };
  const overPostgres = async (): Promise<ServiceProcess> =>
    (
      await launch('standalone', { DATABASE_URL: database.url, FILES_DIR: filesDir, DATA_DIR: join(folder, 'unused') })
    ).ready(90_000);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-admin-'));
    [dataDir, filesDir] = [join(folder, 'data'), join(folder, 'files')];
    database = await freshDatabase(inject('servers').databaseUrl);
    const server = await startEmbedded({ dataDir });
    [ann, ben] = await Promise.all([ChatClient.register(server.url), ChatClient.register(server.url)]);
    await Promise.all([ann.connect(), ben.connect()]);
    ({
      conversation: { id: conversationId },
    } = await ann.call('conversation.create', { kind: 'group', title: 'Füchse', memberIds: [ben.user.id] }));
    const form = new FormData();
    form.append('file', new Blob(['hello']), 'hello.txt');
    const attachment = (await (
      await fetch(`${server.url}/api/v1/attachments`, {
        method: 'POST',
        body: form,
        headers: { authorization: `Bearer ${ann.session.accessToken}` },
      })
    ).json()) as { id: string };
    await ann.call('message.send', {
      conversationId,
      clientId: 'file',
      body: 'see this "…" \\ \u2028',
      attachmentIds: [attachment.id],
    });
    for (let n = 0; n < 600; n += 20)
      await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          ann.call('message.send', { conversationId, clientId: `m${n + i}`, body: `message ${n + i}` }),
        ),
      );
    const { message } = await ann.send(conversationId, 'first version');
    await ann.call('message.edit', { messageId: message.id, body: 'second version' });
    const gone = await ann.send(conversationId, 'to be deleted');
    await ann.call('message.delete', { messageId: gone.message.id });
    await ben.call('reaction.add', { messageId: message.id, emoji: '👍' });
    await ben.call('receipt.read', { conversationId, seq: 100 });
    before = await viewOf(server.url, ben.user.username);
    for (const client of [ann, ben]) client.disconnect();
    await server.stop();
    await migrate({ url: database.url, logger: createLogger('test', 'silent') });
  }, 120_000);
  afterAll(async () => {
    delete process.env['FILES_DIR'];
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  });

  it('are copied unchanged from a data folder into Postgres', async () => {
    const source = await withDeployment(openDataFolder(dataDir), async (from) => {
      const { files, rows } = await withDeployment(cluster(), (to) => copyDeployment(from, to));
      expect(files).toBe(1);
      expect(rows.get('chat.message')).toBeGreaterThan(600);
      return everything(from);
    });
    expect(await withDeployment(cluster(), everything)).toEqual(source);

    const server = await overPostgres();
    const after = await viewOf(server.url, ben.user.username);
    expect(after).toEqual(before);
    // An earlier token is still valid, and an earlier message is recognised as a duplicate.
    const old = new ChatClient(server.url, ann.session);
    await old.connect();
    expect(await old.call('message.send', { conversationId, clientId: 'm7', body: 'message 7' })).toMatchObject({
      duplicate: true,
      message: { body: 'message 7' },
    });
    old.disconnect();
    await server.stop();
  });

  it('are not copied into a deployment in use', async () => {
    await expect(
      withDeployment(openDataFolder(dataDir), (from) => withDeployment(cluster(), (to) => copyDeployment(from, to))),
    ).rejects.toThrow(/is in use: auth.* has rows/);
  });

  it('are backed up while in use and restored in the other mode', async () => {
    const [backupDir, restored] = [join(folder, 'backup'), join(folder, 'restored')];
    const server = await overPostgres();
    const manifest = await withDeployment(cluster(), (deployment) => backup(deployment, backupDir));
    expect(manifest.files).toBe(1);
    await server.stop();
    await withDeployment(openNewDataFolder(restored), (deployment) => restore(deployment, backupDir));

    const again = await startEmbedded({ dataDir: restored });
    const after = await viewOf(again.url, ben.user.username);
    expect(after.view).toEqual(before.view);
    expect(after.epoch).not.toBe(before.epoch);
    await again.stop();

    await expect(
      withDeployment(openNewDataFolder(restored), (deployment) => restore(deployment, backupDir)),
    ).rejects.toThrow(/is in use/);
    await appendFile(
      join(backupDir, 'tables', 'chat.message.jsonl'),
      `${JSON.stringify({ conversation_id: conversationId, seq: 100_000, rev: 1, id: crypto.randomUUID(), sender_id: ben.user.id, client_id: 'x', type: 'text', body: '', mentions: [], created_at: '2026-01-01' })}\n`,
    );
    const damaged = join(folder, 'damaged');
    await expect(
      withDeployment(openNewDataFolder(damaged), (deployment) => restore(deployment, backupDir)),
    ).rejects.toThrow('the backup is damaged: chat.message is not what the manifest says');
    expect(
      await withDeployment(
        openDataFolder(damaged),
        async (deployment) => (await everything(deployment))['chat.message'],
      ),
    ).toEqual([]);
  });

  describe('some of whose files are missing', () => {
    let key: string;
    const missing = () => [{ key, name: 'hello.txt' }];
    beforeAll(async () => {
      [{ key }] = (await withDeployment(cluster(), ({ database: sql }) =>
        sql.query('select key from chat.attachment'),
      )) as [{ key: string }];
      await rename(join(filesDir, key.slice(-2)), join(folder, 'aside'));
    });
    afterAll(() => rename(join(folder, 'aside'), join(filesDir, key.slice(-2))));
    const run = async (command: Command, ...args: string[]) => {
      const warnings: string[] = [];
      process.env['DATABASE_URL'] = database.url;
      process.env['FILES_DIR'] = filesDir;
      try {
        return {
          code: await command.run(
            args,
            () => undefined,
            (line) => void warnings.push(line),
          ),
          warnings,
        };
      } finally {
        delete process.env['DATABASE_URL'];
      }
    };

    it('are backed up and restored without those, which both name', async () => {
      const [backupDir, restored] = [join(folder, 'partly'), join(folder, 'partly-restored')];
      const said = { code: 3, warnings: [expect.stringContaining(`${key} (hello.txt)`), expect.any(String)] };
      expect(await run(backupCommand, '--to', backupDir)).toEqual(said);
      const manifest = JSON.parse(await readFile(join(backupDir, 'manifest.json'), 'utf8')) as object;
      expect(manifest).toMatchObject({ files: 0, missing: missing() });
      expect(await run(restoreCommand, '--from', backupDir, '--data-dir', restored)).toEqual(said);
      const rows = await withDeployment(openDataFolder(restored), everything);
      expect(rows['chat.message']!.length).toBeGreaterThan(600);
    });

    it('are not backed up from a folder of files that is not there', async () => {
      const path = join(folder, 'nowhere');
      await expect(
        withDeployment(cluster(), (deployment) => backup({ ...deployment, filesDir: path }, join(folder, 'nothing'))),
      ).rejects.toThrow(`FILES_DIR: there is no folder ${path}`);
      expect(await readdir(folder)).not.toContain('nothing');
    });
  });

  it('are not restored from a backup that lost a file', async () => {
    const [backupDir, restored] = [join(folder, 'lossy'), join(folder, 'lossy-restored')];
    await withDeployment(cluster(), (deployment) => backup(deployment, backupDir));
    const [file] = await readdir(join(backupDir, 'files'));
    await rm(join(backupDir, 'files', file!));
    await expect(withDeployment(openNewDataFolder(restored), (to) => restore(to, backupDir))).rejects.toThrow(
      `the backup is damaged: files/${file} is missing`,
    );
  });

  it('are copied while no transaction of Postgres waits for a slow store', async () => {
    const target = await freshDatabase(inject('servers').databaseUrl);
    try {
      await migrate({ url: target.url, logger: createLogger('test', 'silent') });
      const waiting: unknown[] = [];
      const observed = (deployment: Deployment): Deployment => ({
        ...deployment,
        files: new ObservedStore(join(folder, 'slow'), async () => {
          waiting.push(
            ...(await deployment.database.query(
              `select 1 from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'`,
            )),
          );
        }),
      });
      const stored = () => readdir(join(folder, 'slow'), { recursive: true });
      const backupDir = join(folder, 'for-the-slow');
      await withDeployment(cluster(), (deployment) => backup(deployment, backupDir));
      await withDeployment(openCluster(target.url), (to) => restore(observed(to), backupDir));
      expect(await stored()).toHaveLength(2);
      await rm(join(folder, 'slow'), { recursive: true });
      await withDeployment(openCluster(target.url), async ({ database: sql }) => {
        const tables = await tablesOf(sql);
        await sql.query(`truncate ${tables.map(({ name }) => name).join(', ')}`);
      });
      await withDeployment(openDataFolder(dataDir), (from) =>
        withDeployment(openCluster(target.url), (to) => copyDeployment(from, observed(to))),
      );
      expect(await stored()).toHaveLength(2);
      expect(waiting).toEqual([]);
    } finally {
      await target.drop();
    }
  });

  it('are exported by conversation, in order', async () => {
    const lines = await withDeployment(cluster(), async ({ database: sql }) => {
      const objects: Record<string, unknown>[] = [];
      for await (const line of exportConversation(sql, conversationId))
        objects.push(JSON.parse(line) as Record<string, unknown>);
      return objects;
    });
    const [conversation, ...messages] = lines;
    expect(conversation).toMatchObject({
      kind: 'conversation',
      title: 'Füchse',
      members: expect.arrayContaining([
        expect.objectContaining({ username: ann.user.username, role: 'creator' }),
        expect.objectContaining({ username: ben.user.username, role: 'member' }),
      ]),
    });
    expect(messages.map(({ seq }) => seq)).toEqual(Array.from({ length: messages.length }, (_, at) => at + 1));
    expect(messages.find(({ body }) => body === 'second version')).toMatchObject({
      edits: [{ body: 'first version' }],
      reactions: [{ emoji: '👍', userId: ben.user.id }],
    });
    expect(messages.at(-1)).toMatchObject({ body: null, edits: [] });
  });

  it('pass the checks of reconcile, which report every violation', async () => {
    await withDeployment(cluster(), async (deployment) => {
      const wrong = async () =>
        (await snapshot(deployment.database, (sql) => reconcile(sql, 10)))
          .filter((check) => check.wrong.length > 0)
          .map(({ what }) => what);
      expect(await wrong()).toEqual([]);
      await deployment.database.query(
        `update chat.conversation set last_seq = last_seq + 1, member_count = 7 where id = $1`,
        [conversationId],
      );
      await deployment.database.query(`update history.cursor set delivered_seq = 100000 where user_id = $1`, [
        ben.user.id,
      ]);
      expect(await wrong()).toHaveLength(4);
      await deployment.database.query(
        `update chat.conversation set last_seq = last_seq - 1, member_count = 2 where id = $1`,
        [conversationId],
      );
      await deployment.database.query(`update history.cursor set delivered_seq = 100 where user_id = $1`, [
        ben.user.id,
      ]);
      expect(await wrong()).toEqual([]);
      // A banned member keeps the row and is not counted.
      await deployment.database.query(
        `update chat.member set status = 'banned' where conversation_id = $1 and user_id = $2`,
        [conversationId, ben.user.id],
      );
      expect(await wrong()).toEqual(['conversations have as many members as they say']);
      await deployment.database.query(`update chat.conversation set member_count = 1 where id = $1`, [conversationId]);
      expect(await wrong()).toEqual([]);
      await deployment.database.query(`update chat.conversation set member_count = 2 where id = $1`, [conversationId]);
      await deployment.database.query(
        `update chat.member set status = 'active' where conversation_id = $1 and user_id = $2`,
        [conversationId, ben.user.id],
      );
      expect(await wrong()).toEqual([]);
    });
  });

  it('let operators list users and end their sessions', async () => {
    process.env['DATABASE_URL'] = database.url;
    const server = await overPostgres();
    try {
      const client = await ChatClient.login(server.url, ben.user.username, PASSWORD);
      await client.connect();
      const lines: string[] = [];
      await usersCommand.run(['--search', ben.user.username], (line) => void lines.push(line));
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatch(new RegExp(`^${ben.user.id}  person .*${ben.user.username}.* [1-9] sessions`));
      const conversations: string[] = [];
      await conversationsCommand.run(['--user', ben.user.username], (line) => void conversations.push(line));
      expect(conversations).toEqual([
        expect.stringMatching(new RegExp(`^${conversationId}  group    2 members .* messages .*  Füchse$`)),
      ]);
      expect(await revokeCommand.run(['--user', ben.user.username], () => undefined)).toBe(0);
      await eventually(() => expect(client.events.some(({ name }) => name === 'session:revoked')).toBe(true), {
        timeoutMs: 5_000,
      });
      expect((await client.fetch('GET', '/api/v1/users/me')).status).toBe(401);
      await expect(revokeCommand.run(['--user', 'nobody-of-that-name'], () => undefined)).rejects.toThrow(
        'there is no user nobody-of-that-name',
      );
      client.disconnect();
    } finally {
      delete process.env['DATABASE_URL'];
      await server.stop();
    }
  });
});
