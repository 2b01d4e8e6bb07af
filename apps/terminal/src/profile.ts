import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stateHome } from './environment.js';
import type { Options } from './options.js';

type User = NonNullable<Options['who']>;

/** The folder with the session and the unsent messages of one user of one server. */
export interface Profile {
  readonly who: User;
  readonly folder: string;
}

const fileName = (text: string): string => encodeURIComponent(text).replaceAll('.', '%2E').slice(0, 200);
const serverFolderOf = (url: string): string => {
  const { host, pathname } = new URL(url);
  return join(stateHome, fileName(host + pathname.replace(/\/$/, '')));
};

/** The profile that the options name, or the last used one. Undefined if there is none. */
export async function findProfile({ url, who }: Options): Promise<Profile | undefined> {
  const serverFolder = serverFolderOf(url);
  const chosen = who ?? (await readLast(serverFolder));
  return chosen && { who: chosen, folder: join(serverFolder, fileName(`${chosen.kind} ${chosen.name}`)) };
}

/** Remembers this profile as the last used one. */
export async function rememberProfile(url: string, { who }: Profile): Promise<void> {
  const serverFolder = serverFolderOf(url);
  await mkdir(serverFolder, { recursive: true, mode: 0o700 });
  await writeFile(join(serverFolder, 'last.json'), JSON.stringify(who), { mode: 0o600 });
}

export async function removeProfile(url: string, { who, folder }: Profile): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  const last = await readLast(serverFolderOf(url));
  if (last?.kind === who.kind && last.name === who.name)
    await rm(join(serverFolderOf(url), 'last.json'), { force: true });
}

async function readLast(serverFolder: string): Promise<User | undefined> {
  const text = await readFile(join(serverFolder, 'last.json'), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as User);
}
