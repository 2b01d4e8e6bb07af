/** Postgres crashes, stalls, refuses writes, fails over, and runs out of disk. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { fillDisk, SmallDisk, startStandby } from '@parley/testing';
import { query } from '../check.js';
import { often, seconds, silence, standstill, terminateAll, type Fault } from './fault.js';

export const databaseFaults: readonly Fault[] = [
  {
    name: 'postgres-crash',
    description: 'SIGKILL of Postgres, restarted after 2 s',
    short: true,
    async run(target) {
      await target.servers.postgres.kill();
      await seconds(2);
      await target.servers.postgres.start();
    },
  },
  {
    name: 'postgres-terminate',
    description: 'every connection to Postgres is terminated, five times',
    run: often(5, 1.2, terminateAll),
  },
  {
    name: 'postgres-read-only',
    description: 'Postgres refuses writes for 8 s',
    async run(target) {
      const { url } = target.servers.postgres;
      const set = async (change: string): Promise<void> => {
        await query(url, `alter system ${change}`, []);
        await query(url, 'select pg_reload_conf()', []);
        await terminateAll(target);
      };
      await set('set default_transaction_read_only = on');
      await seconds(8);
      await set('reset default_transaction_read_only');
    },
  },
  {
    name: 'postgres-cut',
    description: 'all connections to Postgres are reset, five times',
    run: often(5, 1.2, (target) => void target.proxies.postgres.cut()),
  },
  {
    name: 'postgres-half-open',
    description: 'Postgres’ connections silently swallow everything for 20 s',
    run: silence('postgres', 20, 'up', 'down'),
  },
  {
    name: 'commits-lost',
    description: 'bytes from Postgres are lost for 3 s, then the connections are reset: commits without an answer',
    run: often(2, 3, silence('postgres', 3, 'down')),
  },
  { name: 'postgres-frozen', description: 'SIGSTOP of Postgres for 12 s', run: standstill('postgres', 12) },
];

const admin = fileURLToPath(new URL('../../../../../apps/admin/dist/main.js', import.meta.url));

/** Runs the operator's backup of a cluster. */
async function backup(databaseUrl: string, folder: string): Promise<{ code: number; said: string }> {
  const child = spawn(process.execPath, [admin, 'backup', '--to', folder], {
    env: { PATH: process.env['PATH'] ?? '', DATABASE_URL: databaseUrl },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = (await once(child, 'close')) as [number];
  return { code, said: (await said).join('') };
}

export const backupDiskFull: Fault = {
  name: 'backup-disk-full',
  description: 'the disk gets full during `admin backup`, which fails and leaves nothing that looks whole',
  // The data of many faults would not fit on the disk.
  ownCluster: {},
  async run(target) {
    const disk = await SmallDisk.create(40);
    const folder = join(disk.path, 'backup');
    const troubles: string[] = [];
    try {
      await disk.fill(0.05);
      const failed = await backup(target.cluster.databaseUrl, folder);
      if (failed.code !== 1 || !/no space|full/i.test(failed.said))
        troubles.push(`a backup into a full disk ended with ${failed.code}: ${failed.said}`);
      const left = await readdir(folder).catch(() => []);
      if (left.length > 0) troubles.push(`a failed backup left ${left.join(', ')}`);
      await disk.makeRoom();
      const done = await backup(target.cluster.databaseUrl, folder);
      if (done.code !== 0) troubles.push(`a backup with room ended with ${done.code}: ${done.said}`);
    } finally {
      await disk.remove();
    }
    return troubles;
  },
};

export const failover: Fault = {
  name: 'postgres-failover',
  description: 'Postgres dies for good, and its synchronous standby takes over',
  ownCluster: {},
  async run(target) {
    const old = target.servers.postgres;
    const standby = await startStandby(old);
    await seconds(3);
    await old.kill();
    target.servers.postgres = standby;
    await query(standby.url, 'select pg_promote()', []);
    target.proxies.postgres.retarget(standby.url);
    await old.stop();
  },
};

export const diskFull: Fault = {
  name: 'postgres-disk-full',
  description: 'Postgres’ disk is full for 10 s; if that ends Postgres, it is restarted',
  ownCluster: { postgres: { diskMb: 400 } },
  async run(target) {
    const { postgres } = target.servers;
    const [row] = await query<{ data_directory: string }>(postgres.url, 'show data_directory', []);
    const filler = join(row!.data_directory, '..', 'filler');
    await fillDisk(filler);
    await seconds(10);
    await rm(filler);
    await postgres.restart();
  },
};
