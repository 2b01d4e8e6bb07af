import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cluster, type Deployment } from '../../deployments/modes.js';

const program = join(import.meta.dirname, '../../../dist/programs/demo/main.js');
const run = async (...args: string[]): Promise<{ code: number; stdout: string }> =>
  promisify(execFile)(process.execPath, [program, ...args], { timeout: 120_000 }).then(
    ({ stdout }) => ({ code: 0, stdout }),
    (error: { code: number; stdout: string }) => ({ code: error.code, stdout: error.stdout }),
  );

describe('the demo', () => {
  it('keeps every promise on its own embedded server', async () => {
    const { code, stdout } = await run();
    expect(stdout).toContain('Every promise held.');
    expect(code).toBe(0);
  });

  it('fails with a message if there is no server', async () => {
    const { code, stdout } = await run('--url', 'http://127.0.0.1:1');
    expect(stdout).toContain('BROKEN');
    expect(code).toBe(1);
  });

  describe('on a cluster', () => {
    let deployment: Deployment;
    beforeAll(async () => {
      deployment = await cluster();
    });
    afterAll(() => deployment?.stop());

    it('keeps every promise with clients at one gateway', async () => {
      const { code, stdout } = await run('--url', deployment.urls[0]!);
      expect(stdout).toContain('Every promise held.');
      expect(code).toBe(0);
    });

    it('keeps every promise with clients spread over two gateways', async () => {
      const { code, stdout } = await run(...deployment.urls.flatMap((url) => ['--url', url]));
      expect(stdout).toContain('Every promise held.');
      expect(code).toBe(0);
    });
  });
});
