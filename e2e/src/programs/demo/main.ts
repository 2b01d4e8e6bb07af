/** `npm run demo [-- --url URL …]`. Without an address it starts its own server in a temporary folder. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startEmbedded } from '@parley/testing/service-process';
import { demo } from './demo.js';

const usage = `npm run demo [-- --url URL …]

Three clients register, chat in a direct and a group conversation, disconnect and reconnect. The demo checks every promise on the way;
the exit code is 1 if one is broken. Without --url it starts its own server and removes it afterwards. With several addresses of one
deployment the clients spread over them.
`;

async function withOwnServer(work: (url: string) => Promise<void>): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-demo-'));
  try {
    const server = await startEmbedded({ dataDir });
    say(`server       ${server.url}, embedded, in ${dataDir}`);
    try {
      await work(server.url);
    } finally {
      await server.stop();
    }
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

const say = (line: string): void => void process.stdout.write(`  ${line}\n`);

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { url: { type: 'string', multiple: true }, help: { type: 'boolean' } } });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  try {
    if (values.url) await demo(values.url, say);
    else await withOwnServer((url) => demo([url], say));
    process.stdout.write('\nEvery promise held.\n');
    return 0;
  } catch (error) {
    const reason = error instanceof Error ? `${error.name}: ${error.message}${causeOf(error)}` : String(error);
    process.stdout.write(`\nBROKEN  ${reason}\n`);
    return 1;
  }
}

const causeOf = ({ cause }: Error): string => (cause instanceof Error ? ` (${cause.message})` : '');

process.exit(await main());
