/** Redis loses its data, dies and stalls. */
import { revocation } from '../check.js';
import { seconds, sendsAgain, type Fault } from './fault.js';

export const redisFaults: readonly Fault[] = [
  {
    name: 'redis-flush',
    description: 'FLUSHALL, three times',
    async run(target, load) {
      for (let n = 0; n < 3; n++) {
        await target.redis('FLUSHALL');
        await seconds(2);
      }
      return sendsAgain(load, 5_000);
    },
  },
  {
    name: 'redis-kill',
    description: 'SIGKILL of Redis, restarted empty after 8 s',
    async run(target, load) {
      await target.servers.redis.kill();
      await seconds(2);
      const trouble = [...(await sendsAgain(load, 6_000)), ...(await revocation(target.urls))];
      await seconds(2);
      await target.servers.redis.start();
      return trouble;
    },
  },
  {
    name: 'redis-frozen',
    description: 'SIGSTOP of Redis for 15 s',
    async run(target, load) {
      await target.servers.redis.freeze();
      await seconds(3);
      const trouble = await sendsAgain(load, 8_000);
      await seconds(8);
      await target.servers.redis.thaw();
      return trouble;
    },
  },
];
