import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));

it('the code of the guide type-checks', { timeout: 120_000 }, async () => {
  const guide = await readFile(join(root, 'docs/client-guide.md'), 'utf8');
  const blocks = (language: string) =>
    [...guide.matchAll(new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``, 'g'))].map(([, code]) => code!);
  expect(blocks('ts').length).toBeGreaterThan(8);
  expect(guide.match(/^```/gm)).toHaveLength(2 * (blocks('ts').length + blocks('tsx').length));
  await mkdir(join(root, '.cache'), { recursive: true });
  // In the repository, so that packages are found. All blocks are one program, so that each may use the ones before it.
  const folder = await mkdtemp(join(root, '.cache', 'guide-'));
  try {
    await writeFile(join(folder, 'package.json'), '{"type":"module"}');
    await writeFile(join(folder, 'guide.ts'), blocks('ts').join('\n'));
    await writeFile(join(folder, 'react.tsx'), blocks('tsx').join('\n'));
    await writeFile(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        extends: join(root, 'tsconfig.base.json'),
        compilerOptions: {
          noEmit: true,
          composite: false,
          declaration: false,
          jsx: 'react-jsx',
          lib: ['es2024', 'dom', 'dom.iterable', 'dom.asynciterable'],
        },
        include: ['guide.ts', 'react.tsx'],
      }),
    );
    const problems = await promisify(execFile)(process.execPath, [
      join(root, 'node_modules/typescript/bin/tsc'),
      '-p',
      folder,
    ]).then(
      () => '',
      (error: { stdout: string }) => error.stdout,
    );
    expect(problems).toBe('');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
