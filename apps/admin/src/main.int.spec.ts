import { execFile } from 'node:child_process';
import { access, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const program = join(import.meta.dirname, '../dist/main.js');
/** Runs the built program. */
const admin = (...args: string[]): Promise<{ code: number; out: string; err: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], { env: { PATH: process.env['PATH'] ?? '' } }, (error, out, err) =>
      resolve({ code: error ? Number(error.code) : 0, out, err }),
    );
  });
const names = [
  'backup',
  'restore',
  'migrate',
  'users',
  'sessions revoke',
  'conversations',
  'export conversation',
  'reconcile unread',
  'redrive',
  'secrets',
  'config check',
  'config doc',
];

describe('the operator’s command line', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-command-line-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each(['--help', '-h', 'help'])('describes every command with %s', async (word) => {
    const { code, out, err } = await admin(word);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    for (const name of names) expect(out).toMatch(new RegExp(`^  ${name}\\b.*\n      .+$`, 'm'));
  });

  it.each(names)('describes %s alone with --help, and does not run it', async (name) => {
    const shown = await admin(...name.split(' '), '--help');
    expect(shown).toMatchObject({
      code: 0,
      err: '',
      out: expect.stringMatching(new RegExp(`^  ${name}\\b.*\n +.+\n$`)),
    });
    expect(await admin('help', ...name.split(' '))).toEqual(shown);
  });

  it.each([
    [['bakcup'], 'there is no command bakcup: did you mean backup?'],
    [['sessions'], 'there is no command sessions: did you mean sessions revoke?'],
    [['help', 'user'], 'there is no command user: did you mean users?'],
    [['fry', 'eggs'], 'there is no command fry eggs: `npm run admin -- --help` lists all commands'],
    [['users', '--serach', 'ann'], "Unknown option '--serach'"],
    [['config', 'doc', '--chekc'], "Unknown option '--chekc'"],
    [['users', 'ann'], "Unexpected argument 'ann'"],
    [['backup'], '--to is required'],
    [['users', '--limit', 'many'], '--limit must be a whole number'],
  ])('answers %j with a hint and code 2', async (args, hint) => {
    const { code, out, err } = await admin(...args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(hint);
    expect(err).not.toMatch(/^\s+at /m);
  });

  it('answers no command with the list of all and code 2', async () => {
    expect(await admin()).toMatchObject({ code: 2, out: '', err: expect.stringContaining('reconcile unread') });
  });

  it.each([
    ['users', '--data-dir', 'absent'],
    ['conversations', '--user', 'ann', '--data-dir', 'absent'],
    ['sessions', 'revoke', '--user', 'ann', '--data-dir', 'absent'],
    ['export', 'conversation', '--id', 'x', '--data-dir', 'absent'],
    ['reconcile', 'unread', '--data-dir', 'absent'],
    ['backup', '--to', 'new', '--data-dir', 'absent'],
    ['migrate', '--from', 'absent'],
    ['restore', '--from', 'absent', '--data-dir', 'new'],
    ['users', '--data-dir', 'empty'],
    ['restore', '--from', 'empty', '--data-dir', 'new'],
  ])('creates nothing for %s %s %s %s %s %s', async (...args) => {
    await mkdir(join(folder, 'empty'), { recursive: true });
    const inFolder = args.map((arg) => (['absent', 'empty', 'new'].includes(arg) ? join(folder, arg) : arg));
    const { code, err } = await admin(...inFolder);
    expect(code).toBeGreaterThan(0);
    expect(err).toMatch(/there is no folder|is no data folder|holds no complete backup/);
    expect(err).not.toMatch(/^\s+at /m);
    expect(await readdir(folder)).toEqual(['empty']);
    expect(await readdir(join(folder, 'empty'))).toEqual([]);
  });

  it('names a damaged manifest', async () => {
    const damaged = join(folder, 'damaged');
    await mkdir(damaged);
    await writeFile(join(damaged, 'manifest.json'), '{ "format": 1, "crea');
    const { code, err } = await admin('restore', '--from', damaged, '--data-dir', join(folder, 'new'));
    expect({ code, err }).toEqual({
      code: 1,
      err: `the backup in ${damaged} is damaged: manifest.json cannot be read\n`,
    });
    await expect(access(join(folder, 'new'))).rejects.toThrow('ENOENT');
    await rm(damaged, { recursive: true });
  });
});
