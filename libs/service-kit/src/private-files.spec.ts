import { chmod, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLogger } from './logging.js';
import { makeFolderPrivate } from './private-files.js';

const modeOf = async (path: string): Promise<string> => ((await stat(path)).mode & 0o7777).toString(8);
function recorder() {
  const lines: Record<string, unknown>[] = [];
  const write = (text: Buffer, _: unknown, done: () => void) =>
    void (lines.push(JSON.parse(text.toString()) as Record<string, unknown>), done());
  return { lines, logger: createLogger('spec', 'warn', new Writable({ write })) };
}

describe.skipIf(process.platform === 'win32')('a folder that other users can read', () => {
  let outside: string;
  let folder: string;
  beforeEach(async () => {
    outside = await mkdtemp(join(tmpdir(), 'parley-private-'));
    folder = join(outside, 'data');
    await mkdir(join(folder, 'database', 'deep'), { recursive: true });
    for (const path of ['one', 'database/two', 'database/deep/three', 'database/deep/script']) {
      await writeFile(join(folder, path), 'x');
      await chmod(join(folder, path), path.endsWith('script') ? 0o755 : 0o666);
    }
    for (const path of ['', 'database', 'database/deep']) await chmod(join(folder, path), 0o755);
  });
  afterEach(() => rm(outside, { recursive: true, force: true }));

  it('becomes its user’s alone, with everything in it, and that is said in one line, once', async () => {
    const { lines, logger } = recorder();
    await makeFolderPrivate(folder, { logger });
    for (const path of ['one', 'database/two', 'database/deep/three', 'database/deep/script'])
      expect(await modeOf(join(folder, path)), path).toBe('600');
    for (const path of ['', 'database', 'database/deep']) expect(await modeOf(join(folder, path)), path).toBe('700');
    expect(lines).toMatchObject([{ changed: 4, msg: expect.stringContaining('0600') }]);
    await makeFolderPrivate(folder, { logger });
    expect(lines).toHaveLength(1);
  });

  it('lends its rights to nothing outside that a symbolic link in it names', async () => {
    await writeFile(join(outside, 'foreign'), 'x');
    await chmod(join(outside, 'foreign'), 0o644);
    await mkdir(join(outside, 'foreign-folder'), { mode: 0o755 });
    await symlink('../foreign', join(folder, 'link'));
    await symlink(join(outside, 'foreign-folder'), join(folder, 'folder-link'));
    await makeFolderPrivate(folder);
    expect([await modeOf(join(outside, 'foreign')), await modeOf(join(outside, 'foreign-folder'))]).toEqual([
      '644',
      '755',
    ]);
    expect((await readdir(folder)).toSorted()).toEqual(['database', 'folder-link', 'link', 'one']);
  });

  it('may be named by a symbolic link', async () => {
    await symlink(folder, join(outside, 'name'));
    await makeFolderPrivate(join(outside, 'name'));
    expect(await modeOf(join(folder, 'one'))).toBe('600');
  });

  it('keeps the rights of entries that are not ours', async () => {
    await makeFolderPrivate(folder, { isOurs: (name) => name === 'database' });
    expect([await modeOf(join(folder, 'one')), await modeOf(join(folder, 'database/two'))]).toEqual(['666', '600']);
  });

  it('stays as it is where everybody may write', async () => {
    await chmod(folder, 0o1777);
    await makeFolderPrivate(folder);
    expect([await modeOf(folder), await modeOf(join(folder, 'one'))]).toEqual(['1777', '600']);
  });

  it('need not exist', async () => {
    await expect(makeFolderPrivate(join(folder, 'nothing', 'here'))).resolves.toBeUndefined();
  });
});

// Nobody may change the rights of files in /proc, not even root.
describe.skipIf(process.platform !== 'linux')('a folder whose rights are not ours to change', () => {
  it('stays as it is, and a line names the first such file', async () => {
    const { lines, logger } = recorder();
    await makeFolderPrivate('/proc/self/attr', { logger });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({
      first: expect.stringMatching(/^\/proc\/\d+\/attr/),
      msg: expect.stringContaining('give them to its user'),
    });
    expect(lines[0]!['count']).toBeGreaterThan(0);
  });
});
