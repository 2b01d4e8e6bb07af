import { failures, metricsOf, type Scenario } from '../scenario.js';
import { memoryOf } from '../usage.js';
import { pairs } from './send.js';

const PARTS = 6;

/** Half of the saturated load, for a while: nothing may grow. */
export const soak: Scenario = {
  peers: ['naive'],
  generators: 1,
  async open(context) {
    const calls = await pairs(context);
    const { target, fleet, seconds, warmUpSeconds } = context;
    const all = (): number => Object.values(memoryOf(target)).reduce((sum, mb) => sum + mb, 0);
    return [
      {
        name: `half load for ${Math.ceil(PARTS * seconds)} s`,
        columns: [
          { key: 'perSecond', title: 'answered/s' },
          { key: 'firstP99', title: 'ack p99 ms at first', digits: 2 },
          { key: 'lastP99', title: 'at last', digits: 2 },
          { key: 'firstMb', title: 'memory MB at first', digits: 0 },
          { key: 'lastMb', title: 'at last', digits: 0 },
          failures,
        ],
        per: 'perSecond',
        run: async (window) => {
          const idle = { begin: () => undefined, end: () => undefined };
          const { answered, seconds: took } = await fleet.run(calls, { outstanding: 5 }, warmUpSeconds, seconds, idle);
          const pace = { perSecond: answered / took / 2 };
          const parts: { mb: number; p99: number; perSecond: number; failed: number }[] = [];
          window.begin();
          for (let part = 0; part < PARTS; part++) {
            const { ackP99, perSecond, failed } = metricsOf(await fleet.run(calls, pace, 0, seconds, idle));
            parts.push({ mb: all(), p99: ackP99!, perSecond: perSecond!, failed: failed! });
          }
          window.end();
          const [first, last] = [parts[0]!, parts.at(-1)!];
          const sum = (of: (part: (typeof parts)[number]) => number): number =>
            parts.reduce((total, part) => total + of(part), 0);
          return {
            perSecond: sum(({ perSecond }) => perSecond) / PARTS,
            firstP99: first.p99,
            lastP99: last.p99,
            firstMb: first.mb,
            lastMb: last.mb,
            failed: sum(({ failed }) => failed),
          };
        },
      },
    ];
  },
};
