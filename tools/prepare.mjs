// Prepares every script: Node 24, installed packages, a current build. Runs on Node 20 with nothing installed.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { arch, platform } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
const windows = platform() === 'win32';
const wanted = 24;

/** @param {string} line */
export const say = (line) => void process.stderr.write(`${line}\n`);

/** A failure that is reported in one line, with an exit code. */
export class Failure extends Error {
  /** @param {string} message @param {number} [code] */
  constructor(message, code = 1) {
    super(message);
    this.code = code;
  }
}

/** The environment in which `node` is Node 24. @param {string} node */
export function environment(node) {
  const key = Object.keys(process.env).find((name) => name.toUpperCase() === 'PATH') ?? 'PATH';
  return {
    ...process.env,
    [key]: `${dirname(node)}${delimiter}${process.env[key] ?? ''}`,
    NX_DAEMON: 'false',
    NX_NO_CLOUD: 'true',
  };
}

/**
 * Calls `end` when npm, the parent of this process, exits: npm does not pass on every signal. Returns a function that
 * stops watching.
 * @param {() => void} end
 */
export function followNpm(end) {
  const parent = process.ppid;
  const timer = process.env.npm_lifecycle_event
    ? setInterval(() => process.ppid === parent || end(), 500).unref()
    : undefined;
  return () => clearInterval(timer);
}

/**
 * Runs a command and resolves with its exit code. Passes its output on; with `quiet` only if it fails.
 * @param {string} file @param {readonly string[]} args @param {{ env?: NodeJS.ProcessEnv, quiet?: boolean, shell?: boolean }} [options]
 */
export function run(file, args, { env = process.env, quiet = false, shell = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd: root,
      env,
      shell,
      stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['inherit', 'inherit', 'inherit'],
    });
    /** @type {Buffer[]} */
    const output = [];
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => output.push(chunk));
    // Ctrl-C in a terminal also reaches the child; a signal sent to this process does not.
    const wait = () => process.stdin.isTTY || void child.kill('SIGINT');
    process.on('SIGINT', wait);
    const pass = () => void child.kill('SIGTERM');
    process.on('SIGTERM', pass);
    const unfollow = followNpm(pass);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      process.off('SIGINT', wait).off('SIGTERM', pass);
      unfollow();
      if (code !== 0 && quiet) process.stderr.write(Buffer.concat(output));
      resolve(code ?? (signal === 'SIGINT' ? 130 : 1));
    });
  });
}

const npm = (/** @type {readonly string[]} */ args) =>
  run(windows ? 'npm.cmd' : 'npm', args, { quiet: true, shell: windows });

/** Whether the process that holds the lock is running. @param {string} lock */
function held(lock) {
  try {
    process.kill(Number(readFileSync(lock, 'utf8')) || process.pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
  }
}

/** Runs `work` under a lock, because several scripts may start in a fresh clone at once. @template T @param {() => Promise<T>} work @returns {Promise<T>} */
async function alone(work) {
  const lock = join(root, '.cache', 'lock');
  mkdirSync(dirname(lock), { recursive: true });
  for (let told = false; ; told = true) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
      if (!held(lock)) rmSync(lock, { force: true });
      else if (!told) say('waiting for another script that installs');
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

const major = (/** @type {string} */ version) => Number(version.replace('v', '').split('.')[0]);

const packagedNode = `node-${windows ? 'win' : platform()}-${arch()}`;
const nodeHome = join(root, '.cache', 'node24');
const nodeThere =
  major(process.version) >= wanted
    ? process.execPath
    : join(nodeHome, 'node_modules', packagedNode, 'bin', windows ? 'node.exe' : 'node');

/** Whether Node 24 is installed. npm writes its record last; without it the binary may be incomplete. */
const nodeReady = () =>
  nodeThere === process.execPath ||
  (existsSync(nodeThere) && existsSync(join(nodeHome, 'node_modules', '.package-lock.json')));

/** Fetches Node from its npm package for this platform, unless the running Node is new enough or it was fetched before. */
async function fetchNode() {
  if (nodeReady()) return;
  say(`fetching Node ${wanted} (this is ${process.version})`);
  mkdirSync(nodeHome, { recursive: true });
  const code = await npm([
    'install',
    '--no-save',
    '--no-package-lock',
    '--no-audit',
    '--no-fund',
    '--prefix',
    nodeHome,
    `${packagedNode}@${wanted}`,
  ]);
  if (code !== 0 || !nodeReady())
    throw new Failure(
      `could not get Node ${wanted} from npm's package ${packagedNode}; install Node ${wanted} and try again`,
    );
}

/** @param {string} path @returns {Record<string, { version?: string, link?: boolean, optional?: boolean, dev?: boolean }>} */
const packagesOf = (path) => JSON.parse(readFileSync(path, 'utf8')).packages;

/** Whether `node_modules` matches `package-lock.json`. Optional packages may be for other platforms. */
function installed() {
  const record = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(record)) return false;
  const present = packagesOf(record);
  return Object.entries(packagesOf(join(root, 'package-lock.json'))).every(
    ([path, entry]) =>
      !path.includes('node_modules/') ||
      entry.optional ||
      present[path]?.version === entry.version ||
      (entry.link && present[path]?.link),
  );
}

/** Installs the packages unless they are installed. */
async function install() {
  if (installed()) return;
  say('installing packages');
  const code = await npm(['ci', '--no-audit', '--no-fund', '--prefer-offline']);
  if (code !== 0) throw new Failure('npm ci failed');
}

/** The inputs of the web app and of the chat as an element. */
const webSources = ['apps/web', 'libs/react-ui', 'libs/client/src', 'libs/contracts/src', 'package-lock.json'];

/** A hash of their names, sizes and times. */
function webState() {
  const hash = createHash('sha256');
  /** @param {string} path */
  const add = (path) => {
    const stat = statSync(join(root, path));
    if (stat.isFile()) hash.update(`${path} ${stat.size} ${stat.mtimeMs}\n`);
    else
      for (const name of readdirSync(join(root, path)).toSorted())
        if (name !== 'dist' && name !== 'node_modules') add(`${path}/${name}`);
  };
  for (const path of webSources) add(path);
  return hash.digest('hex');
}

/** Builds the web app and the chat as an element unless their inputs are unchanged. @param {string} node */
export async function buildWeb(node) {
  const record = join(root, '.cache', 'web-build');
  const state = webState();
  const outputs = [
    ['apps/web', 'dist/index.html'],
    ['libs/react-ui', 'dist/embed/parley-chat.js'],
  ];
  const isThere = outputs.every(([folder = '', file = '']) => existsSync(join(root, folder, file)));
  if (isThere && existsSync(record) && readFileSync(record, 'utf8') === state) return;
  rmSync(record, { force: true });
  for (const [folder = ''] of outputs) {
    const code = await run(
      node,
      [join(root, 'node_modules', 'vite', 'bin', 'vite.js'), 'build', '--logLevel', 'warn', join(root, folder)],
      { env: environment(node) },
    );
    if (code !== 0) throw new Failure(`${folder} could not be built`);
  }
  mkdirSync(dirname(record), { recursive: true });
  writeFileSync(record, state);
}

/**
 * Prepares Node 24, the packages, the build, and with `web` the web app. Finished steps take almost no time. Resolves
 * with the path of Node.
 * @param {{ build?: boolean, web?: boolean }} [options]
 */
export async function prepare({ build = true, web = false } = {}) {
  if (!nodeReady() || !installed()) {
    await alone(async () => {
      const results = await Promise.allSettled([fetchNode(), install()]);
      for (const result of results) if (result.status === 'rejected') throw result.reason;
    });
  }
  if (build) {
    if (!existsSync(join(root, 'apps', 'standalone', 'dist', 'main.js'))) say('building');
    const types = run(nodeThere, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-b'], {
      env: environment(nodeThere),
    });
    // Both run to their end, even if one fails.
    const [built, builtWeb] = await Promise.allSettled([types, web ? buildWeb(nodeThere) : undefined]);
    if (built.status === 'rejected') throw built.reason;
    if (built.value !== 0) throw new Failure('the build failed');
    if (builtWeb.status === 'rejected') throw builtWeb.reason;
  }
  return nodeThere;
}

/** Runs a script's work, and reports a `Failure` in one line. @param {() => Promise<number>} work */
export async function main(work) {
  try {
    process.exitCode = await work();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    say(error.message);
    process.exitCode = error.code;
  }
}
