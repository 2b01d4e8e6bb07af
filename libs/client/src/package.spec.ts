import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { platform, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const run = promisify(execFile);

const program = `
import { createClient, type ChatMessage } from '@parley/client';
import { fileStorage } from '@parley/client/node';
const client = createClient({ url: 'http://127.0.0.1:9', storage: fileStorage('.') });
const bodyOf = ({ body }: ChatMessage): string => body;
// @ts-expect-error -- no such field
export const misspelt = () => client.send('id', { bodi: 'Hello' });
export const lengthOf = (id: string): number | undefined => client.getState().conversations.get(id)?.messages.map(bodyOf)[0]?.length;
console.log(client.getState().connection, lengthOf('nothing'));
`;
const component = `
import { useConversations, useUser } from '@parley/client/react';
export const First = (): string | undefined => useUser(useConversations()[0]?.partnerId ?? '')?.displayName;
`;

it('is a package that type-checks and runs without the rest of the repository', { timeout: 120_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'parley-package-'));
  const modules = join(folder, 'node_modules');
  /** Links a third-party package into the folder. */
  const link = async (name: string): Promise<void> => {
    await mkdir(dirname(join(modules, name)), { recursive: true });
    await symlink(join(root, 'node_modules', name), join(modules, name), 'junction');
  };
  const check = () =>
    run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder]).then(
      () => '',
      ({ stdout, stderr, message }: { stdout: string; stderr: string; message: string }) => stdout || stderr || message,
    );
  try {
    for (const name of ['client', 'contracts']) {
      const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], {
        cwd: join(root, 'libs', name),
        shell: platform() === 'win32',
      });
      const [packed] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
      expect(
        packed.files
          .map(({ path }) => path)
          .filter((path) => !/^(?:package\.json|README\.md|dist\/(?:[\w-]+\/)?[\w-]+(?:\.d\.ts|\.js))$/.test(path)),
      ).toEqual([]);
      await mkdir(join(modules, '@parley', name), { recursive: true });
      await run('tar', [
        '-xzf',
        join(folder, packed.filename),
        '--strip-components=1',
        '-C',
        join(modules, '@parley', name),
      ]);
      const { dependencies, ...rest } = JSON.parse(
        await readFile(join(modules, '@parley', name, 'package.json'), 'utf8'),
      ) as { dependencies: Record<string, string> };
      expect(rest).not.toHaveProperty('private');
      for (const dependency of Object.keys(dependencies))
        if (!dependency.startsWith('@parley/')) await link(dependency);
    }
    expect((await readdir(join(modules, '@parley'))).sort()).toEqual(['client', 'contracts']);
    await writeFile(join(folder, 'package.json'), '{"type":"module"}');
    await writeFile(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: { target: 'es2022', module: 'nodenext', strict: true, skipLibCheck: false, types: [] },
        include: ['*.ts'],
      }),
    );
    await writeFile(join(folder, 'program.ts'), program);
    expect(await check()).toBe('');
    expect((await run(process.execPath, ['program.js'], { cwd: folder })).stdout).toBe('signed-out undefined\n');

    for (const name of ['react', '@types/react']) await link(name);
    await writeFile(join(folder, 'component.ts'), component);
    expect(await check()).toBe('');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
