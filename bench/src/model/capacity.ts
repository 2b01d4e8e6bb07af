import type { Cost } from './costs.js';

/** Who uses it, and how. */
export interface Use {
  readonly name: string;
  readonly online: number;
  /** Messages that somebody who is online sends in an hour. */
  readonly messagesAnHour: number;
  /** Connections that a message is shown to, its sender's own among them. */
  readonly shownTo: number;
}

/** Of a machine's cores so much may be used, so that it bears a peak and the loss of another one. */
const USABLE = 0.6;
const CORES = 8;
/** Microseconds of the gateway to show a message to one more connection, and bytes that an idle connection takes: `fanout` and `connect` measure them. */
export const SHOWN_US = 25;
export const CONNECTION_KB = 30;
/** Of what a message costs the gateway, what is not its two deliveries. */
const deliveriesIn = 2;
/** A receipt for each recipient, gathered: a part of what a message costs history. */
const RECEIPT_US = 40;

export interface Needed {
  readonly perSecond: number;
  /** Cores, by part. */
  readonly cores: Readonly<Record<string, number>>;
  readonly connectionsGb: number;
  readonly machines: number;
}

/** What a use needs, by what a message costs among many. */
export function neededFor({ online, messagesAnHour, shownTo }: Use, costs: Readonly<Record<string, Cost>>): Needed {
  const perSecond = (online * messagesAnHour) / 3600;
  const each = (name: string): number => (costs[name]?.fixedUs ?? 0) * 0.25 + (costs[name]?.eachUs ?? 0);
  const own = Math.max(0, each('gateway') - deliveriesIn * SHOWN_US);
  const us: Record<string, number> = {
    gateway: own + shownTo * SHOWN_US, messages: each('messages'), history: each('history') + (shownTo - 1) * RECEIPT_US, rabbitmq: each('rabbitmq'), postgres: each('postgres'), redis: each('redis'),
  };
  const cores = Object.fromEntries(Object.entries(us).map(([name, cost]) => [name, (perSecond * cost) / 1e6]));
  const all = Object.values(cores).reduce((sum, some) => sum + some, 0);
  return { perSecond, cores, connectionsGb: (online * CONNECTION_KB) / 1e6, machines: Math.max(1, Math.ceil(all / (CORES * USABLE))) };
}

export const uses: readonly Use[] = [
  { name: 'a team', online: 500, messagesAnHour: 20, shownTo: 10 },
  { name: 'a company', online: 20_000, messagesAnHour: 20, shownTo: 10 },
  { name: 'a game’s community', online: 100_000, messagesAnHour: 10, shownTo: 50 },
  { name: 'a country’s messenger', online: 10_000_000, messagesAnHour: 10, shownTo: 3 },
];

/** What some uses need, in cores of the machine that was measured. */
export function capacityTable(costs: Readonly<Record<string, Cost>>): string {
  const parts = ['gateway', 'messages', 'history', 'rabbitmq', 'postgres', 'redis'];
  const head = ['', 'online', 'messages/s', 'shown to', ...parts.map((name) => `${name}, cores`), 'connections, GB', `machines of ${CORES} cores`];
  const rows = uses.map((use) => {
    const { perSecond, cores, connectionsGb, machines } = neededFor(use, costs);
    return [use.name, use.online.toLocaleString('en'), perSecond.toFixed(0), String(use.shownTo), ...parts.map((name) => cores[name]!.toFixed(cores[name]! < 1 ? 2 : 0)), connectionsGb.toFixed(connectionsGb < 1 ? 2 : 0), String(machines)];
  });
  return [head, head.map((_, at) => (at === 0 ? '---' : '---:')), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
