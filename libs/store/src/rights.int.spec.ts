import { newId } from '@parley/contracts';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { Database } from './database.js';
import { migrations, roles } from './migrations/index.js';
import { SpecDatabase } from './spec/databases.js';

type Service = keyof typeof roles;
const services = Object.keys(roles) as Service[];
const tables = {
  auth: ['"user"', 'credential', 'session', 'refresh_token', 'signing_key', 'bot', 'webhook_purge'],
  chat: [
    'conversation',
    'direct_pair',
    'member',
    'departure',
    'message',
    'message_0',
    'message_15',
    'epoch',
    'reaction',
    'message_edit',
    'attachment',
    'message_attachment',
    'upload',
    'drawing_line',
    'contact',
    'block',
    'webhook',
    'webhook_delivery',
    'bot',
  ],
  history: ['cursor', 'preference', 'message_text'],
};
const own: Record<Service, keyof typeof tables> = { auth: 'auth', messages: 'chat', history: 'history' };

describe('the role of a service', () => {
  let database: SpecDatabase;
  const connected = {} as Record<Service, Database>;
  beforeAll(async () => {
    database = await SpecDatabase.create(inject('servers').databaseUrl);
    for (const service of services) connected[service] = await database.connect(service, { poolSize: 2 });
  });
  afterAll(() => database.drop());

  const refused = async (service: Service, text: string) =>
    expect(connected[service].query(text), `${service}: ${text}`).rejects.toMatchObject({
      name: 'SqlError',
      code: '42501',
    });
  const allowed = async (service: Service, text: string) =>
    expect(connected[service].query(text), `${service}: ${text}`).resolves.toBeDefined();
  const writes = (table: string) => [
    `delete from ${table}`,
    `insert into ${table} default values`,
    `truncate ${table}`,
  ];

  it.each(services)('%s reads and writes its own tables', async (service) => {
    for (const table of tables[own[service]]) {
      await allowed(service, `select count(*) from ${own[service]}.${table}`);
      if (table !== 'epoch') await allowed(service, `delete from ${own[service]}.${table} where false`);
    }
  });

  const reads: Record<Service, (table: string) => boolean> = {
    auth: () => false,
    messages: (table) => table === 'history.cursor' || table === 'history.preference',
    history: (table) => table.startsWith('chat.') && !table.includes('webhook'),
  };
  it.each(services)('%s has only the listed rights on the tables of others', async (service) => {
    for (const schema of ['auth', 'chat', 'history'] as const) {
      if (schema === own[service]) continue;
      for (const table of tables[schema].map((name) => `${schema}.${name}`)) {
        if (reads[service](table)) await allowed(service, `select count(*) from ${table}`);
        else await refused(service, `select count(*) from ${table}`);
        for (const statement of writes(table)) await refused(service, statement);
      }
    }
  });

  it('no service may change the epoch', async () => {
    for (const service of services) await refused(service, `update chat.epoch set epoch = 'mine'`);
  });

  it.each(services)('%s may alter, create and drop nothing', async (service) => {
    for (const schema of ['auth', 'chat', 'history', 'parley', 'public'])
      await refused(service, `create table ${schema}.own (id int)`);
    await refused(service, `alter table ${own[service]}.${tables[own[service]][0]} add column more text`);
    await refused(service, `drop table ${own[service]}.${tables[own[service]][0]}`);
    await refused(service, `create schema own`);
    await refused(service, `drop schema ${own[service]} cascade`);
    await refused(service, `create role friend`);
    await refused(service, `delete from parley.migration`);
    await refused(service, `insert into parley.migration (name) values ('9999-mine')`);
    expect(await connected[service].query('select name from parley.migration')).toEqual(
      migrations.map(({ name }) => ({ name })),
    );
  });

  it.each(services)(
    '%s has no access to the server’s files and programs, nor to the work of other roles',
    async (service) => {
      await refused(service, `select pg_read_file('postgresql.conf')`);
      await refused(service, `select pg_ls_dir('.')`);
      await refused(service, `copy (select 1) to program 'true'`);
      await refused(service, `copy (select 1) to '/tmp/parley'`);
      await refused(service, `alter system set log_statement = 'all'`);
      await refused(service, `select rolpassword from pg_authid`);
      await refused(service, `create extension dblink`);
      await refused(service, `create database own`);
      // This session's login is the owner; a service logs in as its role, which is a member of no other.
      expect(
        await connected[service].query(
          `select rolname from pg_roles where rolname <> current_user and pg_has_role(current_user, oid, 'MEMBER')`,
        ),
      ).toEqual([]);
    },
  );

  it('has the same rights on tables of later migrations', async () => {
    const owner = await database.connect();
    await owner.query('create table chat.later (id uuid primary key)');
    await connected.messages.query('insert into chat.later values ($1)', [newId()]);
    expect(await connected.history.query('select count(*) as n from chat.later')).toEqual([{ n: 1 }]);
    await refused('history', 'delete from chat.later');
    await refused('auth', 'select 1 from chat.later');
  });
});
