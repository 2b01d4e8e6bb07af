import { ChatClient, eventually, PgBouncer, startCluster, type Cluster } from '@parley/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';

const POOL = 3;

describe('a cluster whose services reach Postgres through PgBouncer in transaction mode', { timeout: 120_000 }, () => {
  let bouncer: PgBouncer;
  let cluster: Cluster;
  beforeAll(async () => {
    const servers = inject('servers');
    const accounts = Object.fromEntries(
      ['auth', 'messages', 'history'].map((name) => [`parley_${name}`, 'parley-test']),
    );
    bouncer = await PgBouncer.start({ databaseUrl: servers.databaseUrl, accounts, poolSize: POOL });
    cluster = await startCluster({ servers, gateways: 1, database: (url) => `${bouncer.through(url)}?pgbouncer=true` });
  }, 180_000);
  afterAll(async () => {
    await cluster.stop();
    await bouncer.stop();
  }, 60_000);

  it('sends, reads, searches and synchronises, over few connections to the server', async () => {
    const people = await Promise.all(Array.from({ length: 5 }, () => ChatClient.register(cluster.url)));
    for (const person of people) await person.connect();
    const [ann, ben] = people as [ChatClient, ChatClient];
    const memberIds = people.slice(1).map(({ user }) => user.id);
    const { conversation } = await ann.call('conversation.create', { kind: 'group', title: 'Füchse', memberIds });
    const sent = await Promise.all(
      people.flatMap((person, at) =>
        Array.from({ length: 40 }, (_, n) => person.send(conversation.id, `message ${n} of ${at}`)),
      ),
    );
    expect((await ann.history(conversation.id)).length).toBeGreaterThanOrEqual(sent.length);
    await ben.call('message.edit', {
      messageId: sent.find(({ message }) => message.senderId === ben.user.id)!.message.id,
      body: 'a changed one',
    });
    await ben.call('receipt.read', { conversationId: conversation.id, seq: 100 });
    await eventually(
      async () => expect((await ann.http('message.search', { q: 'changed' })).items.length).toBeGreaterThan(0),
      { timeoutMs: 10_000 },
    );
    const { changes } = await ann.call('sync', { cursors: { [conversation.id]: 0 } });
    expect(changes[0]!.messages.length).toBeGreaterThan(0);
    const client = new pg.Client({ connectionString: cluster.databaseUrl });
    await client.connect();
    const { rows } = await client.query<{ usename: string; n: number }>(
      `select usename, count(*)::int as n from pg_stat_activity where datname = current_database() and usename like 'parley_%' group by usename`,
    );
    await client.end();
    expect(rows.map(({ usename }) => usename).toSorted()).toEqual(['parley_auth', 'parley_history', 'parley_messages']);
    for (const { n } of rows) expect(n).toBeLessThanOrEqual(POOL);
    for (const person of people) person.disconnect();
    for (const { output } of cluster.processes) expect(output).not.toMatch(/"level":(50|60)/);
  });
});
