import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const patches = readdirSync(`${root}/e2e/mutations`).filter((name) => name.endsWith('.patch'));

it('there are patches that remove guards', () => {
  expect(patches.length).toBeGreaterThan(10);
});

it.each(patches)('e2e/mutations/%s applies to the sources', (patch) => {
  expect(() => execFileSync('git', ['apply', '--check', `e2e/mutations/${patch}`], { cwd: root })).not.toThrow();
});
