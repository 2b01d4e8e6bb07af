/** The type of faults, and helpers that several faults share. */
import { setTimeout as pause } from 'node:timers/promises';
import { eventually, type Direction } from '@parley/testing';
import { query } from '../check.js';
import type { Load } from '../load.js';
import type { Dependency, FaultCluster, FaultClusterOptions, FaultTarget } from '../target.js';

export interface Fault<W extends FaultTarget = FaultCluster> {
  readonly name: string;
  /** The fault in words. */
  readonly description: string;
  /** The cluster that this fault needs. Absent: it shares one with other faults. */
  readonly ownCluster?: FaultClusterOptions;
  /** The size of the disk of the data folder that this fault fills, in megabytes; embedded mode only. Needs Linux and root. */
  readonly diskMb?: number;
  /** The limit of memory for every process, in megabytes. Default: 700. */
  readonly maxMemoryMb?: number;
  /** Included in the short run of `npm test`. */
  readonly short?: true;
  /** Breaks the target and repairs it. Resolves with problems beyond those that the checker finds after every fault. */
  run(target: W, load: Load): Promise<string[] | void>;
}

export const seconds = (n: number): Promise<void> => pause(n * 1000);

/** Checks that messages are acknowledged again within the given time. */
export const sendsAgain = async (load: Load, withinMs: number): Promise<string[]> => {
  const before = load.acknowledged;
  try {
    await eventually(() => load.acknowledged > before + 5, { timeoutMs: withinMs });
    return [];
  } catch {
    return [`no message was acknowledged within ${withinMs} ms after the fault`];
  }
};

export async function within<T>(ms: number, work: Promise<T>, otherwise: string): Promise<T> {
  const late = new AbortController();
  try {
    return await Promise.race([
      work,
      pause(ms, undefined, { signal: late.signal }).then(() => Promise.reject(new Error(otherwise))),
    ]);
  } finally {
    late.abort();
  }
}

/** Keeps the connections to a server open and swallows all bytes in these directions, until the connections are reset. */
export const silence =
  (part: Dependency, forSeconds: number, ...directions: Direction[]) =>
  async (target: FaultCluster): Promise<void> => {
    target.proxies[part].swallow(...directions);
    await seconds(forSeconds);
    target.proxies[part].heal();
  };

export const standstill =
  (part: Dependency, forSeconds: number) =>
  async (target: FaultCluster): Promise<void> => {
    await target.servers[part].freeze();
    await seconds(forSeconds);
    await target.servers[part].thaw();
  };

export const often =
  (times: number, pauseSeconds: number, harm: (target: FaultCluster) => void | Promise<void>) =>
  async (target: FaultCluster): Promise<void> => {
    for (let n = 0; n < times; n++) {
      await harm(target);
      await seconds(pauseSeconds);
    }
  };

export const terminateAll = async (target: FaultCluster): Promise<void> =>
  void (await query(
    target.servers.postgres.url,
    `select pg_terminate_backend(pid) from pg_stat_activity where usename like 'parley_%'`,
    [],
  ));
