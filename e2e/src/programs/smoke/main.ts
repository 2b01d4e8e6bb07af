/**
 * `npm run smoke:compose [-- --replicas --keep --no-build]`: starts the cluster of `docker-compose.yml` as a separate
 * project on free ports, runs the demo against it, restarts each service and each server under load, checks every
 * promise, and removes it with its volumes. Needs Docker with Compose v2 or docker-compose 1.29.
 */
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { freePort } from '@parley/testing';
import pg from 'pg';
import { demo } from '../demo/demo.js';
import { check } from '../faults/check.js';
import { History, Load } from '../faults/load.js';

const root = join(import.meta.dirname, '../../../..');
const { values } = parseArgs({
  options: {
    replicas: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    'no-build': { type: 'boolean', default: false },
  },
});
const READY_TIMEOUT_MS = 240_000;
/** The order of restarts: services first, then their servers. */
const restarted = ['gateway', 'auth', 'messages', 'history', 'presence', 'redis', 'rabbitmq', 'postgres'] as const;

const begun = Date.now();
const say = (line: string): void =>
  void process.stdout.write(`${((Date.now() - begun) / 1000).toFixed(0).padStart(4)} s  ${line}\n`);

/** `docker compose`, or else `docker-compose`. */
async function composeCommand(): Promise<readonly [string, ...string[]]> {
  for (const [file, ...args] of [['docker', 'compose'], ['docker-compose']] as const) {
    if (
      await promisify(execFile)(file, [...args, 'version']).then(
        () => true,
        () => false,
      )
    )
      return [file, ...args];
  }
  throw new Error('there is neither docker compose nor docker-compose');
}

class Compose {
  private constructor(
    private readonly command: readonly [string, ...string[]],
    private readonly env: NodeJS.ProcessEnv,
    private readonly options: readonly string[],
  ) {}

  static async open(env: Readonly<Record<string, string>>, override: string): Promise<Compose> {
    const profiles = values.replicas ? ['--profile', 'replicas'] : [];
    // The caller's environment may configure another cluster, so it is not passed on.
    const { PATH, HOME, DOCKER_HOST } = process.env;
    const own = Object.fromEntries(
      Object.entries({ PATH, HOME, DOCKER_HOST, ...env }).filter(([, value]) => value !== undefined),
    );
    return new Compose(await composeCommand(), own, [
      '--project-name',
      'parley-smoke',
      '--project-directory',
      root,
      '-f',
      join(root, 'docker-compose.yml'),
      '-f',
      override,
      ...profiles,
    ]);
  }

  /** Runs a command, and prints its output only if it fails. */
  async do(...args: string[]): Promise<string> {
    const [file, ...before] = this.command;
    const child = spawn(file, [...before, ...this.options, ...args], {
      env: this.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [out, all]: [string[], string[]] = [[], []];
    child.stdout.setEncoding('utf8').on('data', (text: string) => void (out.push(text), all.push(text)));
    child.stderr.setEncoding('utf8').on('data', (text: string) => void all.push(text));
    const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
    if (code !== 0) throw new Error(`${args.join(' ')} ended with ${String(code)}:\n${all.join('').slice(-4_000)}`);
    return out.join('');
  }

  /** Every container that has a health check is healthy. */
  async healthy(): Promise<void> {
    const ids = (await this.do('ps', '-q'))
      .trim()
      .split('\n')
      .filter((id) => id !== '');
    for (const deadline = Date.now() + READY_TIMEOUT_MS; ; await pause(1_000)) {
      const { stdout } = await promisify(execFile)('docker', [
        'inspect',
        '--format',
        '{{.Name}} {{if .State.Health}}{{.State.Health.Status}}{{else}}-{{end}} {{.State.Status}} {{.State.ExitCode}}',
        ...ids,
      ]);
      const lines = stdout.trim().split('\n');
      const bad = lines.filter((line) => !/ healthy running | - running | exited 0$/.test(line));
      if (bad.length === 0) return;
      if (Date.now() > deadline) throw new Error(`not healthy after ${READY_TIMEOUT_MS / 1000} s: ${bad.join('; ')}`);
    }
  }
}

async function smoke(
  compose: Compose,
  urls: readonly string[],
  databasePort: number,
  history: History,
): Promise<boolean> {
  if (!values['no-build']) {
    say('building the images');
    await compose.do('build');
  }
  say('starting');
  await compose.do('up', '--detach', '--no-build');
  await compose.healthy();
  say('everything is healthy');
  await demo(urls, (line) => say(`  ${line}`));
  const load = new Load({ seed: 1, urls, history });
  await load.arrive();
  // A final failure of a user is a finding; the program continues.
  process.on('unhandledRejection', (error) => void load.complaints.unanswered.push(String(error)));
  load.start();
  for (const service of values.replicas
    ? restarted.flatMap((one) => (['redis', 'rabbitmq', 'postgres'].includes(one) ? [one] : [one, `${one}-2`]))
    : restarted) {
    await pause(4_000);
    const before = load.acknowledged;
    const from = Date.now();
    await compose.do('restart', '--timeout', '60', service);
    await compose.healthy();
    say(
      `restarted ${service} in ${((Date.now() - from) / 1000).toFixed(1)} s; ${load.acknowledged - before} messages were acknowledged meanwhile`,
    );
  }
  await pause(5_000);
  await load.stop().catch((error: unknown) => void load.complaints.unanswered.push(String(error)));
  const password = (await compose.do('exec', '-T', 'postgres', 'cat', '/run/secrets/POSTGRES_PASSWORD')).trim();
  const findings = await check(load, async <T>(text: string, parameters: readonly unknown[]) => {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: databasePort,
      user: 'parley',
      database: 'parley',
      password,
    });
    await client.connect();
    try {
      return (await client.query(text, [...parameters])).rows as T[];
    } finally {
      await client.end();
    }
  });
  load.stopRecording();
  load.leave();
  say(`${load.acknowledged} messages were acknowledged, ${load.retries} calls were tried again`);
  for (const [kind, entries] of Object.entries(findings))
    for (const entry of entries.slice(0, 10)) say(`BROKEN  ${kind}: ${entry}`);
  if (Object.keys(findings).length === 0) say('every promise held');
  return Object.keys(findings).length === 0;
}

async function main(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-smoke-'));
  const [port, databasePort] = [await freePort(), await freePort()];
  const override = join(folder, 'smoke.yml');
  await writeFile(
    override,
    JSON.stringify({
      version: '3.8',
      // Nothing is published from an internal network.
      services: { postgres: { ports: [`127.0.0.1:${databasePort}:5432`], networks: ['database', 'check'] } },
      networks: { check: {} },
    }),
  );
  // Keeps the history and the containers' logs if a promise was broken.
  const history = new History(join(folder, 'history.jsonl'));
  let held = false;
  const compose = await Compose.open(
    { PORT: String(port), ADDRESS_LIMIT_SCALE: '100', USER_LIMIT_SCALE: '100' },
    override,
  );
  try {
    held = await smoke(compose, [`http://127.0.0.1:${port}`], databasePort, history);
  } catch (error) {
    say(`BROKEN  ${error instanceof Error ? error.message : String(error)}`);
    say((await compose.do('logs', '--tail', '15').catch(String)).slice(-8_000));
  } finally {
    await history.close();
    if (!held) await writeFile(join(folder, 'containers.log'), await compose.do('logs', '--timestamps').catch(String));
    if (!values.keep)
      await compose.do('down', '--volumes', '--timeout', '60').then(
        () => say('taken down'),
        (error: unknown) => say(String(error)),
      );
    if (held) await rm(folder, { recursive: true });
    else say(`the history and the logs are in ${folder}`);
  }
  return held ? 0 : 1;
}

process.exit(await main());
