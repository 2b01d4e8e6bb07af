import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { serveInstalledPackages } from '@parley/testing';
import { build, type Rolldown } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const shell = platform() === 'win32';
const run = promisify(execFile);

describe('the packed components', { timeout: 240_000 }, () => {
  let folder: string;

  /** A folder outside of the repository, in which the packages, React and nothing else were installed. */
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-react-ui-'));
    const registry = await serveInstalledPackages();
    try {
      const packed: string[] = [];
      // One after another: both compile the client.
      for (const name of ['client', 'react-ui']) {
        const options = ['pack', '--json', '--pack-destination', folder];
        const { stdout } = await run('npm', options, { cwd: join(root, 'libs', name), shell });
        const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf('[\n'))) as [{ filename: string }];
        packed.push(join(folder, filename));
      }
      await writeFile(join(folder, 'package.json'), '{"type":"module"}');
      const options = ['--no-audit', '--no-fund', '--registry', registry.url, '--cache', join(folder, 'cache')];
      const react = ['react', 'react-dom', '@types/react', '@types/react-dom'];
      await run('npm', ['install', ...options, ...packed, ...react], { cwd: folder, shell });
    } finally {
      registry.close();
    }
  }, 240_000);
  afterAll(() => rm(folder, { recursive: true, force: true }), 60_000);

  it('contain modules, types, one file of styles, the licence and a description, and nothing else', async () => {
    const own = join(folder, 'node_modules/@parley');
    expect((await readdir(own)).toSorted()).toEqual(['client', 'react-ui']);
    const files = (await readdir(join(own, 'react-ui'), { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name).slice(join(own, 'react-ui/').length));
    const allowed =
      /^(?:package\.json|README\.md|LICENSE|dist\/package\/styles\.css|dist\/(?:package|embed)\/(?:strings\/)?[\w-]+\.js|dist\/types\/(?:[\w-]+\/)*[\w-]+\.d\.ts)$/;
    expect(files.filter((file) => !allowed.test(file) || /spec/.test(file))).toEqual([]);
    const modules = files.filter((file) => /^dist\/package\/.*\.js$/.test(file));
    const texts = await Promise.all(modules.map((file) => readFile(join(own, 'react-ui', file), 'utf8')));
    // React and the client are those of the product.
    const imported = new Set(
      texts.flatMap((text) => [...text.matchAll(/^import .*?["']([^."'][^"']*)["'];$/gm)].map(([, name]) => name)),
    );
    expect([...imported].toSorted()).toEqual([
      '@parley/client',
      '@parley/client/react',
      'lowlight',
      'lucide-react',
      'react',
      'react-dom',
      'react/jsx-runtime',
    ]);
  });

  it('have types that need no skipLibCheck, and are taken into a product by its bundler', async () => {
    const guide = await readFile(join(root, 'docs/embedding.md'), 'utf8');
    const [program] = /```tsx\n([^]*?)```/.exec(guide)!.slice(1);
    const project = join(folder, 'product');
    await mkdir(project);
    await writeFile(join(project, 'program.tsx'), program!);
    await writeFile(
      join(project, 'wrong.tsx'),
      'import { Chat } from \'@parley/react-ui\';\n// @ts-expect-error -- no client\nexport const wrong = <Chat theme="dusk" />;\n',
    );
    const compilerOptions = {
      module: 'esnext',
      moduleResolution: 'bundler',
      target: 'es2022',
      lib: ['es2024', 'dom', 'dom.iterable'],
      jsx: 'react-jsx',
      strict: true,
      skipLibCheck: false,
      noEmit: true,
      types: [],
    };
    await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.tsx'] }));
    const tsc = [join(root, 'node_modules/typescript/bin/tsc'), '-p', project];
    const problems = await run(process.execPath, tsc).then(
      () => '',
      ({ stdout, stderr, message }: { stdout: string; stderr: string; message: string }) => stdout || stderr || message,
    );
    expect(problems).toBe('');
    const { output } = (await build({
      configFile: false,
      root: project,
      logLevel: 'silent',
      build: { write: false, rolldownOptions: { input: join(project, 'program.tsx') } },
    })) as Rolldown.RolldownOutput;
    const styles = output.find(({ fileName }) => fileName.endsWith('.css'));
    expect(styles?.type === 'asset' && String(styles.source)).toContain('.parley .composer');
  });

  it('can be imported where there is no page, as on a server', async () => {
    const program = "console.log(Object.keys(await import('@parley/react-ui')).includes('Chat'))";
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], { cwd: folder });
    expect(stdout).toBe('true\n');
  });
});
