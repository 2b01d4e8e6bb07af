import { pause } from '../fleet.js';
import { failures, scaled, type Column, type Context, type Phase, type Scenario } from '../scenario.js';
import { memoryOf } from '../usage.js';

const CONNECTIONS_EACH = 10;
const speed: readonly Column[] = [
  { key: 'perSecond', title: 'connections/s', ratio: true },
  { key: 'seconds', title: 'seconds', digits: 2, ratio: true },
  failures,
];

/** The gateway's memory in megabytes. */
const edgeOf = ({ target }: Context): number =>
  Object.entries(memoryOf(target)).reduce(
    (sum, [name, mb]) => (['auth', 'messages', 'history', 'presence'].includes(name) ? sum : sum + mb),
    0,
  );

export const connect: Scenario = {
  peers: ['naive', 'bare'],
  generators: 2,
  async open(context): Promise<Phase[]> {
    const { target, fleet, size } = context;
    const users = await target.users(scaled(1_000, size, 1));
    const tokens = users.flatMap(({ token }) => Array.from({ length: CONNECTIONS_EACH }, () => token));
    const empty = edgeOf(context);
    const come = async (atOnce: number): Promise<{ perSecond: number; seconds: number; failed: number }> => {
      const begun = performance.now();
      const { opened, failed } = await fleet.open(target.urls, tokens, { atOnce, demand: false });
      const seconds = (performance.now() - begun) / 1000;
      return { perSecond: opened / seconds, seconds, failed };
    };
    return [
      {
        name: `${tokens.length} connections, 100 handshakes at a time`,
        columns: [...speed, { key: 'kbEach', title: 'KB each', digits: 1, ratio: true }],
        per: 'perSecond',
        run: async (window) => {
          window.begin();
          const speedOf = await come(100);
          window.end();
          await pause(1000);
          return { ...speedOf, kbEach: ((edgeOf(context) - empty) * 1024) / (tokens.length - speedOf.failed) };
        },
      },
      {
        name: 'all cut off, and back at once',
        columns: speed,
        per: 'perSecond',
        run: async (window) => {
          await fleet.drop();
          window.begin();
          const speedOf = await come(1000);
          window.end();
          await fleet.drop();
          await pause(1000);
          return speedOf;
        },
      },
    ];
  },
};
