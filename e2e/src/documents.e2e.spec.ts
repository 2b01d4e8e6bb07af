/** What documents tell people to type is typed. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually, freePort } from '@parley/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

interface Block {
  /** `server` goes on in a terminal of its own until one that is `stopped`; anything else runs to its end. */
  readonly kind: string;
  readonly script: string;
}

const blocksOf = (document: string): Block[] => [...document.matchAll(/^```sh runnable ?(\w*)\n([^]*?)^```$/gm)].map(([, kind, script]) => ({ kind: kind!, script: script! }));

/** A terminal in the repository. Only the address and the folders are others than in the document: those may be somebody's. */
class Terminal {
  private server: ChildProcess | undefined;
  output = '';
  private constructor(private readonly folder: string, private readonly port: number) {}

  static open = async (): Promise<Terminal> => new Terminal(await mkdtemp(join(tmpdir(), 'parley-documents-')), await freePort());

  private type(script: string): ChildProcess {
    const placed = script.replaceAll('localhost:3000', `localhost:${this.port}`).replaceAll(/(?<= )\.\//g, `${this.folder}/`);
    // What one block exports the next ones have.
    const remembered = `touch '${this.folder}/env'; . '${this.folder}/env'; set -e\n${placed}\nexport -p > '${this.folder}/env'`;
    const env = { ...process.env, PORT: String(this.port), DATA_DIR: join(this.folder, 'data'), XDG_STATE_HOME: join(this.folder, 'state') };
    const shell = spawn('bash', ['-c', remembered], { cwd: root, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [shell.stdout, shell.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    return shell;
  }

  /** All of them; answers the first that failed, with what was printed. */
  async follow(blocks: readonly Block[]): Promise<string | undefined> {
    for (const { kind, script } of blocks) {
      if (kind === 'stopped') await this.interrupt();
      if (kind === 'server') await this.serve(script);
      else if ((await this.run(script)) !== 0) return `${script}\n${this.output}`;
    }
    return undefined;
  }

  private async run(script: string): Promise<number | null> {
    const shell = this.type(script);
    const [code] = (await once(shell, 'close', { signal: AbortSignal.timeout(120_000) })) as [number | null];
    return code;
  }

  private async serve(script: string): Promise<void> {
    this.server = this.type(script);
    await eventually(async () => (await fetch(`http://localhost:${this.port}/health/ready`)).ok, { timeoutMs: 90_000 });
  }

  /** Ctrl-C. */
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
    await rm(this.folder, { recursive: true, force: true });
  }
}

describe.each(['docs/getting-started.md'])('%s', (document) => {
  let terminal: Terminal;
  beforeEach(async () => {
    terminal = await Terminal.open();
  });
  afterEach(() => terminal?.close());

  it('has commands that work as they stand there, one after another', async () => {
    const blocks = blocksOf(await readFile(join(root, document), 'utf8'));
    expect(blocks.length).toBeGreaterThan(0);
    expect(await terminal.follow(blocks)).toBeUndefined();
  });
});
