/** Processes of Parley die, freeze, and are replaced. */
import type { FaultPoint } from '@parley/faults';
import { eventually } from '@parley/testing';
import { connectedGuest, untilAnswered, type Load } from '../load.js';
import type { FaultCluster, ProcessName } from '../target.js';
import { seconds, sendsAgain, type Fault, within } from './fault.js';

/** Connects a user whose gateway dies and who does not return. Watchers must see them offline within 35 s (I6). */
async function ghost(target: FaultCluster, load: Load, die: () => Promise<void>): Promise<string[]> {
  const [watcher] = load.people;
  const one = await connectedGuest(target.cluster.urls[0]!);
  await untilAnswered(() => watcher!.client.call('conversation.create', { kind: 'direct', memberIds: [one.user.id] }));
  const state = async (): Promise<string | undefined> =>
    (await watcher!.client.http('presence.get', { userIds: [one.user.id] })).items[0]?.state;
  await eventually(async () => (await state()) === 'online', { timeoutMs: 10_000 });
  one.stopReading();
  await die();
  one.disconnect();
  try {
    await eventually(async () => (await state()) === 'offline', { timeoutMs: 35_000, intervalMs: 250 });
    return [];
  } catch (error) {
    return [`a user whose gateway died is not shown as offline after 35 s: ${String(error)}`];
  }
}

export const killGateway: Fault = {
  name: 'kill-gateway',
  description: 'SIGKILL of one gateway, restarted after 2 s; one of its users does not return',
  run: (target, load) =>
    ghost(target, load, async () => {
      const one = target.one('gateway');
      await one.kill();
      await seconds(2);
      await target.cluster.replace(one);
    }),
};

export const kill = (process: ProcessName, more: { short?: true } = {}): Fault => ({
  name: `kill-${process}`,
  description: `SIGKILL of one ${process}, restarted after 2 s`,
  ...more,
  async run(target) {
    const one = target.one(process);
    await one.kill();
    await seconds(2);
    await target.cluster.replace(one);
  },
});

export const killAll = (process: ProcessName): Fault => ({
  name: `kill-all-${process}`,
  description: `SIGKILL of every ${process}, restarted after 3 s`,
  async run(target) {
    const all = [...(process === 'gateway' ? target.cluster.gateways : target.cluster.services[process])];
    await Promise.all(all.map((one) => one.kill()));
    await seconds(3);
    await Promise.all(all.map((one) => target.cluster.replace(one)));
  },
});

/** Kills each replica once at the given point, so that the active replica of the shard dies too. */
export const killAt = (point: FaultPoint, process: ProcessName, more: { short?: true } = {}): Fault => ({
  name: `kill-at-${point}`,
  description: `SIGKILL of ${process} at ${point}, of each replica once`,
  ...more,
  async run(target) {
    const count = target.cluster.processes.filter(({ name }) => name === process).length;
    for (let n = 0; n < count; n++) {
      // Commands that already wait may bring it to the point before it is ready.
      const doomed = await target.cluster.launchInstead(target.one(process), { FAULT_AT: `${point}:15:kill` });
      const { signal } = await within(15_000, doomed.exited, 'not yet').catch(async () => {
        // All active conversations may be in shards of the other replica. Replacing it moves them here.
        const other = target.cluster.processes.find((one) => one.name === process && one !== doomed);
        if (other) await target.cluster.replace(other);
        return within(45_000, doomed.exited, `${process} did not reach ${point}`);
      });
      if (signal !== 'SIGKILL') throw new Error(`${process} ended in another way: ${doomed.output}`);
      await target.cluster.replace(doomed);
    }
  },
});

export const freeze = (process: ProcessName, forSeconds: number): Fault => ({
  name: `freeze-${process}`,
  description: `SIGSTOP of one ${process} for ${forSeconds} s, then SIGCONT`,
  async run(target, load) {
    const one = target.one(process);
    one.freeze();
    load.frozenGateways.add(one.url);
    try {
      await seconds(forSeconds / 2);
      // A frozen gateway's clients stay with it; the rest of the system has to continue.
      const trouble = process === 'gateway' ? [] : await sendsAgain(load, 15_000);
      await seconds(forSeconds / 2);
      return trouble;
    } finally {
      one.thaw();
    }
  },
});

/** Stops and replaces each process of every service in turn, while its other replica keeps serving. */
export const rolling: Fault = {
  name: 'rolling-deploy',
  description: 'every process is stopped by SIGTERM and replaced, one after another',
  async run(target) {
    for (const one of target.cluster.processes) {
      const { code } = await one.stop();
      if (code !== 0) return [`${one.name} ended with ${code} after SIGTERM`];
      await target.cluster.replace(one);
    }
    return [];
  },
};

/**
 * Upgrades from another version as in docs/upgrading.md: the migration first, then one process after another. Both
 * versions work side by side meanwhile.
 */
export const upgrade = (checkout: string): Fault => ({
  name: 'upgrade',
  description: 'another version is replaced by this one under load',
  ownCluster: { checkout },
  async run(target, load) {
    await target.cluster.upgrade();
    const trouble = await sendsAgain(load, 10_000);
    for (const one of target.cluster.processes) {
      const { code } = await one.stop();
      if (code !== 0) trouble.push(`${one.name} ended with ${code} after SIGTERM`);
      await target.cluster.replace(one);
      await seconds(2);
    }
    return trouble;
  },
});
