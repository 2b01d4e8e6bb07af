/** Runs the commands that documents tell users to type. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Terminal } from './documents.js';

describe('for a new user', () => {
  let terminal: Terminal;
  beforeAll(async () => {
    terminal = await Terminal.open();
  });
  afterAll(() => terminal?.close());

  it.each(['docs/getting-started.md', 'README.md'])(
    '%s has commands that work as written',
    { timeout: 600_000 },
    async (document) => {
      expect(await terminal.follow(document)).toBeUndefined();
    },
  );
});
