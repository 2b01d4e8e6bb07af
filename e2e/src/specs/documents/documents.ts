/** Follows documents as a reader does: runs blocks marked `sh runnable`, and saves blocks marked `js runnable NAME`. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually, freePort, freshDatabase, type FreshDatabase } from '@parley/testing';
import { inject } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../../..');

interface Block {
  readonly language: string;
  /**
   * `server` keeps running until a block marked `stopped`, or the next server; other blocks run to their end.
   * `database` provides a new one in DATABASE_URL. A block that is not for the shell is saved under this name.
   */
  readonly kind: string;
  readonly script: string;
}

/** The blocks in order. */
const blocksOf = (document: string): Block[] =>
  [...document.matchAll(/^( *)```(sh|js) runnable ?(\S*)\n([^]*?)^\1```$/gm)].map(
    ([, indent, language, kind, script]) => ({
      language: language!,
      kind: kind!,
      script: script!.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    }),
  );

/** A terminal in the repository. Address and folders differ from the document, because those may be in use. */
export class Terminal {
  private server: ChildProcess | undefined;
  private readonly databases: FreshDatabase[] = [];
  private output = '';
  private constructor(
    private readonly folder: string,
    private readonly port: number,
  ) {}

  static async open(): Promise<Terminal> {
    // Inside the repository, so that saved programs find its packages.
    const caches = join(root, '.cache');
    await mkdir(caches, { recursive: true });
    return new Terminal(await mkdtemp(join(caches, 'documents-')), await freePort());
  }

  private readonly elsewhere = (script: string): string =>
    script.replaceAll('localhost:3000', `localhost:${this.port}`);

  private type(script: string): ChildProcess {
    const placed = this.elsewhere(script).replaceAll(/(?<=[ =])\.\//g, `${this.folder}/`);
    // Later blocks see the exported variables of earlier ones.
    const remembered = `touch '${this.folder}/env'; . '${this.folder}/env'; set -eo pipefail\n${placed}\nexport -p > '${this.folder}/env'`;
    const env = {
      ...process.env,
      PORT: String(this.port),
      DATA_DIR: join(this.folder, 'data'),
      XDG_STATE_HOME: join(this.folder, 'state'),
    };
    const shell = spawn('bash', ['-c', remembered], {
      cwd: root,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [shell.stdout, shell.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    return shell;
  }

  /**
   * Runs all blocks of a document. Returns the first failed block with its output. Throws if the document has no blocks.
   */
  async follow(document: string): Promise<string | undefined> {
    this.output = '';
    const blocks = blocksOf(await readFile(join(root, document), 'utf8'));
    if (blocks.length === 0) throw new Error(`${document} has nothing to type`);
    for (const { language, kind, script } of blocks) {
      if (kind === 'stopped' || kind === 'server') await this.interrupt();
      if (kind === 'database')
        await this.run(`export DATABASE_URL='${await this.newDatabase()}' FILES_DIR=./cluster-files`);
      if (language !== 'sh') await writeFile(join(this.folder, kind), this.elsewhere(script));
      else if (kind === 'server') await this.serve(script);
      else if ((await this.run(script)) !== 0) return `${script}\n${this.output}`;
    }
    return undefined;
  }

  private async newDatabase(): Promise<string> {
    const database = await freshDatabase(inject('servers').databaseUrl);
    this.databases.push(database);
    return database.url;
  }

  private async run(script: string): Promise<number | null> {
    const shell = this.type(script);
    const patience = setTimeout(() => void process.kill(-shell.pid!, 'SIGKILL'), 300_000);
    const [code] = (await once(shell, 'close')) as [number | null];
    clearTimeout(patience);
    return code;
  }

  private async serve(script: string): Promise<void> {
    this.server = this.type(script);
    await eventually(async () => (await fetch(`http://localhost:${this.port}/health/ready`)).ok, { timeoutMs: 90_000 });
  }

  /** Presses Ctrl-C. */
  private async interrupt(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (server?.pid === undefined || server.exitCode !== null) return;
    const ended = once(server, 'close', { signal: AbortSignal.timeout(30_000) });
    process.kill(-server.pid, 'SIGINT');
    await ended;
  }

  async close(): Promise<void> {
    await this.interrupt();
    for (const database of this.databases) await database.drop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
