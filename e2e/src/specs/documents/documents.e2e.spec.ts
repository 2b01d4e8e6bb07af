/** What documents tell people to type is typed. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Terminal } from './documents.js';

describe('whoever comes for the first time', () => {
  let terminal: Terminal;
  beforeAll(async () => {
    terminal = await Terminal.open();
  });
  afterAll(() => terminal?.close());

  it.each(['docs/getting-started.md', 'README.md'])(
    '%s has commands that work as they stand there',
    { timeout: 600_000 },
    async (document) => {
      expect(await terminal.follow(document)).toBeUndefined();
    },
  );
});
