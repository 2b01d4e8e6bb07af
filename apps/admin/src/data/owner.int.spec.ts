import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createLogger } from '@parley/service-kit';
import { connectPostgres, migrate, roles } from '@parley/store';
import { ChatClient, launch, startPostgres, unlimited, type PrivateServer } from '@parley/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const logger = createLogger('spec', 'silent');
const main = join(import.meta.dirname, '../../dist/main.js');
const passwords = { auth: 'for-auth', messages: 'for-messages', history: 'for-history' };
const services = Object.keys(roles) as (keyof typeof roles)[];

describe('an owner of the database who is no superuser', { timeout: 120_000 }, () => {
  let server: PrivateServer;
  let folder: string;
  const urlOf = (database: string, user = 'owner', password = 'secret'): string => {
    const url = new URL(server.url);
    return Object.assign(url, { username: user, password, pathname: `/${database}` }).href;
  };
  const asSuperuser = async (...statements: string[]): Promise<void> => {
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    for (const statement of statements) await client.query(statement);
    await client.end();
  };
  const admin = (database: string, ...args: string[]) =>
    promisify(execFile)(process.execPath, [main, ...args], {
      env: {
        PATH: process.env['PATH'] ?? '',
        DATABASE_URL: urlOf(database),
        FILES_DIR: join(folder, `files-${database}`),
      },
    });
  const standalone = async (database: string, user?: string) =>
    (
      await launch('standalone', {
        ...unlimited,
        DATABASE_URL: urlOf(database, user),
        FILES_DIR: join(folder, `files-${database}`),
        DATA_DIR: join(folder, 'unused'),
      })
    ).ready();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-owner-'));
    server = await startPostgres();
    await asSuperuser(
      `create role owner login nosuperuser createdb createrole password 'secret'`,
      `create role other login nosuperuser password 'secret'`,
      ...['one', 'two'].map((name) => `create database ${name} owner owner`),
      'create database theirs owner other',
    );
  });
  afterAll(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('migrates, also again, and gives the services their passwords and their roles’ rights', async () => {
    expect(await migrate({ url: urlOf('one'), passwords, logger })).toHaveLength(7);
    expect(await migrate({ url: urlOf('one'), passwords, logger })).toEqual([]);
    for (const service of services) {
      const database = await connectPostgres({ url: urlOf('one', roles[service], passwords[service]), logger });
      expect(await database.query('select current_user::text as me')).toEqual([{ me: roles[service] }]);
      await database.close();
    }
  });

  it('runs all services in one process, and backs their data up, and restores them', async () => {
    const first = await standalone('one');
    const ann = await ChatClient.register(first.url);
    await ann.connect();
    const { conversation } = await ann.call('conversation.create', { kind: 'group', memberIds: [] });
    const { message } = await ann.send(conversation.id, 'kept');
    ann.disconnect();
    const backup = join(folder, 'backup');
    await admin('one', 'backup', '--to', backup);
    await first.stop();

    await migrate({ url: urlOf('two'), logger });
    const auth = await connectPostgres({ url: urlOf('two', roles.auth, passwords.auth), name: 'parley-auth', logger });
    await auth.query('select 1');
    await expect(admin('two', 'restore', '--from', backup)).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('stop the services first: parley-auth is connected'),
    });
    await auth.close();
    await admin('two', 'restore', '--from', backup);
    const second = await standalone('two');
    const again = await ChatClient.login(second.url, ann.user.username, 'correct horse battery');
    await again.connect();
    expect((await again.history(conversation.id)).map(({ id }) => id)).toContain(message.id);
    again.disconnect();
    await second.stop();
  });

  it('need not be allowed to create roles when they exist', async () => {
    expect(await migrate({ url: urlOf('theirs', 'other'), logger })).toHaveLength(7);
    const auth = await connectPostgres({ url: urlOf('theirs', roles.auth, passwords.auth), logger });
    expect(await auth.query('select count(*) as n from auth."user"')).toEqual([{ n: 0 }]);
    await auth.close();
    await expect(migrate({ url: urlOf('theirs', 'other'), passwords, logger })).rejects.toThrow(
      'the owner of the database may not set the password of role parley_auth: give it the attribute CREATEROLE',
    );
  });
});
