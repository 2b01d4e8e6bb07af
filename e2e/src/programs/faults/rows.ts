/** The faults, each as something that is done to a world under load and is over when the promise resolves. */
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Place } from '@parley/faults';
import { newId, shardOf } from '@parley/contracts';
import { ChatClient, eventually, startStandby, type Direction, type ServiceProcess } from '@parley/testing';
import { query, revocation } from './check.js';
import type { Load } from './load.js';
import type { EmbeddedWorld, Part, Process, Stand, World, WorldOptions } from './world.js';

export interface Row<W extends Stand = World> {
  readonly name: string;
  /** What breaks, for people. */
  readonly what: string;
  /** What its world has to be; without it, it is run on a world that other rows were run on. */
  readonly own?: WorldOptions;
  /** Whether it is in the short run of `npm test`. */
  readonly short?: true;
  /** Breaks it, and mends it. Answers what was wrong beyond what is looked at after every row. */
  run(world: W, load: Load): Promise<string[] | void>;
}

const seconds = (n: number): Promise<void> => pause(n * 1000);

/** Whether calls are answered, within the time that the promise gives: a send under a new id. */
const sendsAgain = async (load: Load, withinMs: number): Promise<string[]> => {
  const before = load.acknowledged;
  try {
    await eventually(() => load.acknowledged > before + 5, { timeoutMs: withinMs });
    return [];
  } catch {
    return [`no message was acknowledged within ${withinMs} ms after it was over`];
  }
};

/** Somebody who goes down with a gateway, and does not come back: whoever watches hears of it within 35 s (I6). */
async function ghost(world: World, load: Load, die: () => Promise<void>): Promise<string[]> {
  const [watcher] = load.people;
  const one = await ChatClient.guest(world.cluster.urls[0]!);
  await one.connect();
  await watcher!.client.call('conversation.create', { kind: 'direct', memberIds: [one.user.id] });
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
    return [`somebody whose gateway died is not shown as offline after 35 s: ${String(error)}`];
  }
}

const killGateway: Row = {
  name: 'kill-gateway',
  what: 'SIGKILL of one gateway, which starts again after 2 s; somebody there does not come back',
  run: (world, load) =>
    ghost(world, load, async () => {
      const one = world.one('gateway');
      await one.kill();
      await seconds(2);
      await world.cluster.replace(one);
    }),
};

const kill = (process: Process, more: { short?: true } = {}): Row => ({
  name: `kill-${process}`,
  what: `SIGKILL of one ${process}, which starts again after 2 s`,
  ...more,
  async run(world) {
    const one = world.one(process);
    await one.kill();
    await seconds(2);
    await world.cluster.replace(one);
  },
});

const killAll = (process: Process): Row => ({
  name: `kill-all-${process}`,
  what: `SIGKILL of every ${process}; they start again after 3 s`,
  async run(world) {
    const all = [...(process === 'gateway' ? world.cluster.gateways : world.cluster.services[process])];
    await Promise.all(all.map((one) => one.kill()));
    await seconds(3);
    await Promise.all(all.map((one) => world.cluster.replace(one)));
  },
});

/** Every replica dies at that place, so that the one that has the shard does. */
const killAt = (place: Place, process: Process, more: { short?: true } = {}): Row => ({
  name: `kill-at-${place}`,
  what: `SIGKILL of ${process} at ${place}, of each replica once`,
  ...more,
  async run(world) {
    const count = world.cluster.processes.filter(({ name }) => name === process).length;
    for (let n = 0; n < count; n++) {
      // With what waits for it, it may get there before it is ready.
      const doomed = await world.cluster.beginInstead(world.one(process), { FAULT_AT: `${place}:15:kill` });
      const { signal } = await within(15_000, doomed.exited, 'not yet').catch(async () => {
        // The conversations that are written to may all be in shards of the other one: when that goes, they are this one's.
        const other = world.cluster.processes.find((one) => one.name === process && one !== doomed);
        if (other) await world.cluster.replace(other);
        return within(45_000, doomed.exited, `${process} did not reach ${place}`);
      });
      if (signal !== 'SIGKILL') throw new Error(`${process} ended otherwise: ${doomed.output}`);
      await world.cluster.replace(doomed);
    }
  },
});

async function within<T>(ms: number, work: Promise<T>, otherwise: string): Promise<T> {
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

const freeze = (process: Process, forSeconds: number): Row => ({
  name: `freeze-${process}`,
  what: `SIGSTOP of one ${process} for ${forSeconds} s, then SIGCONT`,
  async run(world, load) {
    const one = world.one(process);
    one.freeze();
    load.mute.add(one.url);
    try {
      await seconds(forSeconds / 2);
      // A frozen gateway's clients are elsewhere only when they go there: the rest of the system has to go on.
      const trouble = process === 'gateway' ? [] : await sendsAgain(load, 15_000);
      await seconds(forSeconds / 2);
      return trouble;
    } finally {
      one.thaw();
    }
  },
});

/** Each process of every service leaves in good order and is replaced, while the other stays. */
const rolling: Row = {
  name: 'rolling-deploy',
  what: 'every process is stopped by SIGTERM and replaced, one after another',
  async run(world) {
    for (const one of world.cluster.processes) {
      const { code } = await one.stop();
      if (code !== 0) return [`${one.name} ended with ${code} after SIGTERM`];
      await world.cluster.replace(one);
    }
    return [];
  },
};

/** From another version to this one as docs/upgrading.md has it: the migration first, then one process after another. Both versions work side by side meanwhile. */
export const upgrade = (checkout: string): Row => ({
  name: 'upgrade',
  what: 'the version before is replaced by this one under load',
  own: { checkout },
  async run(world, load) {
    await world.cluster.upgrade();
    const trouble = await sendsAgain(load, 10_000);
    for (const one of world.cluster.processes) {
      const { code } = await one.stop();
      if (code !== 0) trouble.push(`${one.name} ended with ${code} after SIGTERM`);
      await world.cluster.replace(one);
      await seconds(2);
    }
    return trouble;
  },
});

/** The connections to a server stay, and nothing comes through in these directions; nobody is told, until they are reset. */
const silence =
  (part: Part, forSeconds: number, ...directions: Direction[]) =>
  async (world: World): Promise<void> => {
    world.proxies[part].swallow(...directions);
    await seconds(forSeconds);
    world.proxies[part].heal();
  };

const standstill =
  (part: Part, forSeconds: number) =>
  async (world: World): Promise<void> => {
    await world.servers[part].freeze();
    await seconds(forSeconds);
    await world.servers[part].thaw();
  };

const often =
  (times: number, pauseSeconds: number, harm: (world: World) => void | Promise<void>) =>
  async (world: World): Promise<void> => {
    for (let n = 0; n < times; n++) {
      await harm(world);
      await seconds(pauseSeconds);
    }
  };

const terminateAll = async (world: World): Promise<void> =>
  void (await query(
    world.servers.postgres.url,
    `select pg_terminate_backend(pid) from pg_stat_activity where usename like 'parley_%'`,
    [],
  ));

const brokerRows: readonly Row[] = [
  {
    name: 'broker-restart',
    what: 'RabbitMQ stops in good order and starts again',
    run: (world) => world.servers.rabbit.restart(),
  },
  {
    name: 'broker-kill',
    what: 'SIGKILL of RabbitMQ, which starts again',
    async run(world) {
      // A quorum queue that was declared moments before a crash may come back without a leader.
      await seconds(4);
      await world.servers.rabbit.kill();
      await seconds(1);
      await world.servers.rabbit.start();
    },
  },
  {
    name: 'broker-cut',
    what: 'all connections to RabbitMQ are reset, five times',
    run: often(5, 1.5, (world) => void world.proxies.rabbit.cut()),
  },
  {
    name: 'broker-half-open',
    what: 'RabbitMQ’s connections swallow everything for 25 s, and nobody is told',
    run: silence('rabbit', 25, 'up', 'down'),
  },
  {
    name: 'confirms-lost',
    what: 'what RabbitMQ says is lost for 4 s, then the connections are reset',
    short: true,
    run: silence('rabbit', 4, 'down'),
  },
  {
    name: 'publishes-lost',
    what: 'what is said to RabbitMQ is lost for 4 s, then the connections are reset',
    run: silence('rabbit', 4, 'up'),
  },
  {
    name: 'publisher-lost',
    what: 'what one messages publishes is lost for 5 s, while it goes on taking commands; then its connections are reset',
    async run(world) {
      const proxy = await world.behindProxy('messages', 'rabbit');
      await world.healed();
      // Until it has its share of the shards.
      await seconds(6);
      proxy.only('messages: publish');
      proxy.swallow('up');
      await seconds(5);
      proxy.heal();
    },
  },
  {
    name: 'broker-slow',
    what: '80 ms more on the way to RabbitMQ and back, for 8 s',
    async run(world) {
      world.proxies.rabbit.latency(80);
      await seconds(8);
      world.proxies.rabbit.heal();
    },
  },
  { name: 'broker-frozen', what: 'SIGSTOP of RabbitMQ for 15 s', run: standstill('rabbit', 15) },
  {
    name: 'queues-deleted',
    what: 'queues of every service and of the gateways are deleted, which cancels their consumers; one gateway hears of it 0.4 s later',
    async run(world, load) {
      // Frames are published to its queue while there is none: without that, often none is lost.
      const proxy = await world.behindProxy('gateway', 'rabbit');
      await world.healed();
      await eventually(() => load.people.every(({ client }) => client.connected), { timeoutMs: 15_000 });
      proxy.latency(400);
      const some = (await world.queues())
        .map(({ name }) => name)
        .filter((name) =>
          /^(messages\.commands\.[0-7]|history\.queries|auth\.queries|presence\.commands|(push|replies)\..*)$/.test(
            name,
          ),
        );
      for (const name of some)
        await world
          .management('DELETE', `/api/queues/${world.vhost}/${encodeURIComponent(name)}`)
          .catch(() => undefined);
      await seconds(3);
      proxy.heal();
      return sendsAgain(load, 10_000);
    },
  },
  {
    name: 'broker-alarm',
    what: 'RabbitMQ’s alarm for memory is on for 14 s: it takes nothing',
    async run(world, load) {
      await world.rabbitctl('set_vm_memory_high_watermark', '0.0000001');
      const before = load.retries;
      await seconds(14);
      await world.rabbitctl('set_vm_memory_high_watermark', '0.6');
      return load.retries === before ? ['nobody was told `unavailable`'] : [];
    },
  },
];

const databaseRows: readonly Row[] = [
  {
    name: 'postgres-crash',
    what: 'SIGKILL of Postgres, which starts again after 2 s',
    short: true,
    async run(world) {
      await world.servers.postgres.kill();
      await seconds(2);
      await world.servers.postgres.start();
    },
  },
  {
    name: 'postgres-terminate',
    what: 'every connection to Postgres is terminated, five times',
    run: often(5, 1.2, terminateAll),
  },
  {
    name: 'postgres-read-only',
    what: 'Postgres takes no writes for 8 s',
    async run(world) {
      const { url } = world.servers.postgres;
      const set = async (change: string): Promise<void> => {
        await query(url, `alter system ${change}`, []);
        await query(url, 'select pg_reload_conf()', []);
        await terminateAll(world);
      };
      await set('set default_transaction_read_only = on');
      await seconds(8);
      await set('reset default_transaction_read_only');
    },
  },
  {
    name: 'postgres-cut',
    what: 'all connections to Postgres are reset, five times',
    run: often(5, 1.2, (world) => void world.proxies.postgres.cut()),
  },
  {
    name: 'postgres-half-open',
    what: 'Postgres’ connections swallow everything for 20 s, and nobody is told',
    run: silence('postgres', 20, 'up', 'down'),
  },
  {
    name: 'commits-lost',
    what: 'what Postgres says is lost for 3 s, then the connections are reset: commits without an answer',
    run: often(2, 3, silence('postgres', 3, 'down')),
  },
  { name: 'postgres-frozen', what: 'SIGSTOP of Postgres for 12 s', run: standstill('postgres', 12) },
];

const failover: Row = {
  name: 'postgres-failover',
  what: 'Postgres dies for good, and its synchronous standby takes over',
  own: {},
  async run(world) {
    const old = world.servers.postgres;
    const standby = await startStandby(old);
    await seconds(3);
    await old.kill();
    world.servers.postgres = standby;
    await query(standby.url, 'select pg_promote()', []);
    world.proxies.postgres.retarget(standby.url);
    await old.stop();
  },
};

const diskFull: Row = {
  name: 'postgres-disk-full',
  what: 'Postgres’ disk is full for 10 s; where that ends it, it starts again',
  own: { postgres: { diskMb: 400 } },
  async run(world) {
    const { postgres } = world.servers;
    const [row] = await query<{ data_directory: string }>(postgres.url, 'show data_directory', []);
    const filler = join(row!.data_directory, '..', 'filler');
    await fill(filler);
    await seconds(10);
    await rm(filler);
    await postgres.restart();
  },
};

/** Takes all the room that there is. */
async function fill(path: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    for (let size = 1 << 20; size >= 1 << 10; size >>= 1) {
      const block = Buffer.alloc(size);
      for (let full = false; !full;)
        full = await file.write(block).then(
          ({ bytesWritten }) => bytesWritten < size,
          () => true,
        );
    }
  } finally {
    await file.close();
  }
}

const redisRows: readonly Row[] = [
  {
    name: 'redis-flush',
    what: 'FLUSHALL, three times',
    async run(world, load) {
      for (let n = 0; n < 3; n++) {
        await world.redis('FLUSHALL');
        await seconds(2);
      }
      return sendsAgain(load, 5_000);
    },
  },
  {
    name: 'redis-kill',
    what: 'SIGKILL of Redis, which starts again, empty, after 8 s',
    async run(world, load) {
      await world.servers.redis.kill();
      await seconds(2);
      const trouble = [...(await sendsAgain(load, 6_000)), ...(await revocation(world.urls))];
      await seconds(2);
      await world.servers.redis.start();
      return trouble;
    },
  },
  {
    name: 'redis-frozen',
    what: 'SIGSTOP of Redis for 15 s',
    async run(world, load) {
      await world.servers.redis.freeze();
      await seconds(3);
      const trouble = await sendsAgain(load, 8_000);
      await seconds(8);
      await world.servers.redis.thaw();
      return trouble;
    },
  },
];

const messageRows: readonly Row[] = [
  {
    name: 'publish-three-times',
    what: 'the same send command is published three times, five times over',
    short: true,
    async run(world, load) {
      const [sender] = load.people;
      for (let n = 0; n < 5; n++) {
        const conversationId = load.groups[n % load.groups.length]!;
        const clientId = `thrice-${n}-${sender!.id}`;
        const command = {
          caller: { requestId: newId(), userId: sender!.id, sessionId: newId(), kind: 'guest' },
          input: { conversationId, clientId, type: 'text', body: 'three times', attachmentIds: [] },
        };
        await world.publish(
          'message.send.v1',
          `messages.commands.${shardOf(conversationId)}`,
          JSON.stringify(command),
          3,
        );
        const { output } = await load.insist(sender!, 'message.send', {
          conversationId,
          clientId,
          body: 'three times',
        });
        load.attempts.push({ conversationId, senderId: sender!.id, clientId, answers: [output.message] });
      }
    },
  },
  {
    name: 'poison',
    what: 'bad JSON, unknown types and wrong shapes in every shard’s queue',
    async run(world, load) {
      const before = await world.deadLetters();
      const poison = [
        ['message.send.v1', '{"oh'],
        ['message.send.v9', '{}'],
        ['message.send.v1', '{"caller":1}'],
      ] as const;
      const sent = 16 * poison.length;
      for (let shard = 0; shard < 16; shard++)
        for (const [type, body] of poison) await world.publish(type, `messages.commands.${shard}`, body);
      const trouble = await sendsAgain(load, 10_000);
      try {
        await eventually(async () => (await world.deadLetters()) >= before + sent, {
          timeoutMs: 20_000,
          intervalMs: 500,
        });
      } catch {
        trouble.push(
          `of ${sent} poisonous messages ${(await world.deadLetters()) - before} are among the dead letters`,
        );
      }
      return trouble;
    },
  },
  {
    name: 'slow-consumer',
    what: 'every batch of both replicas of messages takes 400 ms more, for 10 s',
    async run(world) {
      const slow = await Promise.all(
        [...world.cluster.services.messages].map((one) =>
          world.cluster.replace(one, { FAULT_AT: 'messages.received:1:sleep:400' }),
        ),
      );
      await seconds(10);
      for (const one of slow) await world.cluster.replace(one);
    },
  },
  {
    name: 'clock-ahead',
    what: 'the clock of one replica of each service goes an hour ahead',
    run: (world) => skewed(world, 3_600_000),
  },
  {
    name: 'clock-behind',
    what: 'the clock of one replica of each service goes an hour behind',
    run: (world) => skewed(world, -3_600_000),
  },
];

async function skewed(world: World, ms: number): Promise<string[]> {
  const wrong: ServiceProcess[] = [];
  for (const process of ['auth', 'messages', 'history', 'presence', 'gateway'] as const)
    wrong.push(await world.replaceOne(process, world.clock(ms)));
  await seconds(8);
  const trouble = await revocation(world.urls);
  for (const one of wrong) await world.cluster.replace(one);
  return trouble;
}

const clientRows: readonly Row[] = [
  {
    name: 'clients-cut',
    what: 'half of the clients lose their connection every second, ten times',
    async run(_world, load) {
      for (let n = 0; n < 10; n++) {
        for (const [index, { client }] of load.people.entries()) if ((index + n) % 2 === 0) client.drop();
        await seconds(1);
      }
    },
  },
  {
    name: 'reconnect-storm',
    what: 'four hundred connections are reset at once, three times',
    async run(world) {
      const crowd = await Promise.all(
        Array.from({ length: 8 }, (_, n) => ChatClient.guest(world.cluster.urls[n % 2]!)),
      );
      const devices = crowd.flatMap((one) => Array.from({ length: 8 }, () => one.device()));
      for (let at = 0; at < devices.length; at += 16)
        await Promise.all(devices.slice(at, at + 16).map((one) => one.connect(20_000)));
      const trouble: string[] = [];
      for (let n = 0; n < 3; n++) {
        const before = devices.map(({ readyCount }) => readyCount);
        for (const one of devices) one.drop();
        await eventually(() => devices.every(({ readyCount }, index) => readyCount > before[index]!), {
          timeoutMs: 30_000,
        }).catch(() => {
          trouble.push(
            `${devices.filter(({ readyCount }, index) => readyCount <= before[index]!).length} of ${devices.length} did not come back within 30 s`,
          );
        });
      }
      for (const one of devices) one.disconnect();
      return trouble;
    },
  },
  {
    name: 'slow-reader',
    what: 'a member stops reading while 24 MB are sent to them, and reads again',
    async run(world, load) {
      const [sender] = load.people;
      const reader = await ChatClient.guest(world.cluster.urls[1]!);
      await reader.connect();
      const {
        conversation: { id },
      } = await sender!.client.call('conversation.create', { kind: 'direct', memberIds: [reader.user.id] });
      const ready = reader.readyCount;
      const read = reader.stopReading();
      const body = 'x'.repeat(8_000);
      for (let n = 0; n < 3_000; n += 50)
        await Promise.all(
          Array.from({ length: 50 }, (_, at) =>
            load.insist(sender!, 'message.send', { conversationId: id, clientId: `big-${n + at}`, body }),
          ),
        );
      const memory = await world.memory();
      read();
      const trouble = memory > 400 ? [`a process uses ${memory} MB for somebody who does not read`] : [];
      try {
        await eventually(() => reader.readyCount > ready && reader.connected, { timeoutMs: 20_000 });
        await reader.sync();
        const shown = reader.state.messages(id).length;
        if (shown !== 3_000) trouble.push(`after coming back the reader holds ${shown} of 3000 messages`);
      } catch {
        trouble.push('the reader was not cut off');
      }
      reader.disconnect();
      return trouble;
    },
  },
  {
    name: 'flood',
    what: 'somebody sends as fast as they can for 8 s, where limits are as they are by default',
    own: { env: { USER_LIMIT_SCALE: '1' } },
    async run(world) {
      const flooder = await ChatClient.guest(world.cluster.urls[0]!);
      await flooder.connect();
      const {
        conversation: { id },
      } = await flooder.call('conversation.create', { kind: 'group', title: 'flooded', memberIds: [] });
      const codes = new Map<string, number>();
      const until = Date.now() + 8_000;
      await Promise.all(
        Array.from({ length: 40 }, async () => {
          while (Date.now() < until && flooder.connected) {
            const code = await flooder.send(id, 'more').then(
              () => 'ok',
              (error: Error & { code?: string }) => error.code ?? error.message,
            );
            codes.set(code, (codes.get(code) ?? 0) + 1);
          }
        }),
      );
      flooder.disconnect();
      return (codes.get('rate_limited') ?? 0) > 0
        ? []
        : [`nobody was told rate_limited: ${JSON.stringify([...codes])}`];
    },
  },
];

const partitionRows: readonly Row[] = (['messages', 'history', 'gateway', 'auth', 'presence'] as const).flatMap(
  (process) =>
    (['up', 'down'] as const).map((direction): Row => ({
      name: `partition-${process}-${direction}`,
      what: `one ${process} is cut off from RabbitMQ in one direction (${direction}) for 20 s`,
      async run(world, load) {
        const proxy = await world.behindProxy(process, 'rabbit');
        await world.healed();
        proxy.swallow(direction);
        await seconds(20);
        const trouble = process === 'gateway' ? [] : await sendsAgain(load, 10_000);
        proxy.heal();
        return trouble;
      },
    })),
);

/** Embedded mode dies as a whole; I1 to I5 hold after its restart. */
export const embeddedRows: readonly Row<EmbeddedWorld>[] = [
  {
    name: 'embedded-kill',
    what: 'SIGKILL of the whole process, three times, which starts again over its data',
    short: true,
    async run(world) {
      for (let n = 0; n < 3; n++) {
        await seconds(2);
        await world.restart();
      }
    },
  },
  ...(['messages.stored', 'messages.committed', 'messages.answered'] as const).map((place): Row<EmbeddedWorld> => ({
    name: `embedded-kill-at-${place}`,
    what: `SIGKILL of the whole process at ${place}`,
    async run(world) {
      await world.restart({ FAULT_AT: `${place}:15:kill` });
      await within(30_000, world.server.exited, `the process did not reach ${place}`);
      await world.restart();
    },
  })),
];

export const rows: readonly Row[] = [
  kill('messages', { short: true }),
  kill('history'),
  kill('auth'),
  kill('presence'),
  killGateway,
  killAll('messages'),
  killAll('history'),
  killAll('auth'),
  killAt('messages.received', 'messages'),
  killAt('messages.stored', 'messages'),
  killAt('messages.committed', 'messages'),
  killAt('messages.answered', 'messages'),
  killAt('messages.pushed', 'messages'),
  killAt('messages.published', 'messages'),
  killAt('history.received', 'history'),
  killAt('history.moved', 'history'),
  killAt('broker.settled', 'messages'),
  killAt('gateway.received', 'gateway'),
  killAt('gateway.answered', 'gateway'),
  killAt('gateway.pushed', 'gateway'),
  freeze('messages', 60),
  freeze('history', 30),
  freeze('auth', 30),
  freeze('presence', 30),
  freeze('gateway', 30),
  ...brokerRows,
  ...databaseRows,
  ...redisRows,
  ...messageRows,
  ...clientRows,
  rolling,
  ...partitionRows,
  failover,
  diskFull,
];
