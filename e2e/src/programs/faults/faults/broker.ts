/** RabbitMQ restarts, dies, stalls, and loses messages, queues or connections. */
import { eventually } from '@parley/testing';
import { often, seconds, sendsAgain, silence, standstill, type Fault } from './fault.js';

export const brokerFaults: readonly Fault[] = [
  {
    name: 'broker-restart',
    description: 'RabbitMQ stops in good order and starts again',
    run: (target) => target.servers.rabbit.restart(),
  },
  {
    name: 'broker-kill',
    description: 'SIGKILL of RabbitMQ, which starts again',
    async run(target) {
      // A quorum queue that was declared moments before a crash may come back without a leader.
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
    description: 'RabbitMQ’s connections swallow everything for 25 s, and nobody is told',
    run: silence('rabbit', 25, 'up', 'down'),
  },
  {
    name: 'confirms-lost',
    description: 'what RabbitMQ says is lost for 4 s, then the connections are reset',
    short: true,
    run: silence('rabbit', 4, 'down'),
  },
  {
    name: 'publishes-lost',
    description: 'what is said to RabbitMQ is lost for 4 s, then the connections are reset',
    run: silence('rabbit', 4, 'up'),
  },
  {
    name: 'publisher-lost',
    description:
      'what one messages publishes is lost for 5 s, while it goes on taking commands; then its connections are reset',
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
    description: '80 ms more on the way to RabbitMQ and back, for 8 s',
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
      'queues of every service and of the gateways are deleted, which cancels their consumers; one gateway hears of it 0.4 s later',
    async run(target, load) {
      // Frames are published to its queue while there is none: without that, often none is lost.
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
    description: 'RabbitMQ’s alarm for memory is on for 14 s: it takes nothing',
    async run(target, load) {
      await target.rabbitctl('set_vm_memory_high_watermark', '0.0000001');
      const before = load.retries;
      await seconds(14);
      await target.rabbitctl('set_vm_memory_high_watermark', '0.6');
      return load.retries === before ? ['nobody was told `unavailable`'] : [];
    },
  },
];
