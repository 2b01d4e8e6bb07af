import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The products whose locally installed programs tests can use. */
export type Product = 'rabbitmq' | 'postgres' | 'redis' | 'pgbouncer';
/** The products that every run of tests needs. */
const needed: readonly Product[] = ['rabbitmq', 'postgres', 'redis'];

const newestFirst = (folder: string): string[] =>
  existsSync(folder) ? readdirSync(folder).toSorted((a, b) => Number.parseFloat(b) - Number.parseFloat(a)) : [];

/** Folders outside of the PATH where packages put programs, newest version first. */
const foldersOf: Readonly<Record<Product, () => string[]>> = {
  // Before the PATH, because Debian's wrapper there requires the rabbitmq user and the system's own node.
  rabbitmq: () => ['/usr/lib/rabbitmq/bin', '/opt/homebrew/opt/rabbitmq/sbin', '/usr/local/opt/rabbitmq/sbin'],
  postgres: () =>
    ['/usr/lib/postgresql', '/opt/homebrew/opt', '/usr/local/opt'].flatMap((base) =>
      newestFirst(base).map((version) => join(base, version, 'bin')),
    ),
  redis: () => [],
  pgbouncer: () => [],
};

const programs: Readonly<Record<Product, readonly string[]>> = {
  rabbitmq: ['rabbitmq-server'],
  postgres: ['initdb', 'postgres'],
  redis: ['redis-server', 'valkey-server'],
  pgbouncer: ['pgbouncer'],
};

/** The path of a product's program. Undefined if it is not installed. */
export function findProgram(product: Product, program = programs[product][0] ?? ''): string | undefined {
  const names = product === 'redis' ? programs.redis : [program];
  const folders = [
    ...foldersOf[product](),
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/sbin',
    '/usr/local/sbin',
  ];
  return folders
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

const debianPackages: Readonly<Record<Product, string>> = {
  rabbitmq: 'rabbitmq-server',
  postgres: 'postgresql',
  redis: 'redis-server',
  pgbouncer: 'pgbouncer',
};

/** The servers of which a program is not installed. */
export const missingProducts = (wanted: readonly Product[] = needed): Product[] =>
  wanted.filter((product) => programs[product].every((program) => findProgram(product, program) === undefined));

function canInstall(): boolean {
  const id = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  return process.getuid?.() === 0 && /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(id) && existsSync('/usr/bin/apt-get');
}

/** Runs `work`, during which newly installed packages do not start their services. */
async function withoutServices(work: () => Promise<void>): Promise<void> {
  const policy = '/usr/sbin/policy-rc.d';
  const isOurs = !existsSync(policy);
  if (isOurs) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  await work().finally(() => {
    if (isOurs) rmSync(policy, { force: true });
  });
}

/**
 * Installs packages of Debian or Ubuntu, as root and after an announcement by `say`, without starting their services.
 * Rejects with a message that names the packages where that is impossible.
 */
export async function installPackages(packages: readonly string[], say: (line: string) => void): Promise<void> {
  if (!canInstall()) throw new Error(`not installed: ${packages.join(', ')}`);
  say(`installing ${packages.join(', ')} with apt-get (services stay off)`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const options = { env, timeout: 420_000, maxBuffer: 64 << 20 };
  await withoutServices(async () => {
    await run('apt-get', ['update', '-qq'], options);
    await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], options);
  });
}

/**
 * Installs the servers' programs that are missing: see {@link installPackages}. Default: those that every run needs.
 */
export async function ensurePrograms(say: (line: string) => void, wanted: readonly Product[] = needed): Promise<void> {
  const missing = missingProducts(wanted).map((product) => debianPackages[product]);
  if (missing.length === 0) return;
  await installPackages(missing, say);
  const stillMissing = missingProducts(wanted);
  if (stillMissing.length > 0) throw new Error(`installed, but not found: ${stillMissing.join(', ')}`);
}
