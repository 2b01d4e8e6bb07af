import type { Message } from '@parley/client';
import { createClient, memoryStorage } from '@parley/client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Directory } from './directory.js';
import { styledTextOf } from './message-text.js';

const directory = new Directory(createClient({ url: 'http://127.0.0.1:9', storage: memoryStorage() }));
const styled = (body: string): string =>
  styledTextOf({ body, type: 'text', attachments: [], mentions: [] as string[] } as unknown as Message, directory);

describe('the text of a message on the screen', () => {
  beforeEach(() => void vi.stubEnv('FORCE_COLOR', '1'));
  afterEach(() => void vi.unstubAllEnvs());

  it('has the styles of its formatting', () => {
    expect(styled('**b** *i* ~~s~~ `c` https://a.example/x')).toBe(
      '\u001b[1mb\u001b[22m \u001b[3mi\u001b[23m \u001b[9ms\u001b[29m \u001b[36mc\u001b[39m \u001b[4mhttps://a.example/x\u001b[24m',
    );
  });

  it('shows where a labelled link leads', () => {
    expect(styled('[bank](https://evil.example/)')).toBe('\u001b[4mbank\u001b[24m (https://evil.example/)');
  });

  it('shows quotes, lists and code by signs', () => {
    vi.stubEnv('FORCE_COLOR', '0');
    expect(styled('> quoted\n- one\n- two\n  more\n3. three\n```\ncode\n```')).toBe(
      '│ quoted\n• one\n• two\n  more\n3. three\n▏code',
    );
  });

  it('has no control sequences of others', () => {
    vi.stubEnv('FORCE_COLOR', '0');
    expect(styled('**\u001b[31mred\u001b[0m** \u009b2J')).not.toMatch(/\p{Cc}/u);
  });
});
