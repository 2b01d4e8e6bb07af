/** One process is cut off from RabbitMQ in one direction. */
import { seconds, sendsAgain, type Fault } from './fault.js';

export const partitionFaults: readonly Fault[] = (
  ['messages', 'history', 'gateway', 'auth', 'presence'] as const
).flatMap((process) =>
  (['up', 'down'] as const).map((direction): Fault => ({
    name: `partition-${process}-${direction}`,
    description: `one ${process} is cut off from RabbitMQ in one direction (${direction}) for 20 s`,
    async run(target, load) {
      const proxy = await target.behindProxy(process, 'rabbit');
      await target.healed();
      proxy.swallow(direction);
      await seconds(20);
      const trouble = process === 'gateway' ? [] : await sendsAgain(load, 10_000);
      proxy.heal();
      return trouble;
    },
  })),
);
