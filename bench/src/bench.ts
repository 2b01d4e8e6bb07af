/** `npm run bench`: see bench/README.md. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { startServers, type ServerAddresses } from '@parley/testing';
import { connect } from 'amqplib';
import { Redis } from 'ioredis';
import { Fleet } from './fleet.js';
import { machineLine, machineOf, phaseReport, type Machine, type Sample } from './report.js';
import { limits, type LimitName, type Metrics, type Phase, type Place, type Scenario } from './scenario.js';
import { scenarios, type ScenarioName } from './scenarios/index.js';
import { query, targets, type Target, type TargetName } from './targets.js';
import { coresBetween, memoryOf, usageOf, type Usage } from './usage.js';
import { verdicts } from './verdicts.js';

const products: readonly TargetName[] = ['cluster', 'embedded'];
const usage = `npm run bench -- --scenario NAME [options]
  --scenario NAME  ${Object.keys(scenarios).join(', ')}; may be repeated
  --mode NAME      ${products.join(' or ')} (cluster); may be repeated
  --peer NAME      naive, naive2 (two processes, Redis adapter), bare (Socket.IO that stores nothing) or none, instead of those that the scenario has; may be repeated
  --seconds N      measured seconds of each phase (5); a second more warms it up
  --rounds N       rounds, in each of which everything is measured once, one after another (3)
  --phase TEXT     only phases whose name has this in it; may be repeated
  --gateways N     gateways of the cluster (1)
  --size N         multiplies users, connections and rows (1)
  --profile DIR    write a CPU profile of every process there
  --report FILE    also put the whole result, with what was wanted, into this Markdown file, between its marks
Servers come as for the tests: TEST_AMQP_URL, TEST_DATABASE_URL and TEST_REDIS_URL, or private ones.
`;
const { values: given } = parseArgs({
  options: {
    scenario: { type: 'string', multiple: true, default: [] },
    mode: { type: 'string', multiple: true, default: ['cluster'] },
    peer: { type: 'string', multiple: true },
    phase: { type: 'string', multiple: true },
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    gateways: { type: 'string', default: '1' },
    size: { type: 'string', default: '1' },
    profile: { type: 'string' },
    report: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const results = join(fileURLToPath(new URL('../..', import.meta.url)), '.cache', 'bench');
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const note = (text: string): void => void process.stderr.write(`${text}\n`);
const [seconds, rounds, size] = [Number(given.seconds), Number(given.rounds), Number(given.size)];
const options = {
  gateways: Number(given.gateways),
  env: given.profile === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${resolve(given.profile)}` },
};

/** Targets by name, started at first use. */
class Running {
  private readonly started = new Map<TargetName, Target>();

  constructor(private readonly servers: ServerAddresses) {}

  async get(name: TargetName): Promise<Target> {
    const running = this.started.get(name);
    if (running) return running;
    note(`starting ${name}`);
    const target = await targets[name](this.servers, options);
    this.started.set(name, target);
    return target;
  }

  get processes(): { name: string; pid: number | undefined }[] {
    return [...this.started.values()].flatMap(({ processes }) =>
      processes.map(({ name, child }) => ({ name, pid: child.pid })),
    );
  }

  async stop(): Promise<void> {
    for (const target of this.started.values()) await target.stop();
  }
}

interface Session extends Place {
  phases: readonly Phase[];
}

async function measure(session: Session, phase: Phase, round: number): Promise<Sample> {
  const { target, fleet } = (await phase.elsewhere?.()) ?? session;
  let [before, after] = [usageOf(target, fleet), usageOf(target, fleet)];
  const metrics = await phase.run({
    begin: () => void (before = usageOf(target, fleet)),
    end: () => void (after = usageOf(target, fleet)),
  });
  return {
    phase: phase.name,
    server: target.name,
    round,
    metrics,
    cores: coresBetween(before, after),
    memory: memoryOf(target),
    ...between(before, after),
  };
}
const between = ({ atUs: fromUs }: Usage, { atUs: toUs }: Usage): Pick<Sample, 'fromUs' | 'toUs'> => ({ fromUs, toUs });

async function limit(name: LimitName, { amqpUrl, databaseUrl }: ServerAddresses, round: number): Promise<Sample> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    fileURLToPath(new URL('limits.js', import.meta.url)),
    name,
    name === 'queue' || name === 'hop' ? amqpUrl : databaseUrl,
    String(Math.min(seconds, 3)),
  ]);
  const metrics = JSON.parse(stdout) as Metrics;
  return { phase: '', server: limits[name], round, metrics, cores: {}, memory: {}, fromUs: 0, toUs: 0 };
}

async function runScenario(
  name: ScenarioName,
  servers: ServerAddresses,
  running: Running,
): Promise<{ samples: Sample[]; report: string }> {
  const scenario: Scenario = scenarios[name];
  const peers = (given.peer ?? scenario.peers).filter(
    (peer) => peer !== 'none' && scenario.peers.includes(peer as TargetName),
  ) as TargetName[];
  const sessions: Session[] = [];
  const samples: Sample[] = [];
  const ends: (() => Promise<void>)[] = [];
  try {
    const modes = (given.mode as TargetName[]).filter((mode) => mode === 'cluster' || scenario.clusterOnly !== true);
    for (const one of [...peers, ...modes]) {
      const [target, fleet] = [await running.get(one), new Fleet(scenario.generators)];
      const session: Session = { target, fleet, phases: [] };
      sessions.push(session);
      session.phases = await scenario.open({
        target,
        fleet,
        size,
        seconds,
        warmUpSeconds: Math.min(1, seconds),
        servers,
        options,
        after: (work) => void ends.push(work),
      });
    }
    const phases = chosen(sessions[0]?.phases ?? []);
    for (let round = 1; round <= rounds; round++) {
      note(`${name}: round ${round} of ${rounds}`);
      const alone = new Map<LimitName, Sample>();
      for (const one of new Set(phases.flatMap(({ phase }) => phase.beside ?? [])))
        alone.set(one, await limit(one, servers, round));
      for (const { phase, at } of phases) {
        for (const one of phase.beside ?? []) samples.push({ ...alone.get(one)!, phase: phase.name });
        for (const session of sessions) samples.push(await measure(session, session.phases[at]!, round));
      }
    }
    const reports = phases.map(({ phase }) =>
      phaseReport(
        phase,
        samples.filter((sample) => sample.phase === phase.name),
        products,
      ),
    );
    return { samples, report: [`## ${name}`, ...reports].join('\n\n') };
  } finally {
    for (const { fleet } of sessions) fleet.stop();
    for (const end of ends) await end();
  }
}

/** The phases with their index. `--size` may make several phases equal; one of them is kept. */
const chosen = (all: readonly Phase[]): { phase: Phase; at: number }[] =>
  all
    .map((phase, at) => ({ phase, at }))
    .filter(
      ({ phase: { name }, at }) =>
        (given.phase?.some((text) => name.includes(text)) ?? true) &&
        all.findIndex((other) => other.name === name) === at,
    );

async function versionsOf({ amqpUrl, databaseUrl, redisUrl }: ServerAddresses): Promise<Machine> {
  const [[postgres], [fsync]] = [
    await query<{ server_version: string }>(databaseUrl, 'show server_version'),
    await query<{ fsync: string }>(databaseUrl, 'show fsync'),
  ];
  const rabbit = await connect(amqpUrl);
  const redis = new Redis(redisUrl);
  const properties = rabbit.connection.serverProperties as { version?: string };
  const version = /redis_version:(\S+)/.exec(await redis.info('server'))?.[1];
  redis.disconnect();
  await rabbit.close();
  return machineOf({
    postgres: postgres?.server_version ?? '?',
    fsync: fsync?.fsync ?? '?',
    rabbitmq: properties.version ?? '?',
    redis: version ?? '?',
  });
}

const marks = ['<!-- measured: begin -->', '<!-- measured: end -->'] as const;

/** Replaces the text between the marks; starts the page if it does not exist. */
function putInto(file: string, text: string): void {
  const before = existsSync(file) ? readFileSync(file, 'utf8') : `# Performance\n\n${marks.join('\n')}\n`;
  const [begin, end] = [before.indexOf(marks[0]), before.indexOf(marks[1])];
  if (begin < 0 || end < begin) throw new Error(`${file} has no marks to put the result between`);
  writeFileSync(file, `${before.slice(0, begin)}${marks[0]}\n\n${text}\n\n${before.slice(end)}`);
}

async function main(): Promise<void> {
  const names = given.scenario as ScenarioName[];
  if (given.help || names.length === 0 || !names.every((name) => name in scenarios)) return say(usage);
  const { addresses, stop } = await startServers({ durable: true });
  const running = new Running(addresses);
  try {
    const machine = await versionsOf(addresses);
    const head = `${machineLine(machine)}; medians of ${rounds} rounds of ${seconds} s (least–most)`;
    say(head);
    mkdirSync(results, { recursive: true });
    const [all, reports] = [new Map<string, Sample[]>(), [] as string[]];
    for (const name of names) {
      const { samples, report } = await runScenario(name, addresses, running);
      all.set(name, samples);
      reports.push(report);
      say(`\n${report}`);
      const file = join(results, `${name}-${new Date().toISOString().replaceAll(':', '')}`);
      writeFileSync(`${file}.md`, `${head}\n\n${report}\n`);
      writeFileSync(
        `${file}.json`,
        JSON.stringify({ machine, given, processes: running.processes, samples }, undefined, 1),
      );
      if (given.report !== undefined)
        putInto(
          given.report,
          [`Measured ${new Date().toISOString().slice(0, 10)}: ${head}.`, verdicts(all), ...reports].join('\n\n'),
        );
    }
    say(`\n${verdicts(all)}`);
  } finally {
    await running.stop();
    await stop();
  }
}

// A signal also ends everything that this process started.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
await main();
process.exit(0);
