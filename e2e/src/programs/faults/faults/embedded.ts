import type { FaultEmbedded } from '../target.js';
import { seconds, within, type Fault } from './fault.js';

/** The one process of embedded mode dies; I1 to I5 hold after its restart. */
export const embeddedFaults: readonly Fault<FaultEmbedded>[] = [
  {
    name: 'embedded-kill',
    description: 'SIGKILL of the process, three times, restarted on its data',
    short: true,
    async run(target) {
      for (let n = 0; n < 3; n++) {
        await seconds(2);
        await target.restart();
      }
    },
  },
  ...(['messages.stored', 'messages.committed', 'messages.answered'] as const).map((place): Fault<FaultEmbedded> => ({
    name: `embedded-kill-at-${place}`,
    description: `SIGKILL of the process at ${place}`,
    async run(target) {
      await target.restart({ FAULT_AT: `${place}:15:kill` });
      await within(30_000, target.server.exited, `the process did not reach ${place}`);
      await target.restart();
    },
  })),
];
