// npm test [-- vitest's arguments]: installs what is missing, builds, runs every test, and ends with a line `N passed, N failed`.
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { environment, main, prepare, root, run, say } from './prepare.mjs';
import { count } from './count.mjs';

await main(async () => {
  const report = join(root, '.cache', `tests-${process.pid}.json`);
  mkdirSync(join(root, '.cache'), { recursive: true });
  let code = 1;
  try {
    const node = await prepare({ web: true });
    const args = [
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
      ...process.argv.slice(2),
    ];
    code = Number(
      await run(node, [join(root, 'node_modules', 'vitest', 'vitest.mjs'), ...args], { env: environment(node) }),
    );
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
  }
  const { passed, failed } = count(existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : undefined, code);
  rmSync(report, { force: true });
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : code || 1;
});
