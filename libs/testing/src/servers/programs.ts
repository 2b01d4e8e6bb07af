import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The servers that tests need, as locally installed programs. */
export type Product = 'rabbitmq' | 'postgres' | 'redis';

const sorted = (folder: string): string[] =>
  existsSync(folder) ? readdirSync(folder).toSorted((a, b) => Number.parseFloat(b) - Number.parseFloat(a)) : [];

/** Where packages put programs that are not on the PATH; newest version first. */
const places: Readonly<Record<Product, () => string[]>> = {
  // Before the PATH: Debian's wrapper of the same name there insists on the rabbitmq user and the system's own node.
  rabbitmq: () => ['/usr/lib/rabbitmq/bin', '/opt/homebrew/opt/rabbitmq/sbin', '/usr/local/opt/rabbitmq/sbin'],
  postgres: () =>
    ['/usr/lib/postgresql', '/opt/homebrew/opt', '/usr/local/opt'].flatMap((base) =>
      sorted(base).map((version) => join(base, version, 'bin')),
    ),
  redis: () => [],
};

const programs: Readonly<Record<Product, readonly string[]>> = {
  rabbitmq: ['rabbitmq-server'],
  postgres: ['initdb', 'postgres'],
  redis: ['redis-server', 'valkey-server'],
};

/** The path of a program of a product, or undefined when it is not installed. */
export function findProgram(product: Product, program = programs[product][0] ?? ''): string | undefined {
  const names = product === 'redis' ? programs.redis : [program];
  const folders = [...places[product](), ...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
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

const debian: Readonly<Record<Product, string>> = {
  rabbitmq: 'rabbitmq-server',
  postgres: 'postgresql',
  redis: 'redis-server',
};

export function missingProducts(): Product[] {
  return (Object.keys(programs) as Product[]).filter((product) =>
    programs[product].every((program) => findProgram(product, program) === undefined),
  );
}

function canInstall(): boolean {
  const id = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  return process.getuid?.() === 0 && /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(id) && existsSync('/usr/bin/apt-get');
}

/** While `work` runs, packages that are installed don't start their services. */
async function withoutServices(work: () => Promise<void>): Promise<void> {
  const policy = '/usr/sbin/policy-rc.d';
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  await work().finally(() => {
    if (ours) rmSync(policy, { force: true });
  });
}

/**
 * Installs packages of Debian or Ubuntu, as root, having said so; their services are not started. Where that can't be,
 * rejects with a message that says what is missing.
 */
export async function installPackages(packages: readonly string[], say: (line: string) => void): Promise<void> {
  if (!canInstall()) throw new Error(`not installed: ${packages.join(', ')}`);
  say(`installing ${packages.join(', ')} with apt-get (services stay off)`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const limits = { env, timeout: 420_000, maxBuffer: 64 << 20 };
  await withoutServices(async () => {
    await run('apt-get', ['update', '-qq'], limits);
    await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], limits);
  });
}

/** Makes sure that the servers' programs are there: installs those that are missing, see {@link installPackages}. */
export async function ensurePrograms(say: (line: string) => void): Promise<void> {
  const missing = missingProducts().map((product) => debian[product]);
  if (missing.length === 0) return;
  await installPackages(missing, say);
  const still = missingProducts();
  if (still.length > 0) throw new Error(`installed, but not found: ${still.join(', ')}`);
}
