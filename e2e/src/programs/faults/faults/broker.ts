/** RabbitMQ restarts, dies, stalls, and loses messages, queues or connections. */
import { eventually } from '@parley/testing';
import { often, seconds, sendsAgain, silence, standstill, type Fault } from './fault.js';

export const brokerFaults: readonly Fault[] = [
  {
    name: 'broker-restart',
    description: 'RabbitMQ stops cleanly and starts again',
    run: (target) => target.servers.rabbit.restart(),
  },
  {
    name: 'broker-kill',
    description: 'SIGKILL of RabbitMQ, restarted at once',
    async run(target) {
      // A quorum queue declared moments before a crash may come back without a leader.
      await seconds(4);
      await target.servers.rabbit.kill();
      await seconds(1);
      await target.servers.rabbit.start();
    },
  },
  {
    name: 'broker-cut',
    description: 'all connections to RabbitMQ are reset, five times',
    run: often(5, 1.5, (target) => void target.proxies.rabbit.cut()),
  },
  {
    name: 'broker-half-open',
    description: 'RabbitMQ’s connections silently swallow everything for 25 s',
    run: silence('rabbit', 25, 'up', 'down'),
  },
  {
    name: 'confirms-lost',
    description: 'bytes from RabbitMQ are lost for 4 s, then the connections are reset',
    short: true,
    run: silence('rabbit', 4, 'down'),
  },
  {
    name: 'publishes-lost',
    description: 'bytes to RabbitMQ are lost for 4 s, then the connections are reset',
    run: silence('rabbit', 4, 'up'),
  },
  {
    name: 'publisher-lost',
    description:
      'publications of one messages replica are lost for 5 s, while it keeps consuming; then its connections are reset',
    async run(target) {
      const proxy = await target.behindProxy('messages', 'rabbit');
      await target.healed();
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
    description: '80 ms of additional latency to and from RabbitMQ, for 8 s',
    async run(target) {
      target.proxies.rabbit.latency(80);
      await seconds(8);
      target.proxies.rabbit.heal();
    },
  },
  { name: 'broker-frozen', description: 'SIGSTOP of RabbitMQ for 15 s', run: standstill('rabbit', 15) },
  {
    name: 'queues-deleted',
    description:
      'queues of every service and of the gateways are deleted, which cancels their consumers; one gateway notices 0.4 s later',
    async run(target, load) {
      // Frames are published while its queue does not exist. Without the delay often no frame is lost.
      const proxy = await target.behindProxy('gateway', 'rabbit');
      await target.healed();
      await eventually(() => load.people.every(({ client }) => client.connected), { timeoutMs: 15_000 });
      proxy.latency(400);
      const some = (await target.queues())
        .map(({ name }) => name)
        .filter((name) =>
          /^(messages\.commands\.[0-7]|history\.queries|auth\.queries|presence\.commands|(push|replies)\..*)$/.test(
            name,
          ),
        );
      for (const name of some)
        await target
          .management('DELETE', `/api/queues/${target.vhost}/${encodeURIComponent(name)}`)
          .catch(() => undefined);
      await seconds(3);
      proxy.heal();
      return sendsAgain(load, 10_000);
    },
  },
  {
    name: 'broker-alarm',
    description: 'RabbitMQ’s memory alarm is on for 14 s: it accepts nothing',
    async run(target, load) {
      await target.rabbitctl('set_vm_memory_high_watermark', '0.0000001');
      const before = load.retries;
      await seconds(14);
      await target.rabbitctl('set_vm_memory_high_watermark', '0.6');
      return load.retries === before ? ['no call was answered `unavailable`'] : [];
    },
  },
];
