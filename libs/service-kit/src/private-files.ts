import { chmod, lstat, readdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from './logging.js';

const OTHERS = 0o077;
const STICKY = 0o1000;
/** Entries of one folder that are examined at a time. */
const CONCURRENCY = 32;
/** The rights are another user's to change, or nobody's, on a read-only file system. */
const NOT_OURS = new Set(['EPERM', 'EACCES', 'EROFS']);

/**
 * From now on, files that this process and its children create belong to its user alone: 0600, and 0700 for folders.
 * Not for worker threads to call. Without effect on Windows, which has no such rights.
 */
export const keepFilesPrivate = (): void => void process.umask(OTHERS);

/** Undoes {@link keepFilesPrivate}, for programs that write files for servers of other users. */
export const shareNewFiles = (): void => void process.umask(0o022);

/** What {@link makeFolderPrivate} changes, and where it says so. */
export interface PrivateFolderOptions {
  /** Default: it says nothing. */
  readonly logger?: Logger;
  /** The entries of the folder to change, by their names. Default: all. */
  readonly isOurs?: (name: string) => boolean;
}

/**
 * Takes the rights of other users away from a folder and everything in it: folders get 0700, files 0600. The folder
 * itself comes first, so that nobody else reaches the rest meanwhile. Symbolic links in it are left alone and not
 * followed. Logs a line when it changed files, and another when there are files that are not this user's to change,
 * which stay. A missing folder is fine. Without effect on Windows.
 */
export async function makeFolderPrivate(folder: string, options: PrivateFolderOptions = {}): Promise<void> {
  const { logger, isOurs = () => true } = options;
  if (process.platform === 'win32') return;
  const root = await realpath(folder).catch(ignore('ENOENT'));
  if (root === undefined) return;
  let changed = 0;
  const refused: string[] = [];
  const visit = async (path: string, isEntryOurs?: (name: string) => boolean): Promise<void> => {
    const status = await lstat(path).catch(ignore('ENOENT'));
    if (!status || !(status.isFile() || status.isDirectory())) return;
    // With the sticky bit it is a folder for everybody, such as /tmp.
    if (status.mode & OTHERS && !(status.mode & STICKY)) {
      try {
        await chmod(path, status.isDirectory() ? 0o700 : 0o600);
        if (status.isFile()) changed += 1;
      } catch (error) {
        const { code = '' } = error as NodeJS.ErrnoException;
        if (code === 'ENOENT') return;
        if (!NOT_OURS.has(code)) throw error;
        refused.push(path);
      }
    }
    if (!status.isDirectory()) return;
    const entries = (await readdir(path).catch(ignore('ENOENT', 'EACCES'))) ?? [];
    const names = isEntryOurs ? entries.filter(isEntryOurs) : entries;
    for (let at = 0; at < names.length; at += CONCURRENCY)
      await Promise.all(names.slice(at, at + CONCURRENCY).map((name) => visit(join(path, name))));
  };
  await visit(root, isOurs);
  if (changed > 0)
    logger?.warn(
      { folder: root, changed },
      'other users of this machine had rights to files of this folder: its folders have 0700 and its files 0600 now',
    );
  if (refused.length > 0)
    logger?.warn(
      { folder: root, count: refused.length, first: refused[0] },
      'other users of this machine have rights to files that this process may not change: give them to its user, or set 0700 for folders and 0600 for files',
    );
}

const ignore =
  (...codes: string[]) =>
  (error: NodeJS.ErrnoException): undefined => {
    if (!codes.includes(error.code ?? '')) throw error;
  };
