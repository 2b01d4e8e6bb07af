/** Runs the commands that documents tell operators to type, on a deployment with data. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Terminal } from './documents.js';

describe('for an operator', () => {
  let terminal: Terminal;
  beforeAll(async () => {
    terminal = await Terminal.open();
  });
  afterAll(() => terminal?.close());

  it.each(['docs/getting-started.md', 'docs/configuration.md', 'docs/runbook.md', 'docs/deploy-kubernetes.md'])(
    '%s has commands that work as written',
    { timeout: 600_000 },
    async (document) => {
      expect(await terminal.follow(document)).toBeUndefined();
    },
  );
});
