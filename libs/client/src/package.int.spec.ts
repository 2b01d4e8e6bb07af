import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { serveInstalledPackages, startEmbedded, type ServiceProcess } from '@parley/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const shell = platform() === 'win32';
const run = promisify(execFile);

/** Needs every entry of the package, and has one mistake, which the compiler must see. */
const typed = `
import { createClient, ParleyError, type ChatMessage, type ClientState, type SocketInput } from '@parley/client';
import { formatBody, type Block } from '@parley/client/format';
import { fileStorage } from '@parley/client/node';
import { useConversations, useUser } from '@parley/client/react';
export const client = createClient({ url: 'http://127.0.0.1:9', storage: fileStorage('.') });
export const bodyOf = ({ body }: ChatMessage): string => body;
export const unread = ({ conversations }: ClientState): number => [...conversations.values()].reduce((sum, one) => sum + one.unread, 0);
export const draw: SocketInput<'drawing:draw'>['line'] = { id: '1', color: '#000000', width: 1, points: [0, 0] };
export const isGone = (error: unknown): boolean => error instanceof ParleyError && error.code === 'not_found';
export const useFirst = (): string | undefined => useUser(useConversations()[0]?.partnerId ?? '')?.displayName;
export const blocks = (body: string): readonly Block[] => formatBody(body);
// @ts-expect-error -- no such field
export const misspelt = () => client.send('id', { bodi: 'Hello' });
`;
/** Signs two guests in, and sends a message from one to the other. */
const chat = `
  const [ann, ben] = [1, 2].map(() => createClient({ url: process.argv[2], storage: memoryStorage() }));
  await Promise.all([ann.guest(), ben.guest()]);
  const heard = new Promise((resolve) => ben.on('message', ({ message }) => resolve(message.body)));
  const { id } = await ann.createConversation({ kind: 'direct', memberIds: [ben.getState().user.id] });
  const { seq } = await ann.send(id, { body: 'Hello, Ben' }).stored;
  console.log(seq, await heard, typeof fileStorage, formatBody('*Hello*')[0].children[0].kind);
  for (const client of [ann, ben]) client.disconnect();
`;
const names = '{ createClient, memoryStorage }';

describe('the packed client', { timeout: 240_000 }, () => {
  let folder: string;
  let server: ServiceProcess;

  /** A folder outside of the repository, in which the packed client is installed and nothing else was. */
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-package-'));
    const registry = await serveInstalledPackages();
    try {
      const [packed] = await Promise.all([
        run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: join(root, 'libs/client'), shell }),
        startEmbedded({ dataDir: join(folder, 'data') }).then((started) => (server = started)),
      ]);
      const [{ filename }] = JSON.parse(packed.stdout.slice(packed.stdout.indexOf('[\n'))) as [{ filename: string }];
      await writeFile(join(folder, 'package.json'), '{}');
      const options = ['--no-audit', '--no-fund', '--registry', registry.url, '--cache', join(folder, 'cache')];
      await run('npm', ['install', ...options, join(folder, filename)], { cwd: folder, shell });
      // Optional for the package; the compiler needs it where @parley/client/react is imported.
      await run('npm', ['install', ...options, 'react', '@types/react'], { cwd: folder, shell });
    } finally {
      registry.close();
    }
  }, 240_000);
  afterAll(async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  it('contains programs, types, the licence and a description, and nothing else', async () => {
    const own = join(folder, 'node_modules/@parley');
    expect(await readdir(own)).toEqual(['client']);
    const files = (await readdir(join(own, 'client'), { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name).slice(join(own, 'client/').length));
    const allowed =
      /^(?:package\.json|README\.md|LICENSE|dist\/cjs\/package\.json|dist\/(?:[\w-]+\/)*[\w-]+(?:\.d\.ts|\.js))$/;
    expect(files.filter((file) => !allowed.test(file) || /spec/.test(file))).toEqual([]);
    const { engines, license, type, dependencies } = JSON.parse(
      await readFile(join(own, 'client/package.json'), 'utf8'),
    ) as Record<string, unknown>;
    expect({ engines, license, type }).toEqual({ engines: { node: '>=18' }, license: 'MIT', type: 'module' });
    expect(Object.keys(dependencies as object).filter((name) => name.startsWith('@parley/'))).toEqual([]);
  });

  it.each([
    [
      'import',
      'chat.mjs',
      `import ${names} from '@parley/client';\nimport { fileStorage } from '@parley/client/node';\nimport { formatBody } from '@parley/client/format';\n${chat}`,
    ],
    [
      'require',
      'chat.cjs',
      `const ${names} = require('@parley/client');\nconst { fileStorage } = require('@parley/client/node');\nconst { formatBody } = require('@parley/client/format');\n(async () => {${chat}})();`,
    ],
  ])('chats with a server from a program that uses %s', async (_, file, code) => {
    await writeFile(join(folder, file), code);
    const { stdout } = await run(process.execPath, [file, server.url], { cwd: folder, timeout: 60_000 });
    expect(stdout).toBe('1 Hello, Ben function italic\n');
  });

  it.each([
    ['modules under node16', 'module', { module: 'node16', moduleResolution: 'node16' }],
    ['CommonJS under node16', 'commonjs', { module: 'node16', moduleResolution: 'node16' }],
    ['modules under nodenext', 'module', { module: 'nodenext', moduleResolution: 'nodenext' }],
    ['a bundler', 'module', { module: 'esnext', moduleResolution: 'bundler' }],
  ])('has types for %s, which need no skipLibCheck', async (_, type, options) => {
    const project = join(folder, `${type}-${options.moduleResolution}`);
    await mkdir(project);
    const compilerOptions = {
      ...options,
      target: 'es2022',
      strict: true,
      skipLibCheck: false,
      noEmit: true,
      types: [],
    };
    await writeFile(join(project, 'package.json'), JSON.stringify({ type }));
    await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
    await writeFile(join(project, 'program.ts'), typed);
    const problems = await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project]).then(
      () => '',
      ({ stdout, stderr, message }: { stdout: string; stderr: string; message: string }) => stdout || stderr || message,
    );
    expect(problems).toBe('');
  });
});
