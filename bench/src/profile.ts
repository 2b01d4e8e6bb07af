/**
 * Shows where a message's CPU time goes: `node bench/dist/profile.js DIR RESULTS.json PHASE [SERVER]` reads the CPU
 * profiles of a run with `--profile DIR`. It prints, for each process of the server (default: cluster), the
 * microseconds of each kind of work and of the most expensive functions, per answered call in the measured parts of the
 * phase.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Sample } from './report.js';

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly children?: readonly number[];
  }[];
  readonly startTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}
interface Results {
  readonly processes: readonly { readonly name: string; readonly pid: number }[];
  readonly samples: readonly Sample[];
}

/** Kinds of work by the file of the running code; the first match counts. */
const kinds: readonly (readonly [kind: string, pattern: RegExp])[] = [
  ['checking (zod)', /node_modules\/zod\//],
  ['AMQP codec and channel (amqplib)', /node_modules\/amqplib\//],
  ['Postgres protocol (pg)', /node_modules\/(pg|pg-protocol|pg-pool|pg-types|postgres-[a-z]+|pgpass)\//],
  ['ORM', /node_modules\/@mikro-orm\//],
  ['Redis client', /node_modules\/(ioredis|@ioredis|redis-[a-z]+|denque|standard-as-callback)\//],
  ['WebSocket (ws)', /node_modules\/ws\//],
  ['Socket.IO', /node_modules\/(socket\.io[a-z-]*|engine\.io[a-z-]*|@socket\.io)\//],
  ['Nest and RxJS', /node_modules\/(@nestjs|rxjs|reflect-metadata)\//],
  ['logs and metrics', /node_modules\/(pino|prom-client|[a-z-]*tdigest|bintrees|sonic-boom)\//],
  ['other packages', /node_modules\//],
  ['our broker layer', /libs\/broker\//],
  ['our store', /libs\/store\//],
  ['our realtime', /libs\/realtime\//],
  ['our contracts', /libs\/contracts\//],
  ['our service kit', /libs\/service-kit\//],
  ['our app', /apps\//],
  ['Node: streams, sockets', /^node:internal\/(streams|stream_base|net)|^node:(net|_?stream)/],
  [
    'Node: timers, ticks, promises',
    /^node:internal\/(process|timers|async_hooks|util)|^node:(timers|async_hooks|events|domain)/,
  ],
  ['Node: buffers', /^node:(buffer|internal\/buffer)/],
  ['Node: else', /^node:/],
];

function kindOf(functionName: string, url: string): string {
  if (functionName === '(idle)') return 'idle';
  if (functionName === '(garbage collector)') return 'garbage collection';
  if (functionName === '(program)') return 'native code (system calls, event loop)';
  return kinds.find(([, pattern]) => pattern.test(url))?.[0] ?? 'native functions called by JavaScript';
}

const place = (url: string): string =>
  url
    .replace(/^file:\/\//, '')
    .replace(/^.*\/(node_modules|apps|libs)\//, (_, folder: string) => (folder === 'node_modules' ? '' : `${folder}/`))
    .replace('/dist/', '/');

/**
 * Microseconds of self time within the windows, by kind and by function. Wall-clock time, so waiting for a core counts,
 * too.
 */
function timesOf(
  { nodes, startTime, samples, timeDeltas }: Profile,
  windows: readonly Sample[],
): [Map<string, number>, Map<string, number>] {
  const [kindUs, functionUs] = [new Map<string, number>(), new Map<string, number>()];
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  /** Code without a file, such as JSON.stringify, counts for its caller. */
  const owner = (id: number): string => {
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const { url } = byId.get(at)!.callFrame;
      if (url !== '') return url;
    }
    return '';
  };
  const named = new Map(
    nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => {
      const own = url === '' ? owner(id) : url;
      return [
        id,
        {
          kind: kindOf(functionName, own),
          name: functionName.startsWith('(')
            ? functionName
            : `${functionName || 'anonymous'} ${place(own)}${url === '' ? ' (native)' : `:${lineNumber + 1}`}`,
        },
      ];
    }),
  );
  let at = startTime;
  samples.forEach((id, index) => {
    const us = timeDeltas[index + 1] ?? 0;
    at += timeDeltas[index] ?? 0;
    if (!windows.some(({ fromUs, toUs }) => at >= fromUs && at < toUs)) return;
    const { kind, name } = named.get(id)!;
    kindUs.set(kind, (kindUs.get(kind) ?? 0) + us);
    functionUs.set(name, (functionUs.get(name) ?? 0) + us);
  });
  return [kindUs, functionUs];
}

/** `scale` converts samples to microseconds of CPU per message. */
function print(title: string, times: ReadonlyMap<string, number>, scale: number, most: number): void {
  const rows = [...times]
    .filter(([name]) => name !== 'idle' && name !== '(idle)')
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, most);
  process.stdout.write(
    `| ${title} | µs a message |\n| --- | ---: |\n${rows.map(([name, us]) => `| ${name} | ${(us * scale).toFixed(1)} |`).join('\n')}\n\n`,
  );
}

const [folder = '', file = '', phase = '', server = 'cluster'] = process.argv.slice(2);
const { processes, samples } = JSON.parse(readFileSync(file, 'utf8')) as Results;
const windows = samples.filter((sample) => sample.server === server && sample.phase === phase);
const calls = windows.reduce(
  (sum, { metrics, fromUs, toUs }) => sum + (metrics['perSecond'] ?? 0) * ((toUs - fromUs) / 1e6),
  0,
);
process.stdout.write(`## ${server}, ${phase}: ${Math.round(calls)} messages\n\n`);
for (const { name, pid } of processes.filter((one) => windows.some(({ cores }) => one.name in cores))) {
  for (const profile of readdirSync(folder).filter((entry) => entry.split('.')[3] === String(pid))) {
    const [kindUs, functionUs] = timesOf(JSON.parse(readFileSync(join(folder, profile), 'utf8')) as Profile, windows);
    const busy = [...kindUs].filter(([kind]) => kind !== 'idle').reduce((sum, [, us]) => sum + us, 0);
    const cpuUs = windows.reduce((sum, { cores, fromUs, toUs }) => sum + (cores[name] ?? 0) * (toUs - fromUs), 0);
    if (cpuUs / calls < 1) continue;
    process.stdout.write(
      `### ${name}: ${(cpuUs / calls).toFixed(0)} µs of CPU a message (${(busy / calls).toFixed(0)} µs with waiting for a core)\n\n`,
    );
    print('kind of work', kindUs, cpuUs / busy / calls, 30);
    print('function, self time', functionUs, cpuUs / busy / calls, 25);
  }
}
