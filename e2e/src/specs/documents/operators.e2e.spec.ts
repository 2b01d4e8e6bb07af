/** What documents tell operators to type is typed, after there is something to operate. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Terminal } from './documents.js';

describe('whoever operates what was begun', () => {
  let terminal: Terminal;
  beforeAll(async () => {
    terminal = await Terminal.open();
  });
  afterAll(() => terminal?.close());

  it.each(['docs/getting-started.md', 'docs/configuration.md', 'docs/runbook.md', 'docs/deploy-kubernetes.md'])(
    '%s has commands that work as they stand there',
    { timeout: 600_000 },
    async (document) => {
      expect(await terminal.follow(document)).toBeUndefined();
    },
  );
});
